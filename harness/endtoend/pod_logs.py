"""What pods on real nodes said during a step, where a suite's controllers are pods and no processes."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime

from harness.cluster.api import Cluster
from harness.endtoend.model import EVERYWHERE
from harness.errors import ClusterError
from harness.objects import PODS
from harness.suites.running.nodes import simulated_nodes

_LINES = 2000  # of each container


def pod_logs(cluster: Cluster, namespaces: Collection[str], since: float) -> Iterator[tuple[str, str]]:
    """The name (namespace.pod.container) and text of each log in `namespaces`, since a time (seconds since 1970).

    Of a container that was started again, what it said before it ended comes first, whenever that was. A log that the
    kubelet does not have is left out. Raises ClusterError where nodes or pods cannot be listed.
    """
    simulated, begun = simulated_nodes(cluster), datetime.fromtimestamp(since, UTC).isoformat()
    wanted = [""] if EVERYWHERE in namespaces else sorted(namespaces)
    for pod in [pod for namespace in wanted for pod in cluster.list(PODS, namespace=namespace).items]:
        namespace, name, node = pod["metadata"]["namespace"], pod["metadata"]["name"], pod["spec"].get("nodeName")
        if not node or node in simulated:
            continue
        status = pod.get("status") or {}
        for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
            texts = []
            for previous in (True, False) if container.get("restartCount") else (False,):
                try:
                    texts.append(
                        cluster.log(
                            namespace,
                            name,
                            container["name"],
                            lines=_LINES,
                            previous=previous,
                            since="" if previous else begun,
                        )
                    )
                except ClusterError:
                    continue
            yield f"{namespace}.{name}.{container['name']}", "".join(texts)
