"""Expressions of constraints: an operator and a value (`>= 1.32.4`, `== ubuntu`), or a value alone.

An expression that cannot be judged is an error and never false: `!= 1.2.3` must not pass on what is no version.
"""

import re
from dataclasses import dataclass
from typing import Self

from harness.formats.versions import Version

_OPERATORS = (">=", "<=", "!=", "==", ">", "<")  # the longer ones first
_LIKE_A_VERSION = re.compile(r"v?[0-9][^.]*\.")
_NO_OPERATORS = ("=", "!", "~", "^")  # taken for text, an expression that begins with one of these could only fail


class ExpressionError(Exception):
    """An expression that is none, or that cannot be judged for this actual value.

    `evaluating` tells whether it was well formed, and only could not be judged.
    """

    def __init__(self, message: str, *, evaluating: bool = False) -> None:
        super().__init__(message)
        self.evaluating = evaluating


@dataclass(frozen=True)
class Expression:
    """`operator` is one of >= <= != == > <, or empty where the texts must be equal; `version` tells whether `value` is
    compared as a version.
    """

    operator: str
    value: str
    version: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ExpressionError."""
        text = text.strip()
        if not text:
            raise ExpressionError("constraint expression cannot be empty")
        operator = next((each for each in _OPERATORS if text.startswith(each)), "")
        value = text.removeprefix(operator).strip()
        if not value:
            raise ExpressionError("constraint value cannot be empty after operator")
        if not operator and value.startswith("!"):
            raise ExpressionError(f"{value!r} begins with '!', which is no operator; write `!= VALUE`")
        ordered = operator not in ("", "==", "!=")
        return cls(operator, value, ordered or _LIKE_A_VERSION.match(value) is not None)

    def __str__(self) -> str:
        return f"{self.operator} {self.value}" if self.operator else self.value

    def holds(self, actual: str) -> bool:
        """Whether `actual` is as the expression says. Raises ExpressionError where that cannot be told."""
        actual = actual.strip()
        if self.value.startswith(_NO_OPERATORS):
            known = " ".join(_OPERATORS)
            raise ExpressionError(f"{self.value!r} begins with {self.value[0]!r}; the operators are {known}")
        if not self.operator:
            return actual == self.value
        if not self.version:
            return (actual == self.value) == (self.operator == "==")
        wanted, there = _version(self.value, "expected"), _version(actual, "actual")
        order = there.order(wanted)
        match self.operator:
            case "==":
                return there.equals(wanted)
            case "!=":
                return not there.equals(wanted)
            case ">=":
                return order >= 0
            case "<=":
                return order <= 0
            case ">":
                return order > 0
        return order < 0


def _version(text: str, which: str) -> Version:
    try:
        return Version.parse(text)
    except ValueError as error:
        raise ExpressionError(f"cannot parse {which} version: {error}", evaluating=True) from error
