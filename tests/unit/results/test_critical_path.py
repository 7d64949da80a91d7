"""A critical path as a fact of an outcome."""

import json
from typing import Any

import pytest

from harness.results.critical_path import FACT, CriticalPath, Hop, Whose

PATH = CriticalPath(
    [
        Hop(0.0, 4.5, "cluster", "our boot", Whose.OURS),
        Hop(4.5, 9.5, "HelmRelease a/b", "a poll", Whose.IDLE),
        Hop(9.5, 11.0, "HelmRelease a/b", "helm", Whose.DEPLOYER),
        Hop(11.0, 13.0, "HelmRelease a/c", "a poll", Whose.IDLE),
    ]
)


def test_a_path_is_read_as_it_was_written() -> None:
    """Through JSON and back, hop by hop."""
    assert CriticalPath.of({FACT: json.loads(json.dumps(PATH.document()))}) == PATH


def test_shares_add_up_to_the_path() -> None:
    """Every second is somebody's; the same cause of several hops is one."""
    assert PATH.document()["shares"] == {"ours": 4.5, "deployer": 1.5, "idle": 7.0}
    assert PATH.longest_causes(2) == [("a poll", 7.0), ("our boot", 4.5)]
    expected = "ours 4.5 s, deployer 1.5 s, idle 7.0 s; most of it: a poll 7.0 s, our boot 4.5 s"
    assert PATH.summary() == expected


def test_a_path_can_count_from_an_earlier_moment() -> None:
    """The cell began before its recording did."""
    moved = PATH.later(2.0)
    assert (moved.hops[0].begun, moved.hops[-1].ended, moved.seconds) == (2.0, 15.0, PATH.seconds)


@pytest.mark.parametrize(
    "fact",
    [None, {}, {"hops": [{}]}, {"hops": [{**PATH.document()["hops"][0], "whose": "nobody's"}]}, {"hops": 1}, []],
    ids=["none", "no hops", "no fields", "an unknown owner", "no list", "no mapping"],
)
def test_what_is_no_path_is_none(fact: Any) -> None:
    """Results of another version are read all the same."""
    assert CriticalPath.of({} if fact is None else {FACT: fact}) is None
