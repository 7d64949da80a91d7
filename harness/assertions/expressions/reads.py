"""What an expression reads, told without evaluating it: fields of the object, and calls with constant arguments."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.assertions.expressions.syntax import ABSENT, Node, constant

Path = tuple[str, ...]  # names of fields; "[Ready]" after `conditions` is the entry of that type

OF_CLUSTER = "<cluster>"  # what the path of an object read by x_k8s_* starts with, before apiVersion and kind
UNKNOWN: Path = ("<computed>",)


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call; an argument that is no literal is ABSENT."""

    name: str
    arguments: tuple[Any, ...]
    column: int


def calls(node: Node) -> Iterator[FunctionCall]:
    """Every call of the expression."""
    for below in node.walk():
        if below.kind == "call":
            yield FunctionCall(below.value, tuple(map(constant, below.children)), below.column)


@dataclass(slots=True)
class Reads:
    """Collects the paths that expressions read. `bindings` are the paths behind $names."""

    found: list[Path] = field(default_factory=list)

    def follow(self, node: Node, here: Path, bindings: Mapping[str, Path]) -> Path:
        """Notes what `node` reads where `@` is `here`, and answers where its own value comes from."""
        match node.kind:
            case "current":
                return here
            case "field":
                return self._read((*here, node.value))
            case "index" | "slice":
                return here
            case "literal" | "root" | "binding":
                return UNKNOWN
            case "variable":
                return bindings.get(node.value[1:], UNKNOWN)
            case "child" | "pipe":
                return self.follow(node.children[1], self.follow(node.children[0], here, bindings), bindings)
            case "projection" | "values":
                return self.follow(node.children[1], self.follow(node.children[0], here, bindings), bindings)
            case "flatten":
                return self.follow(node.children[0], here, bindings)
            case "filter":
                return self._filter(node, here, bindings)
            case "call":
                return self._call(node, here, bindings)
            case "let":
                inner = dict(bindings)
                for bound in node.children[:-1]:
                    inner[bound.children[0].value[1:]] = self.follow(bound.children[1], here, bindings)
                return self.follow(node.children[-1], here, inner)
        paths = [self.follow(child, here, bindings) for child in node.children]
        return paths[0] if node.kind in ("or", "and") and paths else UNKNOWN

    def _read(self, path: Path) -> Path:
        self.found.append(path)
        return path

    def _filter(self, node: Node, here: Path, bindings: Mapping[str, Path]) -> Path:
        left, right, condition = node.children
        elements = self.follow(left, here, bindings)
        kind = _asked_type(condition)
        if kind is not None:
            elements = self._read((*elements, f"[{kind}]"))
        else:
            self.follow(condition, elements, bindings)
        return self.follow(right, elements, bindings)

    def _call(self, node: Node, here: Path, bindings: Mapping[str, Path]) -> Path:
        arguments = [child for child in node.children if child.kind != "reference"]
        paths = [self.follow(child, here, bindings) for child in arguments]
        elements = next((path for path in paths if path != UNKNOWN), here)
        for child in node.children:
            if child.kind == "reference":
                self.follow(child.children[0], elements, bindings)
        if node.value in ("x_k8s_get", "x_k8s_list", "x_k8s_exists"):
            about = [constant(child) for child in node.children[1:3]]
            named = tuple(value if isinstance(value, str) and value is not ABSENT else "?" for value in about)
            path = self._read((OF_CLUSTER, *named)) if len(named) == 2 else UNKNOWN
            return path if node.value != "x_k8s_exists" else UNKNOWN
        return elements if node.value in _PASS_ON else UNKNOWN

    def longest(self) -> list[Path]:
        """The paths that are no part of a longer one."""
        unique = dict.fromkeys(self.found)
        return [path for path in unique if not any(other != path and other[: len(path)] == path for other in unique)]


# Functions whose result is made of what their first argument holds.
_PASS_ON = {"not_null", "to_array", "sort_by", "reverse", "max_by", "min_by", "values", "at", "lookup", "map", "merge"}


def _asked_type(condition: Node) -> str | None:
    """`Ready` of the filter [?type == 'Ready'], also with further conditions."""
    for node in condition.walk():
        if node.kind in ("or", "not"):
            return None
        if node.kind == "comparison" and node.value == "==":
            sides = sorted(node.children, key=lambda side: side.kind)  # field before literal
            if (sides[0].kind, sides[0].value) == ("field", "type") and isinstance(constant(sides[1]), str):
                return str(sides[1].value)
    return None
