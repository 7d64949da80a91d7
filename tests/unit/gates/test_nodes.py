"""Nodes are ready when they take pods."""

from typing import Any

import pytest

from harness.gates.nodes import NodesReady
from harness.verdict import Failed, Passed, Waiting
from tests.fakes.objects import KWOK, node, objects_of

NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def with_conditions(*conditions: dict[str, str]) -> dict[str, Any]:
    found = node("gpu-0")
    found["status"]["conditions"] = list(conditions)
    return found


@pytest.mark.parametrize(
    ("nodes", "kind", "text"),
    [
        ([node("gpu-0"), node("gpu-1")], Passed, "2 nodes are ready"),
        ([node("gpu-1")], Waiting, "Node gpu-0: is not in the cluster"),
        ([with_conditions(), node("gpu-1")], Waiting, "Node gpu-0: has no Ready condition"),
        (
            [with_conditions({"type": "Ready", "status": "False", "message": "no heartbeat"}), node("gpu-1")],
            Waiting,
            "Node gpu-0: no heartbeat",
        ),
        (
            [
                with_conditions({"type": "Ready", "status": "Unknown"}, {"type": "DiskPressure", "status": "True"}),
                node("gpu-1"),
            ],
            Waiting,
            "Node gpu-0",
        ),
        ([node("gpu-0"), node("gpu-1", taints=[KWOK, NOT_READY])], Waiting, "Node gpu-1: still has taint node"),
    ],
    ids=["ready", "absent", "no condition", "not ready", "unknown", "still tainted"],
)
def test_nodes_that_are_asked_for(nodes: list[Any], kind: type, text: str) -> None:
    """All of them, by the Ready condition and without the taints of new nodes; the design's own taint stays."""
    verdict = NodesReady(("gpu-0", "gpu-1"))(objects_of(*nodes))
    assert isinstance(verdict, kind)
    assert text in str(verdict)


def test_no_nodes_are_never_ready() -> None:
    """An empty plan is not a cluster."""
    assert isinstance(NodesReady(())(objects_of(node("gpu-0"))), Failed)
