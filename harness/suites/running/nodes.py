"""Whether pods run anything on the nodes of a cluster."""

from enum import StrEnum

from harness.cluster.api import ApiError, Cluster
from harness.names import INFRASTRUCTURE_NODE, KWOK_NODE_ANNOTATION
from harness.objects import NODES, Object


class Nodes(StrEnum):
    """What runs pods. UNKNOWN: they may not be listed, so that nothing which needs them is proven."""

    REAL = "real"
    SIMULATED = "simulated"
    UNKNOWN = "unknown"


def nodes_of(cluster: Cluster) -> Nodes:
    """Simulated: all nodes that take workloads are, or there is none. Raises ClusterError without an answer."""
    try:
        nodes = cluster.list(NODES).items
    except ApiError as error:
        if error.status == 403:
            return Nodes.UNKNOWN
        raise
    return Nodes.SIMULATED if all(_is_simulated(node) for node in nodes) else Nodes.REAL


def simulated_nodes(cluster: Cluster) -> frozenset[str]:
    """The names of the nodes that KWOK keeps. Raises ClusterError."""
    kept = [node for node in cluster.list(NODES).items if _is_kwoks(node)]
    return frozenset(str(node["metadata"]["name"]) for node in kept)


def _is_kwoks(node: Object) -> bool:
    return (node["metadata"].get("annotations") or {}).get(KWOK_NODE_ANNOTATION) == "fake"


def _is_simulated(node: Object) -> bool:
    metadata = node["metadata"]
    label, value = INFRASTRUCTURE_NODE
    ours = (metadata.get("labels") or {}).get(label) == value
    return ours or _is_kwoks(node)
