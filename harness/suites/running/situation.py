"""What surrounds an operation while it runs: namespace, clusters, budget, what ends it, and what was made so far."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.deadline import Clock, Deadline
from harness.evidence.recorder import Recorder
from harness.objects import Kind
from harness.processes.commands import Scope as Programs
from harness.suites.model import ClusterReference, Operation, Own, Timeouts
from harness.suites.running.clients import Client
from harness.suites.running.failures import NotJudged
from harness.suites.running.options import WINDING_UP, RunOptions
from harness.suites.running.scope import Scope
from harness.suites.running.witness import Witness
from harness.waiting.loop import Cancelled

Connect = Callable[[ClusterReference, Path], Client]
# Carries out an operation of the caller's own within so many seconds, and says what it saw. Raises OperationFailed.
Carry = Callable[[Own, Scope, "Situation", float], str]


@dataclass
class Interruption:
    """The first signal ends what is under way (`cancelled`); what has to be put in order then has until `deadline`."""

    cancelled: threading.Event = field(default_factory=threading.Event)
    programs: Programs = field(default_factory=Programs)
    deadline: Deadline | None = None

    def begin(self, clock: Clock) -> None:
        """End what is under way; from now on only what puts things in order is run, and that not for long."""
        self.deadline = Deadline.after(WINDING_UP, clock=clock)
        self.cancelled.set()
        threading.Thread(target=self._end_programs, daemon=True).start()

    def _end_programs(self) -> None:
        self.programs.stop()


@dataclass(frozen=True)
class Created:
    """An object that the suite made, and how it is to be deleted."""

    client: Client
    kind: Kind
    item: Mapping[str, Any]
    propagation: str


@dataclass
class Journal:
    """What a run made, and what it did to objects that were there before. May be called from any thread."""

    changed: dict[str, None] = field(default_factory=dict)
    _made: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def made(self, item: Mapping[str, Any]) -> None:
        with self._lock:
            self._made.add(str(item["metadata"].get("uid")))

    def wrote(self, before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> None:
        """Remembers `name` where the object was somebody else's, and is not as it was."""
        versions = [item["metadata"].get("resourceVersion") for item in (before, after)]
        with self._lock:
            if versions[0] != versions[1] and str(before["metadata"].get("uid")) not in self._made:
                self.changed[name] = None


@dataclass
class Situation:
    """Of the operations of one block. `cancelled` ends what is under way; `deadline` is the budget that is left.

    `namespace` is the test's; `folder` is where its files are. `created` grows with what is made.
    """

    options: RunOptions
    folder: Path
    namespace: str
    timeouts: Timeouts
    deadline: Deadline
    interruption: Interruption
    cancelled: threading.Event
    programs: Programs
    journal: Journal
    created: list[Created]
    client: Client | None
    connect: Connect
    recorder: Recorder | None = None
    carry: Carry | None = None
    witness: Witness | None = None
    clusters: Mapping[str, ClusterReference] = field(default_factory=dict)
    cluster: str = ""
    propagation: str = "Background"
    grace_period: float | None = None
    skip_delete: bool = False

    def after_all(self) -> "Situation":
        """For what runs in any case: after an interrupt, or once the budget is used up, it has a bound of its own."""
        interrupted = self.interruption.cancelled.is_set()
        if interrupted and self.interruption.deadline is not None:
            deadline = self.interruption.deadline
            return replace(self, cancelled=threading.Event(), programs=Programs(), deadline=deadline)
        if self.deadline.expired:
            return replace(self, deadline=Deadline.after(WINDING_UP, clock=self.clock))
        return self

    @property
    def clock(self) -> Clock:
        return self.deadline.clock

    def within(self, seconds: float | None) -> Deadline:
        """The deadline of something that may take `seconds`, within the budget."""
        return self.deadline.within(seconds or self.options.run_budget)

    def pause(self, seconds: float) -> None:
        """Raises Cancelled where the run is interrupted meanwhile."""
        if self.clock.wait(self.cancelled, seconds):
            raise Cancelled("interrupted")

    def client_of(self, operation: Operation, scope: Scope) -> Client:
        """The cluster that an operation is for. Raises NotJudged where there is none."""
        name = scope.text(operation.cluster or self.cluster)
        if name:
            reference = {**self.clusters, **operation.clusters}.get(name)
            if reference is None:
                raise NotJudged(f"cluster {name!r} is not among clusters")
            return self.connect(reference, self.folder)
        if self.client is None:
            raise NotJudged(f"{operation.verb} needs a cluster, but none is connected (--no-cluster)")
        return self.client
