"""A lane, and what its story is told with.

A lane knows how a bundle is delivered; everything else (waiting, verifying, phases) it asks of the Run. There is no
`if lane == ...` anywhere: a new lane is a new file under lanes/ and a line in its tuple.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from harness import progress
from harness.background import Background
from harness.bundles.model import Bundle
from harness.cluster import Cluster
from harness.deadline import Deadline
from harness.gates import workloads
from harness.helm import Helm
from harness.journal import Journal
from harness.process import Scope
from harness.settings import Settings
from harness.snapshot import Kind, Snapshot
from harness.verdict import Passed, Verdict
from harness.verify import Expectation
from harness.waiting import Cancelled, Observe, wait

Gate = Callable[[Snapshot], Verdict]


@dataclass
class Run:
    """One cell under way: a recipe, its bundle, and the cluster on which a lane delivers it."""

    settings: Settings
    bundle: Bundle
    expectation: Expectation
    cluster: Cluster
    helm: Helm
    journal: Journal
    scope: Scope
    facts: dict[str, Any] = field(default_factory=dict)

    def task(self, name: str) -> AbstractContextManager[None]:
        """Tell progress of a piece of work within a phase."""
        return progress.task(self.journal.progress, name)

    def expect(self, kinds: Iterable[Kind], gate: Gate, *, within: float, observe: Observe | None = None) -> Passed:
        """Wait until the gate passes and stays so; raises with what was missing after `within` seconds."""
        deadlines = self.settings.deadlines
        return wait(
            self.cluster,
            kinds,
            gate,
            Deadline.after(within),
            settle=deadlines.settle,
            patience=deadlines.unschedulable,
            observe=observe,
        )

    def while_schedulable(self, work: Callable[[], None]) -> None:
        """Do `work` while the scheduler is watched: a pod that it refuses for too long ends both, with its reason."""
        ended = threading.Event()

        def watched() -> None:
            try:
                work()
            finally:
                ended.set()

        working = Background(watched, "lane")
        try:
            wait(
                self.cluster,
                workloads.SCHEDULING_KINDS,
                workloads.nothing_unschedulable(self.expectation.namespaces),
                Deadline.after(self.settings.deadlines.release * len(self.bundle.folders)),
                patience=self.settings.deadlines.unschedulable,
                cancelled=ended,
            )
        except Cancelled:
            working.result()
        finally:
            if not ended.is_set():
                self.scope.stop()
                working.wait(5)
                self.scope.reopen()

    def verify(self) -> Passed:
        """Expect every workload of the bundle on its nodes; what a pass does not cover becomes notes."""
        seen: list[Snapshot] = []
        with self.journal.phase("verify") as phase:
            try:
                passed = self.expect(
                    workloads.KINDS,
                    self.expectation.gate,
                    within=self.settings.deadlines.pods,
                    observe=lambda snapshot, verdict, seconds: seen.__setitem__(slice(None), [snapshot]),
                )
            finally:
                for snapshot in seen:
                    self.facts.update(self.expectation.facts(snapshot))
            for note in self.expectation.notes(seen[-1]):
                self.journal.note(note)
            phase.detail = passed.reason
        return passed


@dataclass(frozen=True)
class Lane:
    """A delivery path: the bundle's shape, the tools beyond the runtime's own, and the story."""

    name: str
    shape: str
    tools: tuple[str, ...]
    story: Callable[[Run], Passed]
