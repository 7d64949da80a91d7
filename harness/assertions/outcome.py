"""What a judgement answers: it holds, it does not hold yet, or it cannot be evaluated, and asking again is no use."""

from dataclasses import dataclass
from typing import Any

from harness.assertions.errors import EvaluationFailed
from harness.assertions.go.printing import as_json, number, quoted

INVALID = "Invalid value"
REQUIRED = "Required value"
INTERNAL = "Internal error"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One place where a value is not as expected. Its text is what chainsaw prints after the star."""

    path: str
    kind: str
    actual: Any
    reason: str

    def __str__(self) -> str:
        shown = f"{shown_value(self.actual)}: " if self.kind == INVALID else ""
        return f"{self.path}: {self.kind}: {shown}{self.reason}"


@dataclass(frozen=True, slots=True)
class Holds:
    """`vacuous` names the places that hold because there was nothing to look at."""

    vacuous: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotYet:
    """All places of one value that differ, in the order of the tree."""

    mismatches: tuple[Mismatch, ...]

    def lines(self) -> list[str]:
        """The lines of the mismatches, sorted."""
        return sorted(map(str, self.mismatches))


@dataclass(frozen=True, slots=True)
class CannotEvaluate:
    """The operation ends at once: a wrong type, an unknown function, an undefined binding."""

    mismatch: Mismatch

    def __str__(self) -> str:
        return str(self.mismatch)


Outcome = Holds | NotYet | CannotEvaluate


def shown_value(value: Any) -> str:
    """A value as messages show it: texts in quotes, lists and objects as JSON."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(value)
    try:
        return as_json(value)
    except (EvaluationFailed, RecursionError):
        return f"({type(value).__name__} that is too large or too deep to be shown)"
