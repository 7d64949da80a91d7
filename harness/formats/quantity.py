"""Kubernetes quantities as exact numbers: "2500m" is 5/2, "64Gi" is 64 * 2**30. Floats would lose milli-CPUs.

The notation is that of k8s.io/apimachinery (pkg/api/resource): decimal and binary suffixes, or a decimal exponent.
"""

import re
from fractions import Fraction
from functools import lru_cache

from harness.errors import DataError

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_SUFFIXES: dict[str, Fraction] = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    **{suffix: Fraction(factor) for suffix, factor in _BINARY.items()},
}
_QUANTITY = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[eE]([+-]?[0-9]{1,3})|([numkMGTPE]?|[KMGTPE]i))")
_BYTES = ("memory", "ephemeral-storage", "storage", "hugepages-")


@lru_cache(maxsize=4096)
def parse(value: str | int | float) -> Fraction:
    """The exact number that a quantity stands for; DataError where it is none."""
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        raise DataError(f"{value!r} is not a quantity", do="write a number with a unit such as 500m, 2, 64Gi or 1e3")
    number, exponent, suffix = match.groups()
    if exponent is not None:
        return Fraction(number) * Fraction(10) ** int(exponent)
    return Fraction(number) * _SUFFIXES[suffix]


def show(resource: str, amount: Fraction) -> str:
    """An amount of `resource` for people: bytes with the largest binary unit, all else as a plain number."""
    if resource.startswith(_BYTES):
        for suffix, factor in reversed(_BINARY.items()):
            if abs(amount) >= factor:
                return f"{float(amount / factor):.6g}{suffix}"
    return f"{float(amount):.12g}"
