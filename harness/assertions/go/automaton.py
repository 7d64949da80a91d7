"""Running a pattern over a text: all its paths side by side, so that no pattern explodes."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from harness.assertions.go.parts import (
    Assertion,
    Characters,
    Choice,
    Empty,
    Group,
    Part,
    Pattern,
    Repeat,
    Sequence,
)
from harness.assertions.go.pattern import parse

_MOST_INSTRUCTIONS = 20_000
_UNBOUNDED = 10  # repetitions of * that generated() makes at most
_REFERENCE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))", re.ASCII)

Spend = Callable[[int], None]
Span = tuple[int | None, ...]


@dataclass(slots=True)
class Instruction:
    """`set`: consume one of the characters; `split`: go on at `target`, or else at `other`; `assert`: check the place;

    `save`: remember it in a slot; `jump`; `match`.
    """

    operation: str
    target: int = 0
    other: int = 0
    characters: Characters = field(default_factory=Characters)
    kind: str = ""
    slot: int = 0


class Program:
    """A compiled pattern. `spend` is told how many steps a search takes, and raises when they are too many."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self._code: list[Instruction] = []
        self._emit(Group(pattern.root, 0))
        self._code.append(Instruction("match"))

    # compiling

    def _add(self, instruction: Instruction) -> int:
        if len(self._code) >= _MOST_INSTRUCTIONS:
            raise ValueError("the pattern is too large")
        self._code.append(instruction)
        return len(self._code) - 1

    def _emit(self, part: Part) -> None:
        match part:
            case Characters():
                self._add(Instruction("set", len(self._code) + 1, characters=part))
            case Assertion():
                self._add(Instruction("assert", len(self._code) + 1, kind=part.kind))
            case Empty():
                pass
            case Sequence():
                for item in part.items:
                    self._emit(item)
            case Choice():
                self._choice(part.items)
            case Group():
                self._add(Instruction("save", len(self._code) + 1, slot=2 * part.number))
                self._emit(part.item)
                self._add(Instruction("save", len(self._code) + 1, slot=2 * part.number + 1))
            case Repeat():
                self._repeat(part)

    def _choice(self, items: list[Part]) -> None:
        ends: list[int] = []
        for item in items[:-1]:
            split = self._add(Instruction("split"))
            self._emit(item)
            ends.append(self._add(Instruction("jump")))
            self._code[split] = Instruction("split", split + 1, len(self._code))
        self._emit(items[-1])
        for end in ends:
            self._code[end] = Instruction("jump", len(self._code))

    def _repeat(self, part: Repeat) -> None:
        for _ in range(part.least):
            self._emit(part.item)
        splits: list[int] = []
        if part.most is None:
            splits.append(self._add(Instruction("split")))
            self._emit(part.item)
            self._add(Instruction("jump", splits[0]))
        else:
            for _ in range(part.most - part.least):
                splits.append(self._add(Instruction("split")))
                self._emit(part.item)
        for split in splits:
            end = len(self._code)
            first, second = (split + 1, end) if part.greedy else (end, split + 1)
            self._code[split] = Instruction("split", first, second)

    # running

    def search(self, text: str, start: int, spend: Spend, *, anywhere: bool = False) -> Span | None:
        """The leftmost match at or after `start`: where each group starts and ends. `anywhere`: the first found."""
        threads: list[tuple[int, Span]] = []
        found: Span | None = None
        blank: Span = (None,) * (2 * self.pattern.groups + 2)
        for position in range(start, len(text) + 1):
            seen: set[int] = set()
            following: list[tuple[int, Span]] = []
            if found is None:
                threads.append((0, blank))
            elif not threads:
                break
            spend(1 + len(threads))
            current: list[tuple[int, Span]] = []
            for at, span in threads:
                self._follow(at, span, text, position, seen, current, spend)
            for at, span in current:
                instruction = self._code[at]
                if instruction.operation == "match":
                    found = span
                    if anywhere:
                        return found
                    break
                if position < len(text) and text[position] in instruction.characters:
                    following.append((instruction.target, span))
            threads = following
        return found

    def _follow(
        self,
        start: int,
        span: Span,
        text: str,
        position: int,
        seen: set[int],
        current: list[tuple[int, Span]],
        spend: Spend,
    ) -> None:
        """Adds the places that can be reached from `start` without reading a character, the preferred first."""
        pending = [(start, span)]
        steps = 0
        while pending:
            at, span = pending.pop()
            if at in seen:
                continue
            seen.add(at)
            steps += 1
            instruction = self._code[at]
            match instruction.operation:
                case "jump":
                    pending.append((instruction.target, span))
                case "split":
                    pending.append((instruction.other, span))
                    pending.append((instruction.target, span))
                case "save":
                    slot = instruction.slot
                    pending.append((instruction.target, (*span[:slot], position, *span[slot + 1 :])))
                case "assert":
                    if _holds(instruction.kind, text, position):
                        pending.append((instruction.target, span))
                case _:
                    current.append((at, span))
        spend(steps)


