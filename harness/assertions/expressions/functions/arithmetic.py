"""add, subtract, multiply, divide, modulo and sum: of numbers, of quantities ('1Mi'), of durations ('1h')."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from harness.assertions.expressions.functions.signature import Call, Table
from harness.assertions.expressions.values import is_number, to_float
from harness.assertions.go import duration, quantity
from harness.assertions.go.printing import number
from harness.assertions.go.quantity import Quantity

TABLE = Table()
function = TABLE.function

_SECOND = 1_000_000_000
_INT64 = 1 << 63


@dataclass(frozen=True, slots=True)
class Duration:
    nanoseconds: int

    def __str__(self) -> str:
        return duration.text_of(self.nanoseconds)

    @property
    def seconds(self) -> float:
        whole, rest = divmod(abs(self.nanoseconds), _SECOND)
        return math.copysign(whole + rest / 1e9, self.nanoseconds)

    @classmethod
    def of_seconds(cls, seconds: float) -> "Duration":
        nanoseconds = seconds * 1e9
        # What does not fit becomes the most negative one, as the processor converts it.
        return cls(int(nanoseconds) if -_INT64 <= nanoseconds < _INT64 else -_INT64)


Operand = float | Quantity | Duration


def _operand(call: Call, value: Any) -> Operand:
    if isinstance(value, float) or (is_number(value) and not call.scope.strict):
        return to_float(value)
    if isinstance(value, str):
        try:
            return quantity.parse(value)
        except ValueError:
            pass
        try:
            return Duration(duration.parse(value))
        except ValueError:
            pass
    raise call.refuse("wants numbers, quantities ('1Mi') or durations ('1h')")


def _result(value: Operand) -> Any:
    return value if isinstance(value, float) else str(value)


def _as_quantity(call: Call, value: float) -> Quantity:
    try:
        return quantity.parse(number(value))
    except ValueError:
        raise call.refuse(f"{number(value)} is no quantity") from None


def _mismatch(call: Call) -> Exception:
    return call.refuse("a number, a quantity and a duration do not go together here")


@function("add", "any", "any")
def add(call: Call, left: Any, right: Any) -> Any:
    match _operand(call, left), _operand(call, right):
        case float() as first, float() as second:
            return first + second
        case Quantity() as first, Quantity() as second:
            return str(quantity.added(first, second))
        case Duration(first), Duration(second):
            return duration.text_of(duration.wrapped(first + second))
    raise _mismatch(call)


@function("sum", "array")
def total(call: Call, items: list[Any]) -> Any:
    """The first alone is what it is; none at all has no sum."""
    if not items:
        raise call.refuse("wants at least one element")
    call.reserve(len(items))
    result = items[0]
    for item in items[1:]:
        result = add(call, result, item)
    return result


@function("subtract", "any", "any")
def subtract(call: Call, left: Any, right: Any) -> Any:
    match _operand(call, left), _operand(call, right):
        case float() as first, float() as second:
            return first - second
        case Quantity() as first, Quantity() as second:
            return str(quantity.added(first, Quantity(-second.value, second.form, second.scale)))
        case Duration(first), Duration(second):
            return duration.text_of(duration.wrapped(first - second))
    raise _mismatch(call)


@function("multiply", "any", "any")
def multiply(call: Call, left: Any, right: Any) -> Any:
    first, second = _operand(call, left), _operand(call, right)
    if isinstance(first, float) and not isinstance(second, float):
        first, second = second, first
    if not isinstance(second, float):
        raise _mismatch(call)
    if isinstance(first, Quantity):
        return str(quantity.multiplied(first, _as_quantity(call, second)))
    return _result(Duration.of_seconds(first.seconds * second) if isinstance(first, Duration) else first * second)


@function("divide", "any", "any")
def divide(call: Call, left: Any, right: Any) -> Any:
    first, second = _operand(call, left), _operand(call, right)
    divisor = second.seconds if isinstance(second, Duration) else float(second)
    if isinstance(first, float) and not isinstance(second, float):
        raise _mismatch(call)
    if not isinstance(second, float) and type(first) is not type(second):
        raise _mismatch(call)
    if divisor == 0:
        raise call.refuse("division by zero")
    if isinstance(second, float):
        if isinstance(first, Quantity):
            return str(quantity.divided(first, _as_quantity(call, second)))
        return _result(Duration.of_seconds(first.seconds / second) if isinstance(first, Duration) else first / second)
    return (first.seconds if isinstance(first, Duration) else float(first)) / divisor


@function("modulo", "any", "any")
def modulo(call: Call, left: Any, right: Any) -> Any:
    """The remainder has the sign of the dividend."""
    first, second = _operand(call, left), _operand(call, right)
    if type(first) is not type(second):
        raise _mismatch(call)
    if isinstance(first, Duration) and isinstance(second, Duration):
        return str(Duration(_remainder(call, first.nanoseconds, second.nanoseconds)))
    whole = _remainder(call, _whole(call, float(first)), _whole(call, float(second)))  # type: ignore[arg-type]  # no Duration
    return str(Quantity(Fraction(whole), first.form)) if isinstance(first, Quantity) else float(whole)


def _whole(call: Call, value: float) -> int:
    if not math.isfinite(value) or value != int(value) or not -_INT64 <= value < _INT64:
        raise call.refuse("wants integers")
    return int(value)


def _remainder(call: Call, dividend: int, divisor: int) -> int:
    if divisor == 0:
        raise call.refuse("division by zero")
    rest = abs(dividend) % abs(divisor)
    return -rest if dividend < 0 else rest
