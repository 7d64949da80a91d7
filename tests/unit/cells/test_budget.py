"""The job's own deadline: budgets shrink, and below the floor nothing is begun."""

import math

import pytest

from harness.cells.budget import FLOOR, VARIABLE, Budget
from harness.errors import SettingsError, SyncDeadline
from harness.exits import Exit


def budget(remaining: float) -> Budget:
    return Budget(1000.0 + remaining, clock=lambda: 1000.0)


def test_without_the_variable_nothing_shrinks() -> None:
    """A developer's machine has no job."""
    unlimited = Budget.of({})
    unlimited.require()
    assert unlimited.remaining == math.inf
    assert unlimited.within(500.0) == 500.0
    assert Budget.of({VARIABLE: ""}) == Budget()


@pytest.mark.parametrize("text", ["soon", "12.5", "-1", "1e9", "0x10", "٣"])
def test_a_malformed_variable_is_a_settings_error(text: str) -> None:
    """A deadline that is silently ignored ends in a job that CI kills."""
    with pytest.raises(SettingsError, match=r"is not a time in whole seconds") as caught:
        Budget.of({VARIABLE: text})
    assert caught.value.exit is Exit.SETTINGS
    assert VARIABLE in caught.value.where


def test_the_variable_is_seconds_since_1970() -> None:
    """As `date +%s` gives them."""
    assert Budget.of({VARIABLE: "1800000000"}).ends == 1_800_000_000


def test_what_the_job_leaves_is_all_there_is() -> None:
    """The smaller of the two: the default, or what is left."""
    assert budget(600.0).within(500.0) == 500.0
    assert budget(200.0).within(500.0) == 200.0


def test_nothing_left_is_50() -> None:
    """Also where the deadline is long past."""
    for remaining in (0.0, -50.0):
        with pytest.raises(SyncDeadline) as caught:
            budget(remaining).within(60.0)
        assert caught.value.exit is Exit.SYNC_DEADLINE
        assert budget(remaining).remaining == 0.0


def test_no_wait_is_no_use_of_time() -> None:
    """A deadline of 0 is somebody's setting: not to wait at all."""
    assert budget(0.0).within(0.0) == 0.0


def test_the_floor() -> None:
    """With less than two minutes a cell does not begin; with two it does."""
    budget(FLOOR).require()
    with pytest.raises(SyncDeadline, match="leaves 119 s, less than the 120 s"):
        budget(FLOOR - 1).require()


def test_what_was_missing_is_told() -> None:
    """The reason names the job's deadline first, then what was waited for."""
    error = budget(0.0).over("HelmRelease a/b is not ready")
    assert "the job's own deadline was reached: HelmRelease a/b is not ready" in str(error)
