"""Where the pods of a validation go: to a real node, whatever they tolerate, since KWOK runs nothing of them."""

from collections.abc import Iterable
from typing import Any

from harness.names import INFRASTRUCTURE_NODE, KWOK_NODE_LABEL
from harness.objects import Object
from harness.validation.capture import simulated_node


def node_selector(nodes: Iterable[Object]) -> dict[str, str]:
    """The selector of a Kind cluster's real node, whose API server sends a pod that does not name it to the simulated
    ones; empty for any other cluster.
    """
    key, value = INFRASTRUCTURE_NODE
    real = [node for node in nodes if not simulated_node(node)]
    ours = real and all((node["metadata"].get("labels") or {}).get(key) == value for node in real)
    return {key: value} if ours else {}


def away_from_simulated(nodes: Iterable[Object]) -> dict[str, Any]:
    """The term of a required node affinity that no simulated node fits, by label, else by name."""
    key, value = KWOK_NODE_LABEL
    term: dict[str, Any] = {"matchExpressions": [{"key": key, "operator": "NotIn", "values": [value]}]}
    unmarked = [
        str(node["metadata"]["name"])
        for node in nodes
        if simulated_node(node) and (node["metadata"].get("labels") or {}).get(key) != value
    ]
    if unmarked:
        term["matchFields"] = [{"key": "metadata.name", "operator": "NotIn", "values": [name]} for name in unmarked]
    return term
