r"""The grammar of keys and texts in a tree: ~name.(expression)->binding, \\escaped\\, (engine;expression)."""

import re
from dataclasses import dataclass

_FOREACH = re.compile(r"~(\w+)?\.(.*)", re.ASCII)
_NAME = re.compile(r"\w+", re.ASCII)
_ENGINE = re.compile(r"(\w+);(.+)", re.ASCII)
_SPACE = " \t\n\f\r"
DEFAULT_ENGINE = "default"
JMESPATH, CEL = "jp", "cel"
ENGINES = (JMESPATH, CEL)


@dataclass(frozen=True, slots=True)
class Notation:
    """What a text says. `engine` is None for a literal; `column` is where `statement` starts, from 1.

    `foreach` is the name of the index, '' where it has none, None where nothing is iterated.
    """

    statement: str
    engine: str | None = None
    foreach: str | None = None
    binding: str | None = None
    column: int = 1


def notation(text: str) -> Notation:
    """All steps, as for the key of an object."""
    foreach: str | None = None
    column = 1
    if iteration := _FOREACH.match(text):
        foreach = iteration[1] or ""
        column += iteration.start(2)
        text = iteration[2]
    binding, text, skipped = _bound(text)
    plain = expression(text)
    return Notation(plain.statement, plain.engine, foreach, binding, column + skipped + plain.column - 1)


def expression(text: str) -> Notation:
    """The last two steps alone, as for values that are templates: an escape, or an expression in parentheses."""
    if "\n" in text:
        return Notation(text)
    if len(text) > 2 and text[0] == text[-1] == "\\":
        return Notation(text[1:-1], column=2)
    if not (len(text) > 2 and text[0] == "(" and text[-1] == ")"):
        return Notation(text)
    if named := _ENGINE.fullmatch(text[1:-1]):
        engine = named[1]
        known = engine if engine in (*ENGINES, DEFAULT_ENGINE) else None
        return Notation(named[2], known, column=2 + named.start(2))
    return Notation(text[1:-1], DEFAULT_ENGINE, column=2)


def _bound(text: str) -> tuple[str | None, str, int]:
    """The name after the last arrow, what is before it, and how many characters in front of that are dropped.

    Spaces before the arrow stay with what is before it; of several lines only the last counts.
    """
    arrow = text.rfind("->")
    name = text[arrow + 2 :].lstrip(_SPACE)
    if arrow < 0 or not _NAME.fullmatch(name):
        return None, text, 0
    start = text[:arrow].rstrip(_SPACE).rfind("\n") + 1
    return name, text[start:arrow].split("\n", 1)[0], start
