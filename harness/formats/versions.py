"""Versions as Helm and the registries write them, and as recipes compare them."""

import re
from dataclasses import dataclass
from typing import Self

_EXTRAS = re.compile(r"(?<=[0-9])[-+]")
_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII)


def exact(version: str) -> bool:
    """Whether a chart's version is one, and no range: a range is answered with a version that is not known before."""
    return re.fullmatch(r"v?\d+\.\d+\.\d+([-+][\w.+-]*)?", version) is not None


@dataclass(frozen=True)
class Version:
    """Up to three numbers, as constraints of recipes compare them: `parts` has all three, missing ones are 0.

    `precision` is how many were written. `extras`, from the first "-" or "+" after a digit on, take part in no
    comparison: a pre-release equals its release, and v1.33.5-eks-3025e55 is 1.33.5.
    """

    parts: tuple[int, int, int]
    precision: int
    extras: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """`text`, with or without one leading v. Raises ValueError that says what is wrong with it."""
        body = text.removeprefix("v")
        if not text:
            raise ValueError("empty version")
        found = _EXTRAS.search(body)
        numbers, extras = (body[: found.start()], body[found.start() :]) if found else (body, "")
        if numbers.startswith("-") and _DIGITS.match(numbers, 1):
            raise ValueError(f"negative number in version {text[:60]!r}")
        words = numbers.split(".")
        if "" in words:
            raise ValueError(f"empty part in version {text[:60]!r}")
        if len(words) > 3:
            raise ValueError(f"more than three parts in version {text[:60]!r}")
        for word in words:
            if not _DIGITS.fullmatch(word):
                raise ValueError(f"{word[:60]!r} in version {text[:60]!r} is not a number")
        first, second, third = (*map(int, words), 0, 0)[:3]
        return cls((first, second, third), len(words), extras)

    def equals(self, other: Self) -> bool:
        """By all three parts, whatever the precision: 1.33 equals 1.33.0, and not 1.33.5."""
        return self.parts == other.parts

    def order(self, other: Self) -> int:
        """-1, 0 or 1, by as many parts as the less precise one has: 1.33.9 and 1.33 are in order 0."""
        length = min(self.precision, other.precision)
        ours, theirs = self.parts[:length], other.parts[:length]
        return (ours > theirs) - (ours < theirs)
