"""A clock whose time passes only when a test says so, for whatever takes a harness.deadline.Clock."""

import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from harness.deadline import Clock

_Item = TypeVar("_Item")
_GLANCE = 0.001  # real seconds between two looks at what a thread waits for beside the time
_LONGEST = 30.0  # real seconds after which a test that waits for something that never happens fails


class ManualClock(Clock):
    """Stands still until `advance`, which wakes who waits; with `hurried`, a sleep takes no real time and is noted.

    Threads that wait on it really wait: `idle` tells a test when they do, so that no step of a script comes too early.
    """

    def __init__(self, now: float = 0.0, *, hurried: bool = False) -> None:
        self.slept: list[float] = []
        self._now = now
        self._hurried = hurried
        self._changed = threading.Condition()
        self._waiting: list[Callable[[], bool]] = []  # for each thread that waits: whether it may go on

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        with self._changed:
            self._now += seconds
            self._changed.notify_all()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self._hurried:
            self.advance(seconds)
        else:
            self._until(self._now + seconds, lambda: False)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self._until(self._now + seconds, event.is_set)
        return event.is_set()

    def receive(self, messages: "queue.SimpleQueue[_Item]", seconds: float) -> _Item:
        self._until(self._now + seconds, lambda: not messages.empty())
        return messages.get_nowait()

    def idle(self, threads: int) -> None:
        """Return once so many threads wait for nothing but the time."""
        until(lambda: sum(not over() for over in list(self._waiting)) >= threads)

    def _until(self, at: float, ready: Callable[[], bool]) -> None:
        def over() -> bool:
            return ready() or self._now >= at

        with self._changed:
            self._waiting.append(over)
            try:
                while not over():
                    self._changed.wait(_GLANCE)
            finally:
                self._waiting.remove(over)


def until(true: Callable[[], object]) -> None:
    """Return once something is true that other threads make true; fail where it never is."""
    last = time.monotonic() + _LONGEST
    while not true():
        assert time.monotonic() < last, "did not happen"
        time.sleep(_GLANCE)
