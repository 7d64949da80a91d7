"""The simulated nodes of a cell: made, and removed again."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.gates.nodes import NodesReady
from harness.isolation.classes import apply_classes
from harness.names import KWOK_NODE_LABEL
from harness.objects import NODES, STORAGE_CLASSES, Object
from harness.progress import Progress, task
from harness.waiting.loop import wait

DIGEST_ANNOTATION = "kwok-harness/digest"  # of the node as planned: tells whether a node that is there is as wanted
_AT_ONCE = 16
_Item = TypeVar("_Item")


def apply_nodes(cluster: Cluster, objects: Sequence[Object], deadline: Deadline, progress: Progress) -> None:
    """Make the simulated nodes of `cluster` and its provider's classes exactly those among `objects`, and wait until
    each node is Ready and takes pods.

    Nodes that are as planned stay; those of another plan go. Raises Expired at the deadline.
    """
    nodes = [each for each in objects if each["kind"] == NODES.kind]
    with task(progress, "nodes", f"{len(nodes)} nodes"):
        apply_classes(cluster, [each for each in objects if each["kind"] == STORAGE_CLASSES.kind])
        there = {node["metadata"]["name"]: _digest_of(node) for node in _simulated(cluster)}
        planned = {node["metadata"]["name"]: node for node in nodes}
        as_planned = {name for name, node in planned.items() if there.get(name) == _digest_of(node)}
        _delete(cluster, sorted(there.keys() - as_planned))
        missing = [node for name, node in planned.items() if name not in as_planned]
        _in_parallel(lambda node: cluster.create(NODES, node), missing)
        progress.step("nodes", f"{len(missing)} made, {len(as_planned)} kept; waiting for Ready")
        ready = NodesReady(tuple(planned))
        wait(cluster, ready.kinds, ready, deadline)


def delete_nodes(cluster: Cluster) -> None:
    """Remove every simulated node; their pods go with them."""
    _delete(cluster, [node["metadata"]["name"] for node in _simulated(cluster)])


def _digest_of(node: Object) -> str:
    annotations: Mapping[str, str] = node["metadata"].get("annotations", {})
    return annotations.get(DIGEST_ANNOTATION, "")


def _simulated(cluster: Cluster) -> list[dict[str, Any]]:
    return cluster.list(NODES, label_selector="=".join(KWOK_NODE_LABEL)).items


def _delete(cluster: Cluster, names: Sequence[str]) -> None:
    _in_parallel(lambda name: cluster.delete(NODES, "", name), names)


def _in_parallel(work: Callable[[_Item], object], items: Sequence[_Item]) -> None:
    """The first failure is raised, and what has not begun by then is left undone."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="nodes") as pool:
        for _ in pool.map(work, items):
            pass
