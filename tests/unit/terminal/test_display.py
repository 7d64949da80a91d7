"""The frame that the console and the view of a sweep have in common."""

import io
from typing import Any, cast

import pytest

from harness.terminal import display
from harness.terminal.display import Display


class Shown(Display):
    """Has one thing under way, or nothing."""

    what = "a release"

    def picture(self) -> str:
        return self.what

    def under_way(self, now: float) -> str:
        return self.what


class Once:
    """An event that is set after it was waited for once."""

    asked = 0

    def wait(self, seconds: float) -> bool:
        self.asked += 1
        return self.asked > 1


@pytest.mark.parametrize(
    ("what", "quiet", "told"), [("a release", 0.0, True), ("", 0.0, False), ("a release", 1e9, False)]
)
def test_a_pipe_is_told_what_is_under_way_when_nothing_was_said_for_long(
    what: str, quiet: float, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job's log that stands still looks like one that hangs; one that moves needs no such line."""
    monkeypatch.setattr(display, "HEARTBEAT", quiet)
    stream = io.StringIO()
    shown = Shown(stream, live=False)
    shown.what = what
    shown._over = cast(Any, Once())
    shown._heartbeat()
    assert (what in stream.getvalue() and bool(stream.getvalue())) is told
