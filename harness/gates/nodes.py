"""Whether the simulated nodes are there and take pods."""

from dataclasses import dataclass
from typing import ClassVar

from harness.gates.scheduling.fit import afflicted
from harness.objects import NODES, Kind, Objects, condition, holds
from harness.verdict import Failed, Passed, Verdict, Waiting


@dataclass(frozen=True)
class NodesReady:
    """Each node of `names` is Ready and rid of the taints with which the node controllers greet new nodes."""

    kinds: ClassVar[tuple[Kind, ...]] = (NODES,)

    names: tuple[str, ...]

    def __call__(self, objects: Objects) -> Verdict:
        if not self.names:
            return Failed("no nodes were asked for")
        for name in sorted(self.names):
            node = objects.get(NODES, "", name)
            if node is None:
                return Waiting("is not in the cluster", f"Node {name}")
            if not holds(node, "Ready"):
                return Waiting(condition(node, "Ready").get("message") or "has no Ready condition", f"Node {name}")
            if taints := afflicted(node):
                return Waiting(f"still has taint {', '.join(taints)}", f"Node {name}")
        return Passed(f"{len(self.names)} nodes are ready")
