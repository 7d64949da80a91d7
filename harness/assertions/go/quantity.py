"""Quantities as Kubernetes reads and prints them: 100m, 1.5Gi, 2e3. Exact, with the form they were written in."""

import math
import re
from dataclasses import dataclass
from fractions import Fraction

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_NAMES = {exponent: name for name, exponent in _DECIMAL.items()}
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_TEXT = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eE][+-]?[0-9]+|[a-zA-Z]*)", re.ASCII)
_LARGEST = (1 << 63) - 1  # of a binary quantity, and the digits that Go keeps in an integer
_FAST_DIGITS = 18
# Beyond these, a text is no quantity to us: Go would compute for minutes.
_MOST_DIGITS, _LARGEST_EXPONENT = 400, 400


@dataclass(frozen=True, slots=True)
class Quantity:
    """`form` is decimal, binary or exponent. `scale` counts digits after the point, as the division needs them."""

    value: Fraction
    form: str = "decimal"
    scale: int = 0

    def __str__(self) -> str:
        if self.value == 0:
            return "0"
        if self.form == "binary" and abs(self.value) >= 1024 and self.value.denominator == 1:
            mantissa, power = self.value.numerator, 0
            while mantissa % 1024 == 0 and power < len(_BINARY) - 1:
                mantissa, power = mantissa // 1024, power + 1
            return f"{mantissa}{_BINARY[power]}"
        mantissa, exponent = _canonical(self.value)
        if self.form == "exponent":
            return f"{mantissa}e{exponent}" if exponent else str(mantissa)
        return f"{mantissa}{_DECIMAL_NAMES.get(exponent, f'e{exponent}')}"

    def __float__(self) -> float:
        try:
            return float(self.value)
        except OverflowError:
            return math.copysign(math.inf, self.value)


def _canonical(value: Fraction) -> tuple[int, int]:
    """A whole mantissa without trailing zeros, and an exponent that is a multiple of three."""
    mantissa, denominator, exponent = value.numerator, value.denominator, 0
    while mantissa % denominator:
        mantissa, exponent = mantissa * 10, exponent - 1
        if exponent < -_LARGEST_EXPONENT:  # no finite decimal: a third, say
            mantissa -= mantissa % denominator
            break
    mantissa //= denominator
    while mantissa % 10 == 0:
        mantissa, exponent = mantissa // 10, exponent + 1
    return mantissa * 10 ** (exponent % 3), exponent - exponent % 3


def parse(text: str) -> Quantity:
    """The quantity that `text` stands for. Raises ValueError."""
    match = _TEXT.fullmatch(text) if 0 < len(text) <= _MOST_DIGITS else None
    if match is None:
        raise ValueError(f"not a quantity: {text[:60]!r}")
    sign, whole, after, suffix = match[1], match[2].lstrip("0"), match[3] or "", match[4]
    if not (match[2] or match[3] is not None or not suffix):
        raise ValueError(f"not a quantity: {text[:60]!r}")
    number = Fraction(int((whole or "0") + after), 10 ** len(after))
    if suffix in _BINARY and suffix:
        power = _BINARY.index(suffix) * 10
        number *= 2**power
        form, scale = "binary", len(after)
        fast = not after and _FAST_DIGITS - 3 - len(whole) - power * 3 // 10 - 1 >= 0
        number = min(number, Fraction(_LARGEST))
        if 0 < number < 1:
            form = "decimal"
    else:
        exponent = _DECIMAL.get(suffix)
        form = "decimal"
        if exponent is None:
            if suffix[:1] not in ("e", "E") or not suffix[1:] or abs(int(suffix[1:])) > _LARGEST_EXPONENT:
                raise ValueError(f"not a quantity: {text[:60]!r}")
            form, exponent = "exponent", int(suffix[1:])
        number *= Fraction(10) ** exponent
        scale = len(after) - exponent
        fast = len(whole or "0") + len(after) <= _FAST_DIGITS and scale <= 9
    if not fast and number:
        # Nothing is smaller than a billionth; what is, is rounded up.
        number, scale = Fraction(-(-number * 10**9 // 1), 10**9), 9
    return Quantity(-number if sign == "-" else number, form, scale)


def added(left: Quantity, right: Quantity) -> Quantity:
    """The sum, in the form of the first that is not zero."""
    form = left.form if left.value else right.form
    return Quantity(left.value + right.value, form, max(left.scale, right.scale))


def multiplied(left: Quantity, right: Quantity) -> Quantity:
    return Quantity(left.value * right.value, left.form, left.scale + right.scale)


def divided(left: Quantity, right: Quantity) -> Quantity:
    """The quotient, cut to as many digits after the point as the longer of both has."""
    scale = max(left.scale, right.scale)
    unit = Fraction(10) ** scale
    quotient = left.value / right.value * unit
    return Quantity(Fraction(int(quotient)) / unit, left.form, scale)