def _word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")


def _holds(kind: str, text: str, position: int) -> bool:
    match kind:
        case "begin-text":
            return position == 0
        case "end-text":
            return position == len(text)
        case "begin-line":
            return position == 0 or text[position - 1] == "\n"
        case "end-line":
            return position == len(text) or text[position] == "\n"
    boundary = (position > 0 and _word(text[position - 1])) is not (position < len(text) and _word(text[position]))
    return boundary is (kind == "boundary")


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Program:
    """The program of `pattern`. Raises ValueError."""
    return Program(parse(pattern))


def matches(pattern: str, text: str, spend: Spend) -> bool:
    """Whether `pattern` matches anywhere in `text`."""
    return compiled(pattern).search(text, 0, spend, anywhere=True) is not None


def replaced(pattern: str, text: str, replacement: str, spend: Spend, *, literal: bool) -> str:
    """`text` with each match replaced; $1 and ${name} in the replacement stand for groups, unless it is literal."""
    program = compiled(pattern)
    parts: list[str] = []
    position = end = 0
    while position <= len(text):
        span = program.search(text, position, spend)
        if span is None:
            break
        first, last = span[0] or 0, span[1] or 0
        parts.append(text[end:first])
        # No replacement for an empty match right after another match.
        if last > end or first == 0:
            new = replacement if literal else _expanded(replacement, program.pattern, text, span)
            spend(len(new))
            parts.append(new)
        end = last
        position = max(position + 1, last)
    return "".join([*parts, text[end:]])


def _expanded(template: str, pattern: Pattern, text: str, span: Span) -> str:
    def group(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        if name is None:
            return "$"
        number = int(name) if name.isdigit() and len(name) < 6 else pattern.names.get(name, -1)
        if not 0 <= number <= pattern.groups:
            return ""
        first, last = span[2 * number], span[2 * number + 1]
        return "" if first is None or last is None else text[first:last]

    return _REFERENCE.sub(group, template)


def generated(pattern: str, choose: Callable[[int], int], spend: Spend) -> str:
    """A text that matches `pattern`; `choose(n)` picks one of n."""
    parts: list[str] = []

    def make(part: Part) -> None:
        spend(1)
        match part:
            case Characters():
                candidates = [chr(code) for code in range(32, 127) if chr(code) in part] or [
                    chr(first) for first, _ in part.ranges if chr(first) in part
                ]
                if not candidates:
                    raise ValueError(f"nothing matches a part of {pattern[:60]!r}")
                parts.append(candidates[choose(len(candidates))])
            case Sequence():
                for item in part.items:
                    make(item)
            case Choice():
                make(part.items[choose(len(part.items))])
            case Group():
                make(part.item)
            case Repeat():
                most = part.least + _UNBOUNDED if part.most is None else part.most
                for _ in range(part.least + choose(most - part.least + 1)):
                    make(part.item)

    make(parse(pattern).root)
    return "".join(parts)
