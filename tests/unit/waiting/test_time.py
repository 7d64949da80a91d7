"""The waiting loop and time: what it does at which second, told by a script; nothing here takes real time."""

import math
import queue
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, Self, cast

import pytest

from harness.cluster.api import Cluster, Listing
from harness.deadline import Clock, Deadline
from harness.gates.combining import Step
from harness.objects import PODS, Kind, Objects
from harness.verdict import Failed, Passed, Verdict, Waiting
from harness.waiting import loop as waiting
from harness.waiting.loop import BURST_SECONDS, Expired, GateFailed, Judged, Standing, wait
from harness.waiting.reflector import Changed, Confirmed, Listed, Message
from tests.fakes.clock import ManualClock
from tests.fakes.gates import obedient


class Script(ManualClock):
    """The stream of pods and the clock in one: each thing is told at its second, and only then does time pass."""

    kinds = (PODS,)

    def __init__(self, *told: tuple[float, str] | tuple[float, str, str]) -> None:
        super().__init__()
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._told = list(told)
        self._there: dict[str, dict[str, Any]] = {}
        self.messages.put(Listed(PODS, Listing([], "1"), self()))
        self._revision = 1

    def tell(self, says: str, name: str = "a") -> None:
        self._revision += 1
        metadata = {"namespace": "default", "name": name, "uid": name, "resourceVersion": str(self._revision)}
        self._there[name] = {"says": says, "metadata": metadata}
        self.messages.put(Changed(PODS, "MODIFIED", self._there[name], self()))

    def confirm(self) -> None:
        self.messages.put(Confirmed({PODS: Listing(list(self._there.values()), str(self._revision))}))

    def receive(self, messages: queue.SimpleQueue[Any], seconds: float) -> Any:
        due = self() + seconds
        if messages.empty():
            at, *what = self._told[0] if self._told and self._told[0][0] <= due else (due,)
            self.advance(at - self())
            if what:
                self.tell(*self._told.pop(0)[1:])
        return messages.get_nowait()

    def look_first(self) -> None:
        """It goes on by itself."""

    def follow(self) -> None:
        """It goes on by itself."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was opened."""


