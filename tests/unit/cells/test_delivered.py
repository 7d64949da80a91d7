"""A delivery that passed has to stay so until the verdict on what it delivered is final."""

from dataclasses import dataclass, field

import pytest

from harness.cells.delivered import Delivered
from harness.deadline import Deadline
from harness.errors import SyncDeadline
from harness.gates.combining import Both
from harness.gates.findings import Gate
from harness.objects import NODES, PODS, Kind, Objects
from harness.verdict import Failed, Passed, Verdict, Waiting
from harness.waiting.loop import GateFailed, Judged, Observe
from tests.fakes.clock import ManualClock


@dataclass(frozen=True)
class Says:
    """A gate that says what an object in the view says."""

    kinds: tuple[Kind, ...]
    name: str

    def __call__(self, objects: Objects) -> Verdict:
        item = objects.get(self.kinds[0], "", self.name)
        return Waiting("is not there", self.name) if item is None else item["says"]


SYNC, PODS_RUN = Says((NODES,), "sync"), Says((PODS,), "pods")
GOOD, POOR, BAD = Passed("as pushed"), Waiting("is OutOfSync", "Application a"), Failed("cannot be", "Application a")
PLACED, PENDING = Passed("54 pods"), Waiting("3 pods are pending")


def view(sync: Verdict, pods: Verdict) -> Objects:
    return Objects({NODES: {("", "sync"): {"says": sync}}, PODS: {("", "pods"): {"says": pods}}})


@dataclass
class World:
    """`seen` are the views of each wait, one after another."""

    clock: ManualClock
    seen: list[list[Objects]]
    waits: int = 0
    again: int = 0
    observed: list[Objects] = field(default_factory=list)

    def expect(self, gate: Gate, *, observe: Observe) -> Passed:
        """As the waiting loop does it: judges each view, and the last one settles."""
        self.waits += 1
        verdict: Verdict = Waiting("nothing was seen")
        for objects in self.seen.pop(0):
            verdict = gate(objects)
            observe(Judged(objects, verdict, 0.0))
        if isinstance(verdict, Failed):
            raise GateFailed(verdict, 0.0)
        assert isinstance(verdict, Passed)
        return verdict

    def once_more(self) -> Passed:
        self.again += 1
        return GOOD

    def held(self, deadline: float = 300.0) -> Passed:
        delivered = Delivered(SYNC, Deadline.after(deadline, clock=self.clock), self.once_more)
        return delivered.held(PODS_RUN, self.expect, lambda judged: self.observed.append(judged.objects))


def test_both_have_to_pass_at_once() -> None:
    """The pass is that of the workloads; what is seen is of both, and is handed on."""
    world = World(ManualClock(), [[view(GOOD, PENDING), view(GOOD, PLACED)]])
    assert world.held() == PLACED
    assert (world.waits, world.again, len(world.observed)) == (1, 0, 2)
    assert Both(SYNC, PODS_RUN)(view(POOR, PLACED)) == POOR
    assert Both(SYNC, PODS_RUN).kinds == (NODES, PODS)


def test_a_delivery_that_is_undone_is_waited_for_again() -> None:
    """It passed for a moment only: the workloads are not looked at any more, and then anew, with all of their time."""
    world = World(ManualClock(), [[view(GOOD, PENDING), view(POOR, PLACED), view(GOOD, PLACED)], [view(GOOD, PLACED)]])
    assert world.held() == PLACED
    assert (world.waits, world.again, len(world.observed)) == (2, 1, 3)


def test_a_delivery_that_is_undone_after_its_deadline_is_an_error() -> None:
    """With what it says now; it is not waited for endlessly."""
    world = World(ManualClock(), [[view(POOR, PLACED)]])
    with pytest.raises(SyncDeadline, match="it passed, and did not stay so: is OutOfSync") as caught:
        world.held(deadline=0.0)
    assert caught.value.where == "Application a"
    assert world.again == 0


def test_a_delivery_that_failed_meanwhile_is_a_failure() -> None:
    """At once, in the words of its own gate."""
    world = World(ManualClock(), [[view(GOOD, PENDING), view(BAD, PENDING)]])
    with pytest.raises(GateFailed, match="cannot be"):
        world.held()
