"""When components were applied and ready, as reports are told."""

import pytest

from harness.cells.timeline import Timeline
from harness.objects import PODS, Objects
from harness.verdict import Waiting
from harness.waiting.loop import Judged


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def rows(timeline: Timeline) -> list[tuple[str, float | None, float | None]]:
    return [(row["name"], row["applied"], row["ready"]) for row in timeline.rows]


def test_a_block_that_ends_well_is_a_component_that_is_ready() -> None:
    """Applied from its beginning, ready at its end; one that fails is never ready, one not begun has no times."""
    clock = Clock()
    timeline = Timeline(("nfd", "gpu-operator", "training"), clock)
    clock.now = 1.5
    with timeline.applying("nfd"):
        clock.now = 2.25
    with pytest.raises(ValueError, match="no"), timeline.applying("gpu-operator"):
        raise ValueError("no")
    assert rows(timeline) == [("nfd", 1.5, 2.25), ("gpu-operator", 2.25, None), ("training", None, None)]


def test_progress_is_followed_through_a_wait() -> None:
    """First seen under way, and since when it has been ready without a break; the root is no component."""
    clock = Clock()
    timeline = Timeline(("nfd", "web"), clock)
    story = [{}, {"nfd": False}, {"nfd": True, "web": False}, {"nfd": True, "web": True}]
    story += [{"nfd": True, "web": False, "root": True}, {"nfd": True, "web": True, "root": True}]
    for second, progress in enumerate(story):
        clock.now = float(second)
        observe = timeline.observing(lambda objects, found=progress: found)  # type: ignore[misc]
        observe(Judged(Objects({PODS: {}}), Waiting("x"), 0.0))
    assert rows(timeline) == [("nfd", 1.0, 2.0), ("web", 2.0, 5.0)]
