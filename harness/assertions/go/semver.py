"""Versions and ranges as github.com/blang/semver reads them: >=1.2.3 <2.0.0 || 3.x, without ^ and ~."""

import re
from collections.abc import Callable
from dataclasses import dataclass

_NUMBER = r"(0|[1-9][0-9]*)"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-([0-9A-Za-z.-]*))?(?:\+([0-9A-Za-z.-]*))?", re.ASCII)
_LARGEST = (1 << 64) - 1
_COMPARISONS: dict[str, Callable[[int], bool]] = {
    "": lambda order: order == 0,
    "=": lambda order: order == 0,
    "==": lambda order: order == 0,
    "!": lambda order: order != 0,
    "!=": lambda order: order != 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
}


@dataclass(frozen=True)
class Version:
    """Three numbers and the parts of a pre-release; build data does not take part in comparisons."""

    release: tuple[int, int, int] = (0, 0, 0)
    pre: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Version":
        """A full version, x.y.z without a leading v. Raises ValueError."""
        match = _VERSION.fullmatch(text) if len(text) < 256 else None
        if match is None:
            raise ValueError(f"not a version: {text[:60]!r}")
        pre = tuple(match[4].split(".")) if match[4] is not None else ()
        build = tuple(match[5].split(".")) if match[5] is not None else ()
        zeros = any(part.isdigit() and len(part) > 1 and part[0] == "0" for part in pre)
        numbers = [int(match[i]) for i in (1, 2, 3)] + [int(part) for part in pre if part.isdigit()]
        if zeros or "" in pre or "" in build or max(numbers) > _LARGEST:
            raise ValueError(f"not a version: {text[:60]!r}")
        return cls((numbers[0], numbers[1], numbers[2]), pre)

    def compared(self, other: "Version") -> int:
        """-1, 0 or 1, by the rules of semantic versioning."""
        if self.release != other.release:
            return 1 if self.release > other.release else -1
        if not (self.pre and other.pre):
            return bool(other.pre) - bool(self.pre)
        for left, right in zip(self.pre, other.pre, strict=False):
            if left != right:
                a, b = _rank(left), _rank(right)
                return 1 if a > b else -1
        return (len(self.pre) > len(other.pre)) - (len(self.pre) < len(other.pre))


def _rank(part: str) -> tuple[int, int, str]:
    return (0, int(part), "") if part.isdigit() else (1, 0, part)


def satisfies(version: str, text: str) -> bool:
    """Whether `version` lies in the range `text`; what is no version counts as 0.0.0. Raises ValueError."""
    try:
        asked = Version.parse(version)
    except ValueError:
        asked = Version()
    alternatives = [[test for part in parts for test in _tests(part)] for parts in _alternatives(text)]
    return any(all(test(asked) for test in tests) for tests in alternatives)


def _alternatives(text: str) -> list[list[str]]:
    # A space after an operator belongs to it: "> 1.0.0" is one part. A part of one character is dropped.
    parts = [part for part in re.sub(r"([><=]) +", r"\1", text).split(" ") if len(part) > 1]
    alternatives: list[list[str]] = [[]]
    for part in parts:
        if part == "||":
            alternatives.append([])
        else:
            alternatives[-1].append(part)
    if [] in alternatives:
        raise ValueError(f"not a range, something is missing beside ||: {text[:60]!r}" if parts else "an empty range")
    return alternatives


def _tests(part: str) -> list[Callable[[Version], bool]]:
    digit = re.search(r"[0-9]", part)
    if digit is None:
        raise ValueError(f"no version in {part[:60]!r}")
    operator, version = part[: digit.start()].strip(), part[digit.start() :]
    if "x" not in part:
        return [_test(operator, version)]
    pieces = version.split(".")
    wildcard = len(pieces) if pieces[-1] == "x" else 0
    flat = version.replace(".x.x", ".x", 1).replace(".x", ".0", 1)
    flat = f"{flat}.0" if flat.count(".") == 1 else flat
    if operator in (">=", "<"):
        return [_test(operator, flat)]
    above = _raised(flat, wildcard)
    match operator:
        case ">":
            return [_test(">=", above)]
        case "<=":
            return [_test("<", above)]
        case "" | "=" | "==":
            return [_test(">=", flat), _test("<", above)]
        case "!" | "!=":  # both at once, so that nothing satisfies it; so it is in the original
            return [_test("<", flat), _test(">=", above)]
    raise ValueError(f"unknown comparison {operator!r}")


def _raised(version: str, wildcard: int) -> str:
    """The first version after those of the wildcard: of 1.2.x 1.3.0, of 1.x 2.0.0."""
    numbers = version.split(".")
    which = {2: 0, 3: 1}.get(wildcard)
    if which is None or not numbers[which].isdigit() or len(numbers[which]) > 20:
        raise ValueError(f"not a version: {version[:60]!r}")
    numbers[which] = str(int(numbers[which]) + 1)
    return ".".join(numbers)


def _test(operator: str, version: str) -> Callable[[Version], bool]:
    compare = _COMPARISONS.get(operator)
    if compare is None:
        raise ValueError(f"unknown comparison {operator!r}")
    bound = Version.parse(version)
    return lambda asked: compare(asked.compared(bound))
