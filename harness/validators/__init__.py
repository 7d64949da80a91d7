"""Checks of our own: functions that look at a cluster, each carried out by a container or a process in its place.

A check returns where it has passed, and raises CheckFailed or Skipped otherwise. What it looks at is of a class: the
objects that an API server has (`api`), what a controller makes of them (`controller`), what runs on nodes
(`execution`). On simulated nodes only the first can be judged; a check that has more says what it could not see.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.validators.context import Context

API, CONTROLLER, EXECUTION = "api", "controller", "execution"
PHASES = ("deployment", "conformance", "performance")


class CheckFailed(Exception):
    """What is not as it should be, in a sentence or several lines."""


class Skipped(Exception):
    """Why a check could not say anything."""


@dataclass(frozen=True)
class Check:
    """A check by its name and phase. `needs` are the classes of what it looks at."""

    name: str
    phase: str
    needs: tuple[str, ...]
    carry_out: "Callable[[Context], None]"


CHECKS: dict[str, Check] = {}


def check(
    name: str, *, phase: str, needs: tuple[str, ...] = (API,)
) -> "Callable[[Callable[[Context], None]], Callable[[Context], None]]":
    """Register a function as the check `name`."""

    def register(function: "Callable[[Context], None]") -> "Callable[[Context], None]":
        if name in CHECKS or phase not in PHASES or not set(needs) <= {API, CONTROLLER, EXECUTION}:
            raise ValueError(f"check {name!r} is there already, or its phase or class is unknown")
        CHECKS[name] = Check(name, phase, needs, function)
        return function

    return register
