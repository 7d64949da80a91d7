"""Functions of numbers, and of lists of them."""

import math
from typing import Any

from harness.assertions.expressions.functions.signature import Call, Table, integer
from harness.assertions.expressions.values import Reference, is_number

TABLE = Table()
function = TABLE.function

Number = float


@function("abs", "number")
def absolute(_call: Call, number: float) -> float:
    return abs(number)


@function("ceil", "number")
def ceil(_call: Call, number: float) -> float:
    return float(math.ceil(number)) if math.isfinite(number) else number


@function("floor", "number")
def floor(_call: Call, number: float) -> float:
    return float(math.floor(number)) if math.isfinite(number) else number


@function("round", "number", "number")
def rounded(call: Call, number: float, digits: float) -> float:
    """Half away from zero, to as many digits after the point."""
    places = integer(call, digits, "the number of digits")
    if places < 0:
        raise call.refuse("the number of digits must not be negative")
    if places > 308 or not math.isfinite(scaled := number * 10.0**places):
        return math.nan
    whole = math.floor(abs(scaled))
    return math.copysign(whole + (abs(scaled) - whole >= 0.5), scaled) / 10.0**places


@function("avg", "array[number]")
def average(_call: Call, numbers: list[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None


@function("max", "array[number]|array[string]")
def largest(_call: Call, items: list[Any]) -> Any:
    return max(items, default=None)


@function("min", "array[number]|array[string]")
def smallest(_call: Call, items: list[Any]) -> Any:
    return min(items, default=None)


@function("sort", "array[string]|array[number]")
def in_order(_call: Call, items: list[Any]) -> list[Any]:
    return sorted(items)


@function("max_by", "array", "expression")
def largest_by(call: Call, items: list[Any], by: Reference) -> Any:
    if len(items) <= 1:
        return items[0] if items else None
    keys = keys_of(call, items, by)
    return items[max(range(len(items)), key=keys.__getitem__)]


@function("min_by", "array", "expression")
def smallest_by(call: Call, items: list[Any], by: Reference) -> Any:
    if len(items) <= 1:
        return items[0] if items else None
    keys = keys_of(call, items, by)
    return items[min(range(len(items)), key=keys.__getitem__)]


@function("sort_by", "array", "expression")
def in_order_by(call: Call, items: list[Any], by: Reference) -> list[Any]:
    if len(items) <= 1:
        return items
    keys = keys_of(call, items, by)
    return [items[position] for position in sorted(range(len(items)), key=keys.__getitem__)]


def keys_of(call: Call, items: list[Any], by: Reference) -> list[Any]:
    """What `by` makes of each item: all numbers, or all texts."""
    call.reserve(len(items))
    keys = [by.apply(item) for item in items]
    strict = call.scope.strict
    if all(isinstance(key, float) if strict else is_number(key) for key in keys):
        return keys
    if all(isinstance(key, str) for key in keys):
        return keys
    raise call.refuse("the expression must give a number for each element, or a text for each")
