"""What a lane's story is told with: one cell under way.

A lane knows how a bundle is delivered; everything else (waiting, verifying, phases) it asks of the Run.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from harness import progress
from harness.bundles.model import Bundle
from harness.cells.budget import Budget
from harness.cells.delivered import Delivered
from harness.cells.remaking import Restless
from harness.cells.timeline import Timeline
from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.errors import SyncDeadline, VerdictFailed
from harness.evidence.recorder import Recorder
from harness.expected.workloads import Expectation
from harness.gates.findings import Gate
from harness.helm.client import Helm
from harness.installers.installer import Infrastructure
from harness.objects import PODS, Kind, Object, Objects
from harness.processes.commands import Scope
from harness.processes.threads import Background
from harness.publishing.oci.address import Access as RegistryAccess
from harness.publishing.publication import Publication, Pushed
from harness.publishing.transport import Access, Client, Published
from harness.recipes.model import Recipe
from harness.results.journal import Journal
from harness.settings import Settings
from harness.verdict import Passed, Verdict
from harness.waiting.claims import LOOK_AGAIN
from harness.waiting.loop import Cancelled, Expired, Judged, Observe, wait
from harness.waiting.nudges import Hasten, hastening

A = TypeVar("A", bound=Access)
Watched = Callable[[Verdict, float], None]  # what a wait says of what it sees, and how many seconds it has in all


def unwatched(verdict: Verdict, within: float) -> None:
    """Nobody looks."""


@dataclass
class Run:
    """One cell under way: a recipe, its bundle, and the cluster on which a lane delivers it.

    `publication` is what a lane that delivers from a registry or from Git has to push, with `access` to that, and the
    `client` that pushes; `services` are what it delivers through.
    `name` is what its root objects are called after, and `replaces` the bundle that runs there already: an upgrade
    changes the recipe and keeps the name. `passed` is every expectation that has passed, in order. `installed` says
    what is expected once everything is installed, since charts may have asked the cluster meanwhile. `restless` hears
    all waits.
    """

    recipe: Recipe
    settings: Settings
    bundle: Bundle
    expectation: Expectation
    cluster: Cluster
    helm: Helm
    journal: Journal
    scope: Scope
    services: Infrastructure
    recorder: Recorder
    publication: Publication | None = None
    access: Access | None = None
    client: Client | None = None
    name: str = ""
    replaces: Bundle | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    watched: Watched = unwatched
    passed: list[tuple[Gate, float]] = field(default_factory=list)
    installed: Callable[[], Expectation] | None = None
    restless: Restless = field(default_factory=Restless)
    pushed_before: str = ""  # the digest of what the earlier bundle was pushed as, in an upgrade
    _pushed: Pushed | None = field(default=None, init=False)
    _delivered: Delivered | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._begin_timeline(() if self.publication else (folder.release for folder in self.bundle.folders))

    def _begin_timeline(self, names: Iterable[str]) -> None:
        self.timeline = Timeline(names, lambda: self.journal.seconds)
        self.facts["components"] = self.timeline.rows

    def task(self, name: str) -> AbstractContextManager[None]:
        """Tell progress of a piece of work within a phase."""
        return progress.task(self.journal.progress, name)

    @property
    def pauses(self) -> int:
        """Seconds that workloads take by their own manifests (minReadySeconds), which no deadline is about."""
        nodes = self.settings.nodes.system + self.settings.nodes.accelerated
        return self.expectation.pauses(upgraded=self.replaces is not None, nodes=nodes)

    @property
    def registry(self) -> RegistryAccess:
        """How this machine gets at the registry that artifacts are pushed to."""
        return self.access_as(RegistryAccess)

    def access_as(self, kind: type[A]) -> A:
        """How this machine gets at what bundles are pushed to, which is of the kind that the lane knows."""
        if not isinstance(self.access, kind):
            raise TypeError(f"this lane does not deliver through a {kind.__module__}")
        return self.access

    @property
    def pushed(self) -> Pushed:
        """What was pushed, once it was."""
        if self._pushed is None:
            raise ValueError("nothing was pushed")
        return self._pushed

    def push(self) -> Published:
        """Push the bundle; its digest is the identity for everything after."""
        if self.publication is None or self.access is None:
            raise ValueError("this lane's shape is not one that is published")
        if self.client is None:
            self.client = self.access.client(retries=self.settings.retries, cancelled=self.services.died)
        with self.journal.phase("push") as phase:
            self._pushed = self.publication.push(self.client)
            published = self._pushed.published
            phase.detail = f"{published.repository}:{published.tag}@{published.digest[:19]}"
        self._begin_timeline(self._pushed.delivery.names)  # what controllers call them
        self.facts["digest"] = published.digest
        self.recorder.fact(digest=published.digest)
        return published

    def apply(self, kind: Kind, item: Object) -> None:
        """Server-side apply, to a cluster that is known to be ours."""
        self.cluster.apply(kind, item)

    def expect(
        self,
        gate: Gate,
        *,
        within: float,
        late: type[VerdictFailed] = VerdictFailed,
        observe: Observe | None = None,
        settle: float | None = None,
        hasten: Hasten | None = None,
    ) -> Passed:
        """Wait until the gate passes and stays so for `settle` seconds; after `within` seconds raise `late`, with what
        was missing.

        A service that dies ends the wait at once, with its last words. What is missing because the job's own deadline
        came first is SyncDeadline, whatever is waited for. `hasten` is what controllers are told meanwhile, beside what
        the scheduler is told of claims where pods are looked at.
        """
        passed = self._wait(gate, within=within, late=late, observe=observe, settle=settle, hasten=hasten)
        self.passed.append((gate, within))
        return passed

    def expect_delivered(
        self,
        gate: Gate,
        *,
        within: float,
        observe: Observe | None = None,
        hasten: Hasten | None = None,
    ) -> Passed:
        """Wait until the gate passes, SyncDeadline after `within` seconds. That it stays so is for `verify` to see, at
        the end and together with its own verdict, so that nobody waits for the same twice.
        """
        wait = partial(self._wait, gate, late=SyncDeadline, observe=observe, settle=0.0, hasten=hasten)
        deadline = Deadline.after(self.budget.within(within))
        passed = wait(within=within)
        self._delivered = Delivered(gate, deadline, lambda: wait(within=deadline.remaining))
        self.passed.append((gate, within))
        return passed

    def _wait(
        self,
        gate: Gate,
        *,
        within: float,
        late: type[VerdictFailed],
        observe: Observe | None,
        settle: float | None,
        hasten: Hasten | None,
    ) -> Passed:
        deadlines = self.settings.deadlines
        if late is SyncDeadline:
            self.budget.require()
        wanted, within = within, self.budget.within(within)
        hastens = [each for each in (hasten, LOOK_AGAIN if PODS in gate.kinds else None) if each is not None]

        def seeing(judged: Judged) -> None:
            self.watched(judged.verdict, within)
            self.restless.seen(judged)
            if observe is not None:
                observe(judged)

        try:
            with (
                hastening(hastens, self.cluster, self.recorder.nudge) as look,
                self.recorder.wait(gate.kinds, gate, within=within, observe=_both(look, seeing)) as seen,
            ):
                return wait(
                    self.cluster,
                    gate.kinds,
                    gate,
                    Deadline.after(within),
                    settle=deadlines.settle if settle is None else settle,
                    patience=deadlines.unschedulable,
                    certain=deadlines.refused,
                    observe=seen,
                    cancelled=self.services.died,
                )
        except Expired as expired:
            if within < wanted:
                raise self.budget.over(str(expired)) from expired
            before = ", ".join(f"{phase.name} {phase.seconds:.1f} s" for phase in self.journal.phases)
            do = f"{expired.do}\n  before it: {before}" if before else expired.do
            raise late(expired.what, where=expired.where, do=do) from expired
        except Cancelled:
            self.services.check()
            raise

    def still(self) -> Passed:
        """Expect everything that has passed to pass again; the last one's pass."""
        if not self.passed:
            raise ValueError("nothing has passed yet: nothing can still pass")
        return [self.expect(gate, within=within) for gate, within in self.passed[:]][-1]

    def while_schedulable(self, work: Callable[[], None]) -> None:
        """Do `work` while the scheduler is watched: a pod that it refuses for too long ends both, with its reason."""
        ended = threading.Event()

        def watched() -> None:
            try:
                work()
            finally:
                ended.set()

        within = self.settings.deadlines.release * len(self.bundle.folders)
        gate = self.expectation.watch
        working = Background(watched, "lane")
        try:
            with (
                hastening((LOOK_AGAIN,), self.cluster, self.recorder.nudge) as look,
                self.recorder.wait(gate.kinds, gate, within=within, observe=look) as seen,
            ):
                wait(
                    self.cluster,
                    gate.kinds,
                    gate,
                    Deadline.after(within),
                    patience=self.settings.deadlines.unschedulable,
                    certain=self.settings.deadlines.refused,
                    observe=seen,
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
        seen: list[Objects] = []

        def see(judged: Judged) -> None:
            seen[:] = [judged.objects]

        with self.journal.phase("verify") as phase:
            if self.installed is not None:
                self.expectation = self.installed()
            gate = self.expectation.gate
            expect = partial(self.expect, within=self.settings.deadlines.pods + self.pauses)
            try:
                if self._delivered is None:
                    passed = expect(gate, observe=see)
                else:
                    passed = self._delivered.held(gate, expect, see)
            finally:
                for objects in seen:
                    self.facts.update(self.expectation.facts(objects))
            for note in (*self.expectation.notes(seen[-1]), *self.restless.notes()):
                self.journal.note(note)
            phase.detail = passed.reason
        return passed


def _both(first: Observe, second: Observe) -> Observe:
    def observe(judged: Judged) -> None:
        first(judged)
        second(judged)

    return observe
