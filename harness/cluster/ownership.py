"""The guard before every write: the cluster is ours by its context, its address, and an object in it.

A kubeconfig can be edited, a port can be taken over by another cluster; the marker object carries an identity that was
drawn at random when the cluster was made, so a cluster that shows it is the one that this machine wrote down.
"""

from typing import Any

from harness.cluster.api import ApiError, Cluster
from harness.errors import NotOurs
from harness.names import OWNER_MARKER
from harness.objects import CONFIGMAPS
from harness.runtime import RunningCluster


def marker(running: RunningCluster) -> dict[str, Any]:
    """The ConfigMap that says whose the cluster is."""
    namespace, name = OWNER_MARKER
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": namespace, "name": name},
        "data": {"cluster": running.name, "identity": running.identity},
    }


def require_ours(cluster: Cluster, running: RunningCluster) -> None:
    """Raise NotOurs unless `cluster` is `running`. Reads at most one object, and only where the address is right."""
    if cluster.context_name != running.context:
        raise _not_ours(cluster, f"its context is {cluster.context_name!r}, not {running.context!r}", running)
    if cluster.server != running.server:
        raise _not_ours(cluster, f"it points at {cluster.server}, not at {running.server}", running)
    namespace, name = OWNER_MARKER
    try:
        found = cluster.get(CONFIGMAPS, namespace, name)
    except ApiError as error:
        if error.status in (401, 403):
            raise _not_ours(cluster, f"{cluster.server} does not know our certificate", running) from error
        raise
    if found is None:
        raise _not_ours(cluster, f"{cluster.server} has no ConfigMap {namespace}/{name}", running)
    if found.get("data") != marker(running)["data"]:
        raise _not_ours(cluster, f"ConfigMap {namespace}/{name} names another cluster", running)


def _not_ours(cluster: Cluster, why: str, running: RunningCluster) -> NotOurs:
    return NotOurs(
        f"this is not the cluster {running.name!r} that the harness made: {why}; nothing was written",
        where=str(cluster.kubeconfig),
        do=f"create it again: kwok-harness down {running.name}; kwok-harness up {running.name}",
    )
