"""What operators make of two numbers, as floats do everywhere: nothing fails, it is infinite or NaN."""

import math
from collections.abc import Callable


def _divided(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1, right)


def _remainder(left: float, right: float) -> float:
    return math.nan if right == 0 or math.isinf(left) else math.fmod(left, right)


def _floor(value: float) -> float:
    return float(math.floor(value)) if math.isfinite(value) else value


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "×": lambda left, right: left * right,
    "/": _divided,
    "%": _remainder,
    "//": lambda left, right: _floor(_divided(left, right)),
}


ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}
