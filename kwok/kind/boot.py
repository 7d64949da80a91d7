"""From a cluster that kind has just made to a simulated one: what goes into it, and when it is ready."""

from pathlib import Path

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.errors import ClusterError
from harness.names import INFRASTRUCTURE_NODE
from harness.objects import (
    DAEMONSETS,
    DEPLOYMENTS,
    NODES,
    SERVICE_ACCOUNTS,
    STORAGE_CLASSES,
    Object,
    Objects,
    condition,
    holds,
)
from harness.settings import Settings
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import Expired, wait
from kwok import admission
from kwok.furnishing import furnish
from kwok.kind import controller, fence
from kwok.kind.config import REAL_POD_RANGE

KINDS = (NODES, DEPLOYMENTS, DAEMONSETS, SERVICE_ACCOUNTS)
_SERVING_SECONDS = 30.0  # kind has just had its answers; a server that is silent for so long has died


def furnish_cluster(
    cluster: Cluster, node: str, kwok_image: str, settings: Settings, directory: Path, deadline: Deadline
) -> None:
    """Make of a fresh Kind cluster one that simulates, and wait until all of it is ready. Raises ClusterError."""
    if not cluster.healthy(deadline.within(_SERVING_SECONDS).remaining):
        raise ClusterError("kind created the cluster, but its API server does not answer", where=cluster.server)
    # The network of the real pods begins with the node's range, which nobody hands out here.
    cluster.patch_merge(NODES, "", node, {"spec": {"podCIDR": REAL_POD_RANGE, "podCIDRs": [REAL_POD_RANGE]}})
    fence.pin(cluster)
    fence.fence(cluster)
    for kind, obj in controller.objects(kwok_image, settings.pods):
        cluster.apply(kind, obj)
    for each in cluster.list(STORAGE_CLASSES).items:  # kind's own, whose volumes would be on the real node
        cluster.delete(STORAGE_CLASSES, "", each["metadata"]["name"])
    furnish(cluster, settings, directory)
    fence.until_in_force(cluster, deadline)
    admission.until_in_force(cluster, settings, deadline)
    try:
        wait(cluster, KINDS, everything_ready, deadline)
    except Expired as expired:
        raise ClusterError(
            f"the cluster is not ready after {deadline.budget:g} s: {expired.verdict}",
            where=f"container {node}",
            do="give it more time on a slow machine: deadlines.cluster_ready",
        ) from expired


def everything_ready(objects: Objects) -> Verdict:
    """The real node, what runs on it, and the account that pods run under."""
    key, value = INFRASTRUCTURE_NODE
    real = [node for node in objects.all(NODES) if node["metadata"].get("labels", {}).get(key) == value]
    if not real:
        return Waiting("no node has the label", f"{key}={value}")
    for node in real:
        if not holds(node, "Ready"):
            why = condition(node, "Ready").get("message") or "has no Ready condition"
            return Waiting(why, f"Node {node['metadata']['name']}")
    if objects.get(DEPLOYMENTS, controller.NAMESPACE, controller.NAME) is None:
        return Waiting("is not there", f"Deployment {controller.NAMESPACE}/{controller.NAME}")
    for deployment in objects.all(DEPLOYMENTS):
        if why := _missing(deployment, deployment["spec"].get("replicas", 1), "replicas", "availableReplicas"):
            return Waiting(why, _subject("Deployment", deployment))
    for daemonset in objects.all(DAEMONSETS):
        if why := _missing(daemonset, len(real), "desiredNumberScheduled", "numberAvailable"):
            return Waiting(why, _subject("DaemonSet", daemonset))
    if objects.get(SERVICE_ACCOUNTS, "default", "default") is None:
        return Waiting("the controller manager has not created it yet", "ServiceAccount default/default")
    return Passed("the real node and all that runs on it are ready")


def _missing(item: Object, wanted: int, there: str, available: str) -> str:
    """Why a workload is not what its newest version says; empty where it is."""
    status = item.get("status") or {}
    if status.get("observedGeneration", 0) < item["metadata"].get("generation", 0):
        return "its controller has not seen its newest version"
    updated = status.get("updatedReplicas", 0) if there == "replicas" else status.get("updatedNumberScheduled", 0)
    if not updated == status.get(there, 0) == status.get(available, 0) == wanted:
        return f"{status.get(available, 0)} of {wanted} pods are available, {updated} of them new"
    return ""


def _subject(kind: str, item: Object) -> str:
    return f"{kind} {item['metadata']['namespace']}/{item['metadata']['name']}"
