"""The words of an expression, as jmespath-community's lexer cuts them."""

import json
import math
import re
from typing import Any, NamedTuple

from harness.assertions.errors import ExpressionInvalid


class Token(NamedTuple):
    """`kind` is the operator itself, or one of name, quoted, number, json, text, variable, end.

    `value` is what it stands for (a decoded literal, the number as text), `column` counts characters from 1.
    """

    kind: str
    value: Any
    column: int


_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VARIABLE = re.compile(r"\$[A-Za-z0-9_]*")
_NUMBER = re.compile(r"-?[0-9]+")
_OPERATOR = re.compile(r"\[\?|\[\]|\|\||<=|>=|!=|==|&&|//|[.*,:{}\](@)+%/|<>!=&\[-]|[−×÷]")
_SPACE = re.compile(r"[ \t\n\r]+")
_UNTIL = {quote: re.compile(rf"(?:[^{quote}\\]|\\.|\\\Z)*", re.DOTALL) for quote in ("`", '"')}
_RAW = re.compile(r"(?:[^'\\]|\\['\\]|\\(?!['\\]))*", re.DOTALL)
_RAW_ESCAPE = re.compile(r"\\(['\\])")
_SAME = {"−": "-", "×": "×", "÷": "/"}


def tokenize(text: str) -> list[Token]:
    """Every token of `text`, the last one of kind `end`. Raises ExpressionInvalid."""
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        if space := _SPACE.match(text, at):
            at = space.end()
            continue
        token, at = _next(text, at)
        tokens.append(token)
    tokens.append(Token("end", None, len(text) + 1))
    return tokens


def _next(text: str, at: int) -> tuple[Token, int]:
    column = at + 1
    character = text[at]
    if word := _WORD.match(text, at):
        return Token("name", word[0], column), word.end()
    if variable := _VARIABLE.match(text, at):
        return Token("$" if variable[0] == "$" else "variable", variable[0], column), variable.end()
    if number := _NUMBER.match(text, at):
        return Token("number", number[0], column), number.end()
    if character in _UNTIL:
        inside = _closed(_UNTIL[character].match(text, at + 1), text, character, column)
        end = at + len(inside) + 2
        if character == '"':
            return Token("quoted", decoded(f'"{inside}"', column, "a quoted name"), column), end
        return Token("json", decoded(inside.replace("\\`", "`"), column, "a literal in backticks"), column), end
    if character == "'":
        inside = _closed(_RAW.match(text, at + 1), text, character, column)
        return Token("text", _RAW_ESCAPE.sub(r"\1", inside), column), at + len(inside) + 2
    if operator := _OPERATOR.match(text, at):
        return Token(_SAME.get(operator[0], operator[0]), operator[0], column), operator.end()
    raise ExpressionInvalid(f"unknown character {character!r}", column=column)


def _closed(inside: re.Match[str] | None, text: str, quote: str, column: int) -> str:
    if inside is None or not text.startswith(quote, inside.end()):
        raise ExpressionInvalid(f"the {quote} is not closed", column=column)
    return inside[0]


def decoded(text: str, column: int, what: str) -> Any:
    """JSON as Go reads it into an expression: every number is a float. Raises ExpressionInvalid."""
    try:
        return json.loads(text, parse_int=_float, parse_float=_float, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        hint = "write text in quotes: 'text'" if what.startswith("a literal") else ""
        raise ExpressionInvalid(f"{what} is not valid JSON: {text[:60]}", column=column, do=hint) from error


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:40]} is out of range")
    return number


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")
