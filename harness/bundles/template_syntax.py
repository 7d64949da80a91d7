"""Go's template language, read: from text to a tree of what it says.

Manifests of recipes are templates that the reference tool renders when it makes a bundle (Go's text/template). What no
manifest needs is refused by name: templates of their own (define, template, block), methods and complex numbers.
"""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn


class TemplateError(Exception):
    """A template that cannot be read or carried out; `line` is 1 for the first."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line


@dataclass(frozen=True)
class Literal:
    value: Any


@dataclass(frozen=True)
class Variable:
    """`$name`, or the dot where the name is empty."""

    name: str


@dataclass(frozen=True)
class Function:
    name: str


@dataclass(frozen=True)
class Fields:
    """`below.a.b`."""

    below: "Operand"
    names: tuple[str, ...]


@dataclass(frozen=True)
class Pipeline:
    """Commands, each with its arguments; `variables` get the result, declared or (`assigns`) given a new value."""

    commands: tuple[tuple["Operand", ...], ...]
    variables: tuple[str, ...] = ()
    assigns: bool = False
    line: int = 1


Operand = Literal | Variable | Function | Fields | Pipeline


@dataclass(frozen=True)
class Text:
    text: str


@dataclass
class Block:
    """`word` is if, with, range, or empty for an action alone; `otherwise` is what follows else."""

    word: str
    pipeline: Pipeline
    body: list["Node"] = field(default_factory=list)
    otherwise: list["Node"] = field(default_factory=list)


@dataclass(frozen=True)
class Jump:
    word: str  # break or continue


Node = Text | Block | Jump

_ACTION = re.compile(
    r"\{\{(?P<left>-(?=\s))?\s*(?:/\*(?P<comment>.*?)\*/\s*?|"
    r"(?P<code>(?:\"(?:\\.|[^\"\\\n])*\"|`[^`]*`|'(?:\\.|[^'\\\n])*'|(?!\}\}|\s-\}\}).)*))"
    r"(?P<right>\s-)?\}\}",
    re.DOTALL,
)
_TOKEN = re.compile(
    r"""\s+
    |(?P<string>"(?:\\.|[^"\\\n])*")
    |(?P<raw>`[^`]*`)
    |(?P<char>'(?:\\.|[^'\\\n])+')
    |(?P<number>[-+]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|[0-9][0-9_]*(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?))
    |(?P<variable>\$\w*)
    |(?P<field>\.[A-Za-z_]\w*)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<sign>:=|[=|(),.])""",
    re.VERBOSE,
)
_SPACE = " \t\r\n"
_CONSTANTS = {"true": True, "false": False, "nil": None}
_BLOCKS = ("if", "with", "range")
_REFUSED = ("define", "template", "block")


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    spaced: bool  # whether a space comes before it


def parse(text: str) -> list[Node]:
    """The nodes of a template. Raises TemplateError."""
    root: list[Node] = []
    opened: list[
        tuple[Block, bool]
    ] = []  # what has no end yet; whether it came of `else if`, which has none of its own
    into, position, trimming = root, 0, False
    for match in _ACTION.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        before = text[position : match.start()]
        before = before.lstrip(_SPACE) if trimming else before
        into.append(Text(before.rstrip(_SPACE) if match["left"] else before))
        position, trimming = match.end(), bool(match["right"])
        if match["comment"] is not None:
            continue
        into = _action(_tokens(match["code"], line), line, into, root, opened)
    rest = text[position:]
    if "{{" in rest:
        raise TemplateError("an action is not closed", text.count("\n", 0, text.index("{{", position)) + 1)
    if opened:
        raise TemplateError(f"{opened[-1][0].word} has no end", opened[-1][0].pipeline.line)
    root.append(Text(rest.lstrip(_SPACE) if trimming else rest))
    return root


def _action(
    tokens: list[_Token], line: int, into: list[Node], root: list[Node], opened: list[tuple[Block, bool]]
) -> list[Node]:
    """Take an action in; the list that what follows goes to."""
    first = tokens[0].text if tokens and tokens[0].kind == "word" else ""
    if first in _REFUSED:
        raise TemplateError(f"{first} is not known in manifests", line)
    if first in ("break", "continue") and len(tokens) == 1:
        if not any(block.word == "range" for block, _ in opened):
            raise TemplateError(f"{first} outside of a range", line)
        into.append(Jump(first))
        return into
    if first in _BLOCKS:
        block = Block(first, _Reader(tokens[1:], line).pipeline(whole=True))
        into.append(block)
        opened.append((block, False))
        return block.body
    if first in ("else", "end"):
        if not opened:
            raise TemplateError(f"unexpected {first}", line)
        return _else(tokens, line, opened) if first == "else" else _end(line, tokens, root, opened)
    into.append(Block("", _Reader(tokens, line).pipeline(whole=True)))
    return into


def _else(tokens: list[_Token], line: int, opened: list[tuple[Block, bool]]) -> list[Node]:
    block = opened[-1][0]
    if len(tokens) == 1:
        return block.otherwise
    word = tokens[1].text
    if word not in ("if", "with"):
        raise TemplateError(f"unexpected {word} after else", line)
    chained = Block(word, _Reader(tokens[2:], line).pipeline(whole=True))
    block.otherwise.append(chained)
    opened.append((chained, True))
    return chained.body


def _end(line: int, tokens: list[_Token], root: list[Node], opened: list[tuple[Block, bool]]) -> list[Node]:
    if len(tokens) > 1:
        raise TemplateError(f"unexpected {tokens[1].text} after end", line)
    while opened.pop()[1]:
        pass
    if not opened:
        return root
    above = opened[-1][0]
    return above.otherwise or above.body


def _tokens(code: str, line: int) -> list[_Token]:
    found: list[_Token] = []
    position, spaced = 0, False
    while position < len(code):
        match = _TOKEN.match(code, position)
        if not match:
            raise TemplateError(f"unexpected {code[position:].split()[0]!r}", line)
        position = match.end()
        if match.lastgroup:
            found.append(_Token(match.lastgroup, match[0], spaced))
        spaced = match.lastgroup is None
    return found


class _Reader:
    """Reads the tokens of one action."""

    def __init__(self, tokens: Sequence[_Token], line: int) -> None:
        self._tokens = list(tokens)
        self._line = line

    def pipeline(self, *, whole: bool = False) -> Pipeline:
        """Up to the end of the action (`whole`), or to a closing parenthesis, which stays."""
        variables, assigns = self._declaration() if whole else ((), False)
        commands: list[tuple[Operand, ...]] = []
        while True:
            command: list[Operand] = []
            while self._tokens and self._tokens[0].text not in ("|", ")"):
                command.append(self._operand())
            if not command:
                self._fail("missing value for command")
            if commands and not isinstance(command[0], Function):
                self._fail("only a function may stand after |")
            commands.append(tuple(command))
            if not (self._tokens and self._tokens[0].text == "|"):
                break
            self._tokens.pop(0)
        if whole and self._tokens:
            self._fail(f"unexpected {self._tokens[0].text!r}")
        return Pipeline(tuple(commands), variables, assigns, self._line)

    def _declaration(self) -> tuple[tuple[str, ...], bool]:
        texts = [token.text for token in self._tokens[:4]]
        if not self._tokens or self._tokens[0].kind != "variable":
            return (), False
        if texts[1:2] in ([":="], ["="]):
            count = 2
        elif texts[1:2] == [","] and texts[3:4] == [":="] and self._tokens[2].kind == "variable":
            count = 4
        else:
            return (), False
        names = tuple(texts[0:count:2])
        del self._tokens[:count]
        return names, texts[1] == "="

    def _operand(self) -> Operand:
        token = self._tokens.pop(0)
        found = self._single(token)
        names: list[str] = []
        while self._tokens and self._tokens[0].kind == "field" and not self._tokens[0].spaced:
            names.append(self._tokens.pop(0).text[1:])
        if names and isinstance(found, Literal | Function):
            self._fail(f"unexpected .{names[0]} after {token.text}")
        return Fields(found, tuple(names)) if names else found

    def _single(self, token: _Token) -> Operand:
        match token.kind:
            case "string" | "char":
                return Literal(self._quoted(token))
            case "raw":
                return Literal(token.text[1:-1])
            case "number":
                return Literal(self._number(token.text))
            case "variable":
                return Variable(token.text)
            case "field":
                return Fields(Variable(""), (token.text[1:],))
            case "word":
                return Literal(_CONSTANTS[token.text]) if token.text in _CONSTANTS else Function(token.text)
        if token.text == ".":
            return Variable("")
        if token.text != "(":
            self._fail(f"unexpected {token.text!r}")
        found = self.pipeline()
        if not (self._tokens and self._tokens[0].text == ")"):
            self._fail("a parenthesis is not closed")
        self._tokens.pop(0)
        return found

    def _quoted(self, token: _Token) -> str | int:
        try:
            text = str(ast.literal_eval(token.text))
            return text if token.kind == "string" else ord(text)
        except (SyntaxError, ValueError, TypeError):
            self._fail(f"{token.text} is not a {'text' if token.kind == 'string' else 'character'}")

    def _number(self, text: str) -> int | float:
        try:
            octal = re.fullmatch(r"([-+]?)0([0-7_]+)", text)
            return int(f"{octal[1]}0o{octal[2]}" if octal else text, 0)
        except ValueError:
            try:
                return float(text)
            except ValueError:
                self._fail(f"{text} is not a number")

    def _fail(self, what: str) -> NoReturn:
        raise TemplateError(what, self._line)
