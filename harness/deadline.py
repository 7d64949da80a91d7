"""Deadlines on the monotonic clock, and that clock. They nest: a phase never outlives its cell, a cell never its job.

What waits asks its clock to wait, and never the machine's: so tests can have one whose time passes when they say so.
"""

import queue
import threading
import time
from dataclasses import dataclass, field
from typing import TypeVar

_Item = TypeVar("_Item")


class Clock:
    """The machine's monotonic clock: called, it tells the time in seconds; its methods let some of it pass."""

    def __call__(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Until `event` is set, for at most `seconds`; whether it is."""
        return event.wait(seconds)

    def receive(self, messages: "queue.SimpleQueue[_Item]", seconds: float) -> _Item:
        """The next of `messages`. Raises queue.Empty where none comes within `seconds`."""
        return messages.get(timeout=seconds)


MONOTONIC = Clock()


@dataclass(frozen=True)
class Deadline:
    """A point on `clock` (seconds) at which `budget` seconds are used up."""

    budget: float
    at: float
    clock: Clock = field(default=MONOTONIC, repr=False, compare=False)

    @classmethod
    def after(cls, seconds: float, *, clock: Clock = MONOTONIC) -> "Deadline":
        return cls(seconds, clock() + seconds, clock)

    def within(self, seconds: float) -> "Deadline":
        """A nested deadline: `seconds` from now, or this one where it is nearer."""
        at = min(self.at, self.clock() + seconds)
        return Deadline(max(0.0, at - self.clock()), at, self.clock)

    @property
    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - self.clock())

    @property
    def expired(self) -> bool:
        return self.clock() >= self.at
