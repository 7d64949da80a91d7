r"""What a pattern is made of: sets of characters such as [a-z], \d and \p{L}, and what is built of them."""

import unicodedata
from dataclasses import dataclass, field

LAST = 0x10FFFF

Range = tuple[int, int]
_DIGIT: tuple[Range, ...] = ((48, 57),)
_WORD: tuple[Range, ...] = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: tuple[Range, ...] = ((9, 10), (12, 13), (32, 32))
CLASSES = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
POSIX: dict[str, tuple[Range, ...]] = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": _DIGIT,
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": _WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}


@dataclass
class Characters:
    """A set of characters: ranges of code points, and general categories of Unicode with whether they are left out."""

    ranges: list[Range] = field(default_factory=list)
    categories: list[tuple[str, bool]] = field(default_factory=list)
    negated: bool = False
    _known: dict[str, bool] = field(default_factory=dict)

    def __contains__(self, character: str) -> bool:
        known = self._known.get(character)
        if known is None:
            code = ord(character)
            category = unicodedata.category(character) if self.categories else ""
            known = any(first <= code <= last for first, last in self.ranges) or any(
                category.startswith(wanted) is not without for wanted, without in self.categories
            )
            known = self._known[character] = known is not self.negated
        return known

    def fold(self) -> None:
        """Adds the other case of each character."""
        folded: list[Range] = []
        for first, last in self.ranges:
            codes = range(first, last + 1) if last - first < 1000 else (*range(65, 91), *range(97, 123))
            for code in codes:
                if first <= code <= last:
                    character = chr(code)
                    others = {character.lower(), character.upper(), character.casefold()}
                    others |= {"k": {"\u212a"}, "s": {"\u017f"}}.get(character.lower(), set())
                    folded.extend((ord(other), ord(other)) for other in others if len(other) == 1)
        self.ranges.extend(folded)


@dataclass
class Empty:
    pass


@dataclass
class Assertion:
    """`kind`: begin-text, end-text, begin-line, end-line, boundary, no-boundary."""

    kind: str


@dataclass
class Sequence:
    items: list["Part"]


@dataclass
class Choice:
    items: list["Part"]


@dataclass
class Repeat:
    item: "Part"
    least: int
    most: int | None
    greedy: bool


@dataclass
class Group:
    item: "Part"
    number: int


Part = Characters | Empty | Assertion | Sequence | Choice | Repeat | Group


@dataclass(frozen=True)
class Pattern:
    root: Part
    groups: int
    names: dict[str, int]


def complement(ranges: tuple[Range, ...]) -> list[Range]:
    """Every character that is in none of the ranges."""
    result: list[Range] = []
    start = 0
    for first, last in ranges:
        if start < first:
            result.append((start, first - 1))
        start = last + 1
    return [*result, (start, LAST)]
