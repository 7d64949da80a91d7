"""Regular expressions (RE2's) and wildcards."""

from typing import Any

from harness.assertions.expressions.functions.collections import as_text
from harness.assertions.expressions.functions.signature import Call, Table
from harness.assertions.go import automaton

TABLE = Table()
function = TABLE.function


@function("regex_match", "string", "string|number")
def regex_match(call: Call, pattern: str, value: Any) -> bool:
    """Whether the pattern matches anywhere."""
    return automaton.matches(pattern, as_text(call, value), call.scope.budget.spend)


@function("regex_replace_all", "string", "string|number", "string|number")
def regex_replace_all(call: Call, pattern: str, value: Any, new: Any) -> str:
    """$1 and ${name} in the replacement stand for groups."""
    text, replacement = as_text(call, value), as_text(call, new)
    return automaton.replaced(pattern, text, replacement, call.scope.budget.spend, literal=False)


@function("regex_replace_all_literal", "string", "string|number", "string|number")
def regex_replace_all_literal(call: Call, pattern: str, value: Any, new: Any) -> str:
    text, replacement = as_text(call, value), as_text(call, new)
    return automaton.replaced(pattern, text, replacement, call.scope.budget.spend, literal=True)


@function("random", "string", pure=False)
def random(call: Call, pattern: str) -> str:
    """A text that matches the pattern."""
    choose = call.scope.context.choose
    if not pattern:
        raise call.refuse("wants a pattern")
    if choose is None:
        raise call.refuse("nothing random is given here")
    return automaton.generated(pattern, choose, call.scope.budget.spend)


@function("pattern_match", "string", "string|number")
def pattern_match(call: Call, pattern: str, value: Any) -> bool:
    return matches_wildcard(call, pattern, as_text(call, value))


@function("wildcard", "string", "string")
def wildcard(call: Call, pattern: str, text: str) -> bool:
    return matches_wildcard(call, pattern, text)


def matches_wildcard(call: Call, pattern: str, text: str) -> bool:
    """The whole text, where * stands for any characters and ? for one."""
    at = position = 0
    star, retry = -1, 0
    while position < len(text):
        call.reserve(1)
        if at < len(pattern) and pattern[at] == "*":
            star, retry = at, position
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[position]):
            at, position = at + 1, position + 1
        elif star >= 0:
            retry += 1
            at, position = star + 1, retry
        else:
            return False
    return not pattern[at:].strip("*")
