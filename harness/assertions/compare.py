"""An expected value against an actual one: equal, different, or not comparable at all."""

from typing import Any

from harness.assertions.errors import EvaluationFailed
from harness.assertions.expressions.context import Budget
from harness.assertions.expressions.values import is_number, kind_of


def matches(expected: Any, actual: Any, budget: Budget) -> bool:
    """Whether `actual` is what `expected` says: objects are subsets, lists have the same length, 3 equals 3.0.

    Raises EvaluationFailed where the types do not go together: a text and a number, a list and null.
    """
    if isinstance(expected, list):
        if not isinstance(actual, list):
            raise EvaluationFailed(f"invalid actual value, must be a slice, found {kind_of(actual)}")
        budget.spend(len(expected))
        return len(expected) == len(actual) and all(
            matches(wanted, found, budget) for wanted, found in zip(expected, actual, strict=True)
        )
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            raise EvaluationFailed(f"invalid actual value, must be a map, found {kind_of(actual)}")
        budget.spend(len(expected))
        return all(key in actual and matches(expected[key], actual[key], budget) for key in expected)
    return _equal(expected, actual)


def _equal(expected: Any, actual: Any) -> bool:
    if expected is None or actual is None:
        return expected is actual
    if is_number(expected) and is_number(actual):
        return bool(expected == actual)
    kinds = kind_of(expected), kind_of(actual)
    # True equals 1 in Python, so types come first.
    if kinds[0] == kinds[1] and kinds[0] in ("string", "bool"):
        return bool(expected == actual)
    raise EvaluationFailed(f"types are not comparable, {kinds[0]} - {kinds[1]}")