Play = Callable[..., tuple[Passed, list[Judged]]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Wait for a script instead of a server; the pass, and what was judged."""

    def play(
        script: Script, gate: Step = obedient, *, within: float = 64, seen: list[Judged] | None = None, **options: Any
    ) -> tuple[Passed, list[Judged]]:
        def streams(_: Cluster, kinds: Iterable[Kind], clock: Clock, narrow: object) -> Script:
            assert (tuple(kinds), clock, narrow) == (script.kinds, script, None)
            return script

        judged: list[Judged] = [] if seen is None else seen
        monkeypatch.setattr(waiting, "Watching", streams)
        deadline = Deadline.after(within, clock=script)
        return wait(cast(Cluster, None), [PODS], gate, deadline, observe=judged.append, **options), judged

    return play


# --- when a verdict is final ---

W, D1, D2 = Waiting("w", "x"), Waiting("d", "x", doomed="cause"), Waiting("d", "y", doomed="cause")
P1, P2, F = Passed("one"), Passed("two"), Failed("f")
STANDING = [
    # (verdict, when heard)..., when the last one is final, given settle=2 and patience=20
    ("a hopeful wait is never final", [(W, 0)], math.inf),
    ("a pass settles", [(P1, 5)], 7),
    ("the same pass goes on settling", [(P1, 5), (P1, 6)], 7),
    ("another pass settles anew", [(P1, 5), (P2, 6)], 8),
    ("a wait in between begins anew", [(P1, 5), (W, 6), (P1, 6.5)], 8.5),
    ("a failure is final", [(P1, 5), (F, 6)], 6),
    ("the doomed have patience", [(D1, 5)], 25),
    ("the doomed stay doomed", [(D1, 5), (D1, 15)], 25),
    ("another subject is another doom", [(D1, 5), (D2, 15)], 35),
    ("hope in between begins anew", [(D1, 5), (W, 15), (D1, 16)], 36),
    ("doom in between begins settling anew", [(P1, 5), (D1, 5.5), (P1, 6)], 8),
]


@pytest.mark.parametrize(("heard", "due"), [row[1:] for row in STANDING], ids=[row[0] for row in STANDING])
def test_when_a_verdict_is_final(heard: list[tuple[Verdict, float]], due: float) -> None:
    """A verdict is final once it has stood for long enough, counted from when it became what it is."""
    standing = Standing(settle=2, patience=20)
    for verdict, now in heard:
        standing.heard(verdict, now)
    assert standing.due == due


# --- the loop ---


def test_verdict_follows_its_event(play: Play) -> None:
    """An event that completes the picture is judged in the second in which it comes."""
    passed, seen = play(Script((0, "wait for it"), (8, "ok")))
    assert passed == Passed("1 pods")
    assert [(each.seconds, str(each.verdict.reason)) for each in seen[-2:]] == [(8, "1 pods"), (8, "1 pods")]


def test_failed_ends_the_wait_at_once(play: Play) -> None:
    """A Failed does not wait for settling or for the deadline, and carries its cause and object."""
    with pytest.raises(GateFailed) as caught:
        play(Script((1, "ok"), (8, "fail for good")), settle=20)
    assert caught.value.verdict == Failed("for good", "Pod default/a")
    assert str(caught.value) == "Pod default/a: for good"
    assert caught.value.seconds == 8


def test_pass_that_does_not_last_is_none(play: Play) -> None:
    """Within the settle window every other verdict takes the pass back, and the window begins anew."""
    script = Script((1, "ok"), (1.5, "wait a little"), (2.25, "ok"))
    _, seen = play(script, settle=1)
    assert [(each.seconds, type(each.verdict)) for each in seen] == [
        (0, Waiting),
        (1, Passed),
        (1.5, Waiting),
        (2.25, Passed),
        (3.25, Passed),  # confirmed
    ]


def test_doom_that_persists_is_a_failure(play: Play) -> None:
    """A doomed Waiting becomes Failed with its cause after the caller's patience, without any event."""
    with pytest.raises(GateFailed) as caught:
        play(Script((4, "doom no node fits")), patience=20)
    assert caught.value.verdict == Failed("no node fits", "Pod default/a")
    assert caught.value.seconds == 24


def test_certain_doom_has_a_patience_of_its_own() -> None:
    """It counts from when it became certain, and no longer than doom that is not; a doubt starts it anew."""
    doom, certain = Waiting("", "a", doomed="x"), Waiting("", "a", doomed="x", certain=True)
    for heard, due in (
        ([(certain, 0.0)], 3.0),
        ([(doom, 0.0), (certain, 1.0)], 4.0),
        ([(doom, 0.0), (certain, 19.0)], 20.0),
        ([(certain, 0.0), (certain, 2.0)], 3.0),
        ([(certain, 0.0), (doom, 2.0)], 20.0),
        ([(certain, 0.0), (doom, 2.0), (certain, 4.0)], 7.0),
        ([(certain, 0.0), (Waiting("", "a"), 2.0), (certain, 4.0)], 7.0),
    ):
        standing = Standing(2.0, 20.0, 3.0)
        for verdict, at in heard:
            standing.heard(verdict, at)
        assert standing.due == due


def test_doom_is_only_a_wait_to_the_patient(play: Play) -> None:
    """Without a patience, a doomed Waiting waits for the deadline."""
    with pytest.raises(Expired) as caught:
        play(Script((4, "doom no node fits")), within=64)
    assert caught.value.seconds == 64


def test_the_deadline_comes_before_a_pass_that_has_not_settled(play: Play) -> None:
    """A pass that settles in the second after the deadline is none."""
    with pytest.raises(Expired, match=r"the check passed \(\d+ pods\), but Pod \S+ kept changing") as caught:
        play(Script((60, "ok")), settle=5, within=64)
    assert caught.value.where.startswith("Pod ")
    assert caught.value.seconds == 64
    assert play(Script((60, "ok")), settle=3, within=64)[1][-1].seconds == 63


def test_the_lag_of_a_verdict_is_that_of_its_news(play: Play) -> None:
    """From the arrival of the first event that was not judged yet: a slow gate makes the next verdict late."""
    script = Script((1, "wait a"))

    def slow(objects: Objects) -> Verdict:
        verdict = obedient(objects)
        if verdict.reason == "a":
            script.tell("ok")
            script.advance(0.25)
            script.tell("ok", "b")
            script.advance(0.25)
        return verdict

    _, seen = play(script, slow)
    assert [each.verdict.reason for each in seen] == ["no pods", "a", "2 pods", "2 pods"]
    # The last one is confirmed, and that is no news.
    assert [each.lag for each in seen] == pytest.approx([0, 0.5, 0.5 + BURST_SECONDS, 0])


def test_bursts_are_judged_together(play: Play) -> None:
    """Events that come closer together than BURST_SECONDS cost one judgement, not one each."""
    step = BURST_SECONDS / 8
    seen: list[Judged] = []
    with pytest.raises(GateFailed):
        play(Script(*((1 + number * step, f"wait {number}") for number in range(80)), (9, "fail enough")), seen=seen)
    during = [each.seconds for each in seen if 1 <= each.seconds < 9]
    assert len(during) == pytest.approx(80 / 8, abs=1)
    assert all(later - earlier >= BURST_SECONDS * 0.99 for earlier, later in pairwise(during))
    assert [each.verdict.reason for each in seen if each.seconds < 9][-1] == "79"


def test_expiry_says_what_was_missing(play: Play) -> None:
    """The last reason, its object, the last change and how long ago it was, and how long the wait took."""
    script = Script((1, "wait for a node"), (40, "ok", "b"))
    with pytest.raises(Expired) as caught:
        play(script, within=64)
    expired = caught.value
    assert expired.verdict == Waiting("for a node", "Pod default/a")
    assert expired.change is not None
    assert (expired.change.kind, expired.change.key) == (PODS, ("default", "b"))
    assert (expired.change.ago, expired.seconds, expired.missing) == (24, 64, {})
    assert str(expired) == ("Pod default/a: after 64.0 s: for a node\n  last change: pods default/b, 24.0 s earlier")
