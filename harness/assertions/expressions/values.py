"""Values as JMESPath sees them: what is false, what is a number, what is equal.

An int stands for Go's int64 (an integer of an object), a float for float64, GoInt for Go's int. Only `strict` minds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.assertions.expressions.context import Budget


class GoInt(int):
    """Go's `int`, a type of its own beside int64: the index of an iteration and the result of compare()."""


class ListOfMaps(list[Any]):
    """Go's []map[string]any, which items() returns: to chainsaw never equal to a list of the same content."""

    go_type = "[]map[string]interface {}"


@dataclass(frozen=True, slots=True)
class Reference:
    """An expression as a value: `&expr`."""

    apply: Callable[[Any], Any]


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def to_float(value: int | float) -> float:
    """The float nearest to `value`, infinite beyond its range."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def is_false(value: Any) -> bool:
    """Null, false, and whatever is empty; the number 0 is true."""
    return value is None or value is False or (isinstance(value, str | list | dict) and not value)


def kind_of(value: Any) -> str:
    """Go's name of the kind of `value`, for messages."""
    match value:
        case None:
            return "invalid"
        case bool():
            return "bool"
        case str():
            return "string"
        case GoInt():
            return "int"
        case int():
            return "int64"
        case float():
            return "float64"
        case list():
            return "slice"
        case dict():
            return "map"
        case Reference():
            return "func"
    return "ptr"


def equal(left: Any, right: Any, budget: Budget, *, strict: bool) -> bool:
    """`==` of expressions: by content, and with `strict` by Go's types as well."""
    kinds = kind_of(left), kind_of(right)
    if kinds[0] != kinds[1] or type(left) is not type(right):
        if strict or not (is_number(left) and is_number(right)):
            # Lists differ in Go's type only; content decides where values decide.
            if strict or kinds != ("slice", "slice"):
                return False
        else:
            return bool(left == right)
    match left:
        case list():
            budget.spend(4 + len(left))
            return len(left) == len(right) and all(
                equal(a, b, budget, strict=strict) for a, b in zip(left, right, strict=True)
            )
        case dict():
            budget.spend(4 + len(left))
            return len(left) == len(right) and all(
                key in right and equal(value, right[key], budget, strict=strict) for key, value in left.items()
            )
        case Reference():
            return False  # expressions are equal to nothing, not even to themselves
    return bool(left == right)
