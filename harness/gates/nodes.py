"""Whether the simulated nodes are there and take pods."""

from collections.abc import Callable, Collection

from harness.gates.scheduling.fit import afflicted
from harness.objects import NODES, Kind, Objects, condition, holds
from harness.verdict import Failed, Passed, Verdict, Waiting

KINDS: tuple[Kind, ...] = (NODES,)


def nodes_ready(names: Collection[str]) -> Callable[[Objects], Verdict]:
    """Passes when each named node is Ready and rid of the taints with which the node controllers greet new nodes."""

    def gate(objects: Objects) -> Verdict:
        if not names:
            return Failed("no nodes were asked for")
        for name in sorted(names):
            node = objects.get(NODES, "", name)
            if node is None:
                return Waiting("is not in the cluster", f"Node {name}")
            if not holds(node, "Ready"):
                return Waiting(condition(node, "Ready").get("message") or "has no Ready condition", f"Node {name}")
            if taints := afflicted(node):
                return Waiting(f"still has taint {', '.join(taints)}", f"Node {name}")
        return Passed(f"{len(names)} nodes are ready")

    return gate
