"""What may pass is tried again as often as the settings say, and no longer than somebody wants."""

import threading

import pytest

from harness.retrying import retrying
from harness.settings import load

RETRIES = load(environment={}).retries.model_copy(update={"attempts": 3, "delay": 2.0})


class Failing:
    def __init__(self, error: Exception) -> None:
        self.calls = 0
        self._error = error

    def __call__(self) -> None:
        self.calls += 1
        raise self._error


@pytest.mark.parametrize(("error", "calls"), [(OSError("x"), 3), (ValueError("x"), 1)])
def test_only_what_may_pass_is_tried_again(error: Exception, calls: int) -> None:
    """And the error is raised as it is; pauses double."""
    work, pauses = Failing(error), list[float]()
    again = retrying(RETRIES, lambda found: isinstance(found, OSError), sleep=pauses.append)
    with pytest.raises(type(error)) as caught:
        again(work)
    assert caught.value is error
    assert work.calls == calls
    assert pauses == [2.0, 4.0][: calls - 1]


def test_a_pause_is_at_least_as_long_as_the_error_asks_for() -> None:
    """A server may name a time; where it names a shorter one, pauses double all the same."""
    work, pauses = Failing(OSError("x")), list[float]()
    again = retrying(RETRIES, lambda _: True, asked=lambda _: 3.0, sleep=pauses.append)
    with pytest.raises(OSError, match="x"):
        again(work)
    assert pauses == [3.0, 4.0]


def test_what_is_cancelled_is_not_tried_again() -> None:
    """The pause that would follow is not begun."""
    cancelled, work = threading.Event(), Failing(OSError("x"))
    cancelled.set()
    with pytest.raises(OSError, match="x"):
        retrying(RETRIES, lambda _: True, cancelled=cancelled)(work)
    assert work.calls == 1
