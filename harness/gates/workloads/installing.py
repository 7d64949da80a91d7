"""The watch over pods while releases are installed: what helm, and whoever else waits for hooks, does not tell."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from harness.gates.findings import Finding, Level
from harness.gates.messages import said
from harness.gates.workloads.arrivals import Arrivals
from harness.gates.workloads.explanation import worst_of
from harness.gates.workloads.ownership import Ownership
from harness.gates.workloads.refusals import Refusals
from harness.gates.workloads.unscheduled import KINDS, owned, unscheduled
from harness.objects import DAEMONSETS, JOBS, REPLICASETS, STATEFULSETS, Kind, Object, Objects, holds, phase
from harness.verdict import CauseKind, Verdict, Waiting


@dataclass(frozen=True)
class NothingUnschedulable:
    """A watch while releases install: never passes, and is doomed by a pod that cannot run, or that may not be made.

    It sees all pods in `namespaces` (those of the releases), those of hooks above all: helm waits for them without a
    word. `arrivals` is what the releases are still to bring. The wait around it ends when the install does.
    """

    kinds: ClassVar[tuple[Kind, ...]] = KINDS

    namespaces: frozenset[str]
    arrivals: Arrivals = Arrivals(under_way=True)  # noqa: RUF009 - frozen

    def __call__(self, objects: Objects) -> Verdict:
        ownership = Ownership(objects)
        pods = [(pod, owner) for pod, owner in owned(ownership) if owner.identity[1] in self.namespaces]
        found = [*unscheduled(pods, ownership, self.arrivals), *self._refused(ownership)]
        told = [finding for finding in found if finding.level is not Level.WAITING]
        return worst_of(told, ownership) if told else Waiting("no pod is unschedulable")

    def _refused(self, ownership: Ownership) -> Iterator[Finding]:
        """Workloads that lack pods, and whose controller says that it may not make them."""
        refused = Refusals(ownership, self.arrivals)
        for kind in (DAEMONSETS, JOBS, REPLICASETS, STATEFULSETS):
            for live in ownership.objects.all(kind):
                owner = ownership.owner(live, kind.kind)
                if owner.identity[1] not in self.namespaces or not _lacks_pods(live, kind, ownership):
                    continue
                if refusal := refused.of(live, owner.identity):
                    blamed = said(refusal.text) or CauseKind.RECONCILE
                    yield Finding(refusal.level, str(owner), f"its pods cannot be made: {refusal.text}", kind=blamed)


def _lacks_pods(live: Object, kind: Kind, ownership: Ownership) -> bool:
    """Whether a workload has fewer pods than it asks for."""
    if "deletionTimestamp" in live["metadata"]:
        return False
    there = [pod for pod in ownership.pods_of(live["metadata"]["uid"]) if phase(pod) != "Failed"]
    if kind == JOBS:
        over = any(holds(live, end) for end in ("Complete", "SuccessCriteriaMet", "Failed"))
        return not over and not live["spec"].get("suspend") and not there
    wanted: int = live["spec"].get("replicas", 1)
    if kind == DAEMONSETS:
        wanted = (live.get("status") or {}).get("desiredNumberScheduled", 0)
    return len(there) < wanted
