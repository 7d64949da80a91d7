"""Whether a snapshot is of the cluster that is validated: its constraints say nothing of another one.

A snapshot that the harness took has the identity of its cluster. One of the reference tool has none: there, what
differs is told.
"""

from collections.abc import Iterable

from harness.cluster.api import ApiError, Cluster
from harness.errors import DataError
from harness.objects import NAMESPACES, Object
from harness.validation.measurements import Snapshot

IDENTITY = "cluster-uid"  # the key of `metadata`: the UID of namespace kube-system, which lives as long as its cluster


def identity(cluster: Cluster) -> str:
    """The UID of namespace kube-system; empty where it may not be read."""
    try:
        found = cluster.get(NAMESPACES, "", "kube-system")
    except ApiError as error:
        if error.status == 403:
            return ""
        raise
    return str(found["metadata"].get("uid") or "") if found else ""


def require_same(snapshot: Snapshot, cluster: Cluster, nodes: Iterable[Object]) -> list[str]:
    """Notes on what differs between a snapshot without identity and the cluster; none where nothing does.

    Raises DataError where the identities differ.
    """
    of_snapshot = snapshot.metadata.get(IDENTITY, "")
    of_cluster = identity(cluster) if of_snapshot else ""
    if of_snapshot and of_cluster:
        if of_snapshot == of_cluster:
            return []
        raise DataError(
            f"the snapshot is of another cluster (kube-system has UID {of_snapshot}, in {cluster.server} {of_cluster})",
            where=snapshot.source,
            do="take a snapshot of this cluster (kwok-harness snapshot), or evaluate the constraints with --no-cluster",
        )
    differences = []
    version = _reading(snapshot, "server", "version")
    if version and version != (served := cluster.version()):
        differences.append(f"the snapshot has Kubernetes {version}, the cluster {served}")
    source = snapshot.metadata.get("source-node") or _reading(snapshot, "node", "source-node")
    if source and source not in {node["metadata"]["name"] for node in nodes}:
        differences.append(f"the cluster has no node {source}, which the snapshot is from")
    return [f"the snapshot may be of another cluster: {'; '.join(differences)}"] if differences else []


def _reading(snapshot: Snapshot, subtype: str, key: str) -> str:
    found = snapshot.measurements.get("K8s", {}).get(subtype)
    return str(found.data.get(key, "")) if found else ""
