"""The deadline of the job that the harness runs in (KWOK_SYNC_DEADLINE_EPOCH): a cell ends before CI ends the job.

Whoever sets it has taken off what evidence and uploads need. So waiting stops there, evidence is still taken, and what
was not reached by then says nothing about the recipe: it is 50, like any other deadline of the controllers.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.errors import SettingsError, SyncDeadline

VARIABLE = "KWOK_SYNC_DEADLINE_EPOCH"
FLOOR = 120.0  # seconds: with less, waiting for controllers only tells how slow the machine was


@dataclass(frozen=True)
class Budget:
    """`ends` is the job's deadline in seconds since 1970, infinite where there is none."""

    ends: float = math.inf
    clock: Callable[[], float] = field(default=time.time, repr=False, compare=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Budget":
        """Raises SettingsError where the variable holds no whole number of seconds."""
        text = environment.get(VARIABLE, "").strip()
        if not text:
            return cls()
        if not text.isascii() or not text.isdigit():
            raise SettingsError(
                f"{text!r} is not a time in whole seconds since 1970", where=f"environment variable {VARIABLE}"
            )
        return cls(float(text))

    @property
    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.ends - self.clock())

    def within(self, seconds: float) -> float:
        """As much of `seconds` as the job still has. Raises SyncDeadline where it has nothing left."""
        left = min(seconds, self.remaining)
        if left <= 0 < seconds:
            raise self.over()
        return left

    def require(self) -> None:
        """Raise SyncDeadline where so little is left that waiting for controllers is not even begun."""
        remaining = self.remaining
        if remaining < FLOOR:
            raise SyncDeadline(
                f"the job's own deadline leaves {remaining:.0f} s, less than the {FLOOR:.0f} s that a cell needs",
                where=VARIABLE,
                do="give the job more time, or fewer cells",
            )

    def over(self, missing: str = "") -> SyncDeadline:
        """The failure of what did not come true before the job's deadline; `missing` says what that was."""
        return SyncDeadline(
            "the job's own deadline was reached" + (f": {missing}" if missing else ""),
            where=VARIABLE,
            do="give the job more time, or fewer cells",
        )
