"""GitHub's expressions as far as the files in .github use them: literals, contexts, operators, a few functions."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_][\w-]*)|(?P<sign>&&|\|\||==|!=|[!().,*]))")
STATUS = ("always", "success", "failure", "cancelled")


def evaluate(text: str, contexts: Mapping[str, Any]) -> Any:
    """The value of an expression. Raises ValueError for what is not spoken here."""
    expression = _Expression(text, contexts)
    value = expression.either()
    if expression.tokens:
        raise ValueError(f"{text!r}: {expression.tokens} is left")
    return value


def filled(text: Any, contexts: Mapping[str, Any]) -> Any:
    """A YAML value with its ${{ }} filled in; one that is nothing but an expression keeps the type of its value."""
    if not isinstance(text, str):
        return text
    if whole := re.fullmatch(r"\s*\$\{\{((?:(?!\}\}).)*)\}\}\s*", text, re.DOTALL):
        return evaluate(whole[1], contexts)
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: as_text(evaluate(found[1], contexts)), text)


def holds(condition: str | None, contexts: Mapping[str, Any]) -> bool:
    """Whether a step or a job with this `if` has its turn: success() is meant where no status function is named."""
    text = "success()" if condition is None else re.sub(r"^\s*\$\{\{(.*)\}\}\s*$", r"\1", condition)
    if not re.search(rf"\b({'|'.join(STATUS)})\(\)", text):
        text = f"success() && ({text})"
    return bool(evaluate(text, contexts))


def as_text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: ""}[value]
    return value if isinstance(value, str) else json.dumps(value)


class _Expression:
    """A recursive descent. Names that a context does not have are empty, as GitHub has it."""

    def __init__(self, text: str, contexts: Mapping[str, Any]) -> None:
        self.contexts = contexts
        self.tokens: list[str] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                raise ValueError(f"{text!r}: {text[at:]!r} is not understood")
            self.tokens.append(found[0].strip())
            at = found.end()

    def took(self, *signs: str) -> str:
        return self.tokens.pop(0) if self.tokens and self.tokens[0] in signs else ""

    def need(self, sign: str) -> None:
        if not self.took(sign):
            raise ValueError(f"{sign} is missing before {self.tokens}")

    def either(self) -> Any:
        value = self.both()
        while self.took("||"):
            other = self.both()
            value = value or other
        return value

    def both(self) -> Any:
        value = self.compared()
        while self.took("&&"):
            other = self.compared()
            value = value and other
        return value

    def compared(self) -> Any:
        value = self.simple()
        while sign := self.took("==", "!="):
            same = as_text(value).casefold() == as_text(self.simple()).casefold()
            value = same if sign == "==" else not same
        return value

    def simple(self) -> Any:
        if self.took("!"):
            return not self.simple()
        if self.took("("):
            value = self.either()
            self.need(")")
            return value
        token = self.tokens.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        return self.called(token) if self.took("(") else self.looked_up(self.contexts[token])

    def looked_up(self, value: Any) -> Any:
        """The value at a path; behind `*` it is a list, of what each of the values there has."""
        path = []
        while self.took("."):
            path.append(self.tokens.pop(0))
        return _at(value, path)

    def called(self, name: str) -> Any:
        arguments = []
        while not self.took(")"):
            arguments.append(self.either())
            self.took(",")
        match name, arguments:
            case "contains", [where, what]:
                parts = [as_text(each).casefold() for each in where] if isinstance(where, list) else as_text(where)
                return as_text(what).casefold() in (parts if isinstance(parts, list) else parts.casefold())
            case "fromJSON", [text]:
                return json.loads(text)
            case "hashFiles", patterns:
                return f"digest of {', '.join(patterns)}"  # part of a cache's key, and of nothing that is run
            case "always", []:
                return True
            case (("success" | "failure" | "cancelled"), []):
                return self.contexts["status"] == name
        raise ValueError(f"{name}() is not spoken here")


def _at(value: Any, path: Sequence[str]) -> Any:
    for position, name in enumerate(path):
        if name == "*":
            every = value.values() if isinstance(value, Mapping) else value or ()
            return [_at(each, path[position + 1 :]) for each in every]
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
