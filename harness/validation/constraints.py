"""Constraints of a recipe, evaluated on a snapshot: true, false or an error, and nothing in between.

What cannot be evaluated is no pass and is not skipped: a path that leads nowhere fails the gate as a wrong value does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from harness.errors import VerdictFailed
from harness.recipes.expressions import Expression, ExpressionError
from harness.recipes.model import Constraint
from harness.validation.measurements import TYPES, Snapshot, text_of

INVALID_REQUEST, NOT_FOUND = "INVALID_REQUEST", "NOT_FOUND"


class ConstraintError(Exception):
    """A constraint that cannot be evaluated: a code of the reference tool, what is the matter, and why."""

    def __init__(self, code: str, message: str, cause: object = None) -> None:
        super().__init__(f"[{code}] {message}" + (f": {cause}" if cause else ""))
        self.code = code


@dataclass(frozen=True)
class Path:
    """Where a reading is: `OS.sysctl./proc/sys/kernel/osrelease`."""

    type: str
    subtype: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split at the first two dots; names of units have dots, so SystemD splits its rest at the last one.

        Raises ConstraintError.
        """
        if not text.strip():
            raise ConstraintError(INVALID_REQUEST, "constraint path cannot be empty")
        name, _, rest = text.strip().partition(".")
        subtype, _, key = rest.rpartition(".") if name == "SystemD" else rest.partition(".")
        if not subtype or not key:
            shape = "{Type}.{Subtype}.{Key}"
            raise ConstraintError(INVALID_REQUEST, f"invalid constraint path: expected format {shape}")
        if name not in TYPES:
            raise ConstraintError(INVALID_REQUEST, f"invalid measurement type in constraint path: {name!r}")
        return cls(name, subtype, key)

    def read(self, snapshot: Snapshot) -> str:
        """The text of the reading. Raises ConstraintError that says how far the path leads."""
        subtypes = snapshot.measurements.get(self.type)
        if subtypes is None:
            raise ConstraintError(NOT_FOUND, "measurement type not found in snapshot", self.type)
        if self.subtype not in subtypes:
            raise ConstraintError(NOT_FOUND, "subtype not found in measurement", f"{self.type}.{self.subtype}")
        data = subtypes[self.subtype].data
        if self.key not in data:
            raise ConstraintError(NOT_FOUND, "key not found in subtype", f"{self.type}.{self.subtype}.{self.key}")
        return text_of(data[self.key])


@dataclass(frozen=True)
class Evaluated:
    """What became of one constraint. `actual` is the reading, empty where there is none; `error` says why it could not
    be evaluated.
    """

    constraint: Constraint
    passed: bool
    actual: str = ""
    error: str = ""

    def __str__(self) -> str:
        """The sentence of the reference tool, with the remedy of the recipe's author."""
        advice = f". {self.constraint.remediation}" if self.constraint.remediation else ""
        if self.error:
            return f"readiness check could not evaluate: {self.constraint.name}: {self.error}{advice}"
        if self.passed:
            return f"{self.constraint.name} is {self.actual}, as {self.constraint.value} requires"
        wanted = f"expected {self.constraint.value}, got {self.actual}"
        return f"readiness check failed: {self.constraint.name} {wanted}{advice}"


class NotReady(VerdictFailed):
    """The cluster of the snapshot is not what the recipe asks for; the message names every constraint."""


def evaluate(constraint: Constraint, snapshot: Snapshot | None) -> Evaluated:
    """Evaluate one constraint; never raises."""
    actual = ""
    try:
        if snapshot is None:
            raise ConstraintError(INVALID_REQUEST, "snapshot is nil")
        try:
            path = Path.parse(constraint.name)
        except ConstraintError as error:
            raise ConstraintError(error.code, "invalid constraint path", error) from error
        try:
            actual = path.read(snapshot)
        except ConstraintError as error:
            raise ConstraintError(error.code, "value not found in snapshot", error) from error
        return Evaluated(constraint, _holds(constraint.value, actual), actual)
    except ConstraintError as error:
        return Evaluated(constraint, False, actual, str(error))


def require_ready(constraints: Sequence[Constraint], snapshot: Snapshot | None) -> tuple[Evaluated, ...]:
    """The readiness gate: evaluate all, and raise NotReady that lists every one that did not pass.

    A severity softens nothing. No snapshot although there are constraints is no pass either.
    """
    evaluated = tuple(evaluate(constraint, snapshot) for constraint in constraints)
    failed = [each for each in evaluated if not each.passed]
    if not failed:
        return evaluated
    if snapshot is None:
        names = ", ".join(each.constraint.name for each in failed)
        raise NotReady(
            f"the recipe has constraints ({names}), but no snapshot is given to evaluate them on",
            do="take one (`kwok-harness snapshot --output FILE`) and name it with --snapshot",
        )
    count = f"{len(failed)} of {len(evaluated)} constraints did not pass"
    raise NotReady(f"{count}:\n  " + "\n  ".join(map(str, failed)), where=snapshot.source)


def _holds(value: str, actual: str) -> bool:
    try:
        return Expression.parse(value).holds(actual)
    except ExpressionError as error:
        message = "evaluation failed" if error.evaluating else "invalid constraint expression"
        raise ConstraintError(INVALID_REQUEST, message, error) from error
