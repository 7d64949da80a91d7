"""Whether pods run anything on the nodes of a cluster."""

from harness.cluster.api import Cluster
from harness.errors import ClusterError
from harness.names import INFRASTRUCTURE_NODE, KWOK_NODE_ANNOTATION
from harness.objects import NODES, Object


def simulated(cluster: Cluster) -> bool:
    """All nodes that take workloads are simulated, or there is none; where they may not be listed, they are real."""
    try:
        nodes = cluster.list(NODES).items
    except ClusterError:
        return False
    return all(_is_simulated(node) for node in nodes)


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
