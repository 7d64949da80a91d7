"""What is known of a kind never goes back in time, in whatever order it is told."""

import itertools
from typing import Any

import pytest

from harness.waiting.store import Mirror

KEY = ("ns", "a")


def obj(uid: str, revision: int, name: str = "a") -> dict[str, Any]:
    return {"metadata": {"namespace": "ns", "name": name, "uid": uid, "resourceVersion": str(revision)}}


def state(mirror: Mirror) -> dict[str, tuple[str, str]]:
    return {
        name: (item["metadata"]["uid"], item["metadata"]["resourceVersion"]) for (_, name), item in mirror.items.items()
    }


# The true history of one name: made, changed, deleted, made again, changed.
HISTORY = [
    ("ADDED", obj("u1", 1)),
    ("MODIFIED", obj("u1", 2)),
    ("DELETED", obj("u1", 3)),
    ("ADDED", obj("u2", 4)),
    ("MODIFIED", obj("u2", 5)),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))), ids=lambda o: "".join(map(str, o)))
def test_any_order_of_events_ends_in_the_same_state(order: tuple[int, ...]) -> None:
    """All events, in whatever order and each of them twice, end where the history ends."""
    mirror = Mirror()
    for place in (*order, *order):
        mirror.changed(*HISTORY[place])
    assert state(mirror) == {"a": ("u2", "5")}


@pytest.mark.parametrize("end", [3, 5], ids=["deleted", "made again"])
def test_late_events_do_not_revive(end: int) -> None:
    """After the history, nothing out of it changes anything."""
    mirror = Mirror()
    for event in HISTORY[:end]:
        mirror.changed(*event)
    before = state(mirror)
    assert [mirror.changed(*event) for event in HISTORY[:end]] == [False] * end
    assert state(mirror) == before


def test_listing_removes_what_is_gone_for_good() -> None:
    """An object that a LIST does not hold is deleted, and its late events do not bring it back."""
    mirror = Mirror()
    mirror.listed([obj("u1", 1), obj("u9", 1, "b")], "2")
    assert mirror.listed([obj("u9", 1, "b")], "3") is True
    assert mirror.changed("MODIFIED", obj("u1", 2)) is False
    assert state(mirror) == {"b": ("u9", "1")}


def test_older_listing_says_nothing_of_what_came_later() -> None:
    """A LIST from the past neither removes nor reverts, and keeps no object from its later events."""
    mirror = Mirror()
    mirror.listed([obj("u1", 7), obj("u2", 8, "b")], "8")
    mirror.changed("DELETED", obj("u2", 9, "b"))
    assert mirror.listed([obj("u2", 5, "b")], "6") is False
    assert state(mirror) == {"a": ("u1", "7")}
    assert mirror.changed("MODIFIED", obj("u1", 10)) is True


def test_deletion_of_a_predecessor_leaves_the_successor() -> None:
    """DELETED is for one uid: an object of the same name that was made since stays."""
    mirror = Mirror()
    mirror.changed("ADDED", obj("u2", 4))
    assert mirror.changed("DELETED", obj("u1", 3)) is False
    assert state(mirror) == {"a": ("u2", "4")}


def test_only_differences_are_news() -> None:
    """A repeated LIST or event is no reason to judge again."""
    mirror = Mirror()
    assert mirror.listed([obj("u1", 1)], "1") is True
    assert mirror.listed([obj("u1", 1)], "2") is False
    assert mirror.changed("MODIFIED", obj("u1", 1)) is False
    assert mirror.changed("MODIFIED", obj("u1", 3)) is True


def test_revisions_that_are_no_numbers_are_taken_as_they_come() -> None:
    """An aggregated API may count differently: the last word then wins."""
    mirror = Mirror()
    first, second = obj("u1", 1), obj("u1", 1)
    first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"] = "x9", "x1"
    mirror.listed([first], "x9")
    assert mirror.changed("MODIFIED", second) is True
    assert mirror.listed([], "x2") is True
    assert state(mirror) == {}


def test_what_a_selector_let_go_may_come_back_but_only_later() -> None:
    """Where labels select, DELETED also means "does not match any more": a listing from before brings nothing back."""
    mirror = Mirror()
    mirror.changed("ADDED", obj("u1", 1))
    mirror.changed("DELETED", obj("u1", 3))
    assert not mirror.listed([obj("u1", 2)], "2")
    assert state(mirror) == {}
    assert mirror.changed("ADDED", obj("u1", 5))
    assert state(mirror) == {"a": ("u1", "5")}
