"""Deadlines on the monotonic clock. They nest: a phase never outlives its cell, a cell never its job."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

Clock = Callable[[], float]


@dataclass(frozen=True)
class Deadline:
    """A point on `clock` (seconds) at which `budget` seconds are used up."""

    budget: float
    at: float
    clock: Clock = field(default=time.monotonic, repr=False, compare=False)

    @classmethod
    def after(cls, seconds: float, *, clock: Clock = time.monotonic) -> "Deadline":
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
