"""Controllers are told to look once for each reason, beside the wait and whatever comes of it."""

import threading
from collections.abc import Mapping
from typing import Any, cast

import pytest

from harness.cluster.api import Cluster
from harness.errors import ClusterError
from harness.objects import PODS, Key, Kind, Objects
from harness.verdict import Waiting
from harness.waiting.loop import Judged
from harness.waiting.nudges import Agenda, Hasten, Subject, hastening

A, B = (PODS, ("ns", "a")), (PODS, ("ns", "b"))


def test_each_reason_is_due_once() -> None:
    """However often it is heard; another reason of the same object is due again."""
    agenda = Agenda(after=0.0)
    agenda.heard({A: "x", B: "x"}, now=1.0)
    assert agenda.due(1.0) == [(A, "x"), (B, "x")]
    agenda.heard({A: "x", B: "y"}, now=2.0)
    assert agenda.due(2.0) == [(B, "y")]
    assert agenda.due(3.0) == []


def test_a_reason_that_came_back_is_a_new_one() -> None:
    """What was over has begun anew."""
    agenda = Agenda(after=0.0)
    for now in (1.0, 3.0):
        agenda.heard({A: "x"}, now)
        assert agenda.due(now) == [(A, "x")]
        agenda.heard({}, now + 1)


def test_a_reason_has_to_stand() -> None:
    """It is due when it has stood long enough, and not at all if it is gone by then."""
    agenda = Agenda(after=1.0)
    agenda.heard({A: "x", B: "x"}, now=5.0)
    agenda.heard({A: "x"}, now=5.5)
    assert (agenda.next, agenda.due(5.9)) == (6.0, [])
    assert agenda.due(6.0) == [(A, "x")]
    assert agenda.next == float("inf")


def test_a_reason_that_stands_on_is_due_again() -> None:
    """Where that is asked for: what is told may have come too early."""
    agenda = Agenda(after=1.0, again=2.0)
    agenda.heard({A: "x"}, now=5.0)
    assert agenda.due(6.0) == [(A, "x")]
    agenda.heard({A: "x"}, now=6.5)
    assert (agenda.next, agenda.due(7.9)) == (8.0, [])
    assert agenda.due(8.5) == [(A, "x")]
    assert agenda.next == 10.5


class Doubles:
    """A cluster that is told, and a listener that waits for it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.patches: list[tuple[Kind, str, str, Any]] = []
        self.told: list[tuple[Kind, Key, str, str]] = []
        self.done = threading.Event()

    def patch_merge(self, kind: Kind, namespace: str, name: str, patch: Any) -> None:
        self.patches.append((kind, namespace, name, patch))
        if self.error:
            raise self.error

    def tell(self, kind: Kind, key: Key, why: str, problem: str) -> None:
        self.told.append((kind, key, why, problem))
        self.done.set()


def idle(objects: Objects) -> Mapping[Subject, str]:
    return {(PODS, (item["metadata"]["namespace"], item["metadata"]["name"])): "x" for item in objects.all(PODS)}


def seen(*names: str) -> Judged:
    pods = {("ns", name): {"metadata": {"namespace": "ns", "name": name}} for name in names}
    return Judged(Objects({PODS: pods}), Waiting("x"), 0.0)


@pytest.mark.parametrize("error", [None, ClusterError("gone"), ValueError("a defect")])
def test_an_annotation_is_put_on_what_is_idle(error: Exception | None) -> None:
    """With the token of the moment; what goes wrong is told, and neither raised nor tried again."""
    doubles = Doubles(error)
    with hastening([Hasten(idle, "look", lambda: "now")], cast(Cluster, doubles), doubles.tell) as observe:
        observe(seen())
        observe(seen("a"))
        assert doubles.done.wait(5)
        observe(seen("a"))
    assert doubles.patches == [(PODS, "ns", "a", {"metadata": {"annotations": {"look": "now"}}})]
    assert doubles.told == [(PODS, ("ns", "a"), "x", str(error or ""))]


def test_the_wait_is_never_blocked() -> None:
    """Neither by a server that does not answer nor by its own end while one is asked."""
    release, asked = threading.Event(), threading.Event()

    class Silent(Doubles):
        def patch_merge(self, kind: Kind, namespace: str, name: str, patch: Any) -> None:
            asked.set()
            release.wait(30)

    doubles = Silent()
    with hastening([Hasten(idle, "look", lambda: "now")], cast(Cluster, doubles), doubles.tell) as observe:
        observe(seen("a"))
        assert asked.wait(5)
        for _ in range(100):
            observe(seen("a", "b"))
    assert doubles.told == []
    release.set()


def test_without_hastening_nothing_is_told() -> None:
    """A wait that has none observes as before."""
    doubles = Doubles()
    with hastening((), cast(Cluster, doubles), doubles.tell) as observe:
        observe(seen("a"))
    assert doubles.patches == []
