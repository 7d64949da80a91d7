"""What is worth a warning in a tree that compiles: where chainsaw would differ, and what people fall into."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from harness.assertions.expressions.functions import FUNCTIONS
from harness.assertions.expressions.syntax import Node
from harness.assertions.keys import notation
from harness.assertions.tree import Placed, Tree


class Severity(Enum):
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark; `column` counts from 1 in the key or value at `path`, None where the whole of it is meant."""

    path: str
    what: str
    do: str = ""
    column: int | None = None
    severity: Severity = Severity.WARNING

    def __str__(self) -> str:
        place = f"{self.path}, column {self.column}" if self.column else self.path
        return f"{self.severity.value}: {place}: {self.what}" + (f"\n  {self.do}" if self.do else "")


# Functions that answer with Go's float64, so that == with a literal is right in chainsaw too.
_FLOATS = {
    *("abs", "avg", "ceil", "divide", "find_first", "find_last", "floor", "length", "modulo", "multiply", "round"),
    *("add", "subtract", "sum", "to_number"),
}
_OTHER_TYPES = {
    *(
        "base64_decode",
        "base64_encode",
        "concat",
        "contains",
        "ends_with",
        "env",
        "equal_fold",
        "join",
        "keys",
        "lower",
    ),
    *(
        "regex_match",
        "replace_all",
        "split",
        "starts_with",
        "to_string",
        "to_upper",
        "to_lower",
        "trim",
        "type",
        "upper",
    ),
    *(
        "x_k8s_exists",
        "x_k8s_resource_exists",
        "semver_compare",
        "label_match",
        "pattern_match",
        "wildcard",
        "as_string",
    ),
}
# Arguments without a declared type that chainsaw wants as float64.
_ARITHMETIC = {"add", "subtract", "multiply", "divide", "modulo", "sum", "type"}


def _wants_number(name: str, position: int) -> bool:
    types = FUNCTIONS[name].types
    kind = types[min(position, len(types) - 1)].lstrip("?*") if types else ""
    return name in _ARITHMETIC or kind in ("number", "array[number]", "array[number]|array[string]")


def findings_of(tree: Tree) -> list[Finding]:
    """Every remark on a tree, in the order of its text."""
    found = [finding for placed in tree.expressions for finding in _of_expression(placed)]
    return [*found, *_of_shape(tree.source, ""), *_of_rollout(tree.source)]


def _of_rollout(source: Any) -> Iterator[Finding]:
    """Right after a change the status is still that of the generation before."""
    if not isinstance(source, Mapping) or source.get("kind") not in ("Deployment", "StatefulSet", "DaemonSet"):
        return
    text = str(source)
    if "Available" in text and "observedGeneration" not in text:
        do = "add ((status.observedGeneration || `0`) == metadata.generation): true"
        yield Finding("status", "Available may still be that of the generation before", do)


def _of_expression(placed: Placed) -> Iterator[Finding]:
    root = placed.program.node
    if root is None:
        return
    for node in root.walk():
        for what, do, severity in _of_node(node):
            yield Finding(placed.path, what, do, placed.column + node.column - 1, severity)
    if not placed.is_key and root.kind in ("comparison", "and", "or", "not"):
        yield Finding(
            placed.path,
            "the result of this comparison is what the field itself must be equal to",
            "write the comparison as a key: (a > `1`): true",
            placed.column,
        )


def _of_node(node: Node) -> Iterator[tuple[str, str, Severity]]:
    if node.kind == "call" and node.value not in FUNCTIONS:
        yield f"unknown function {node.value}()", "", Severity.ERROR
    elif node.kind == "call" and any(
        _may_be_integer(child) and _wants_number(node.value, position) for position, child in enumerate(node.children)
    ):
        yield (
            f"chainsaw refuses integers of objects in {node.value}(), and ends the operation",
            "write to_number(...) around what comes from an object",
            Severity.WARNING,
        )
    elif node.kind == "call" and node.value == "contains" and len(node.children) == 2:
        if _has_number(node.children[1]):
            yield "to chainsaw a number is never in a list of integers of an object", "", Severity.WARNING
    elif node.kind == "comparison" and node.value in ("==", "!="):
        left, right = node.children
        for literal, other in ((left, right), (right, left)):
            if _has_number(literal) and _may_be_integer(other):
                constant = "false" if node.value == "==" else "true"
                yield (
                    f"to chainsaw this is always {constant} for an integer of an object: it compares types as well",
                    "write to_number(...) around the field",
                    Severity.WARNING,
                )
                return


def _has_number(node: Node) -> bool:
    """A literal that is a number, or a list that has one; the result of arithmetic."""
    if node.kind in ("arithmetic", "sign"):
        return True
    if node.kind == "list":
        return any(map(_has_number, node.children))
    values = node.value if isinstance(node.value, list) else [node.value]
    return node.kind == "literal" and any(isinstance(value, float) for value in values)


def _may_be_integer(node: Node) -> bool:
    """Whether it can be an integer of an object, as far as its syntax tells."""
    match node.kind:
        case "literal" | "arithmetic" | "sign" | "comparison" | "not" | "hash" | "root":
            return False
        case "call":
            return node.value not in _FLOATS | _OTHER_TYPES
        case "or" | "and" | "list":
            return any(map(_may_be_integer, node.children))
        case "pipe" | "child" | "projection":
            return _may_be_integer(node.children[-1]) if node.children[-1].kind == "call" else True
        case "reference":
            return _may_be_integer(node.children[0])
    return True


def _of_shape(source: Any, path: str) -> Iterator[Finding]:
    if isinstance(source, Mapping):
        yield from _of_map(source, path)
    elif isinstance(source, list):
        if len(source) == 1 and path.endswith(("containerStatuses", "initContainerStatuses", ".containers")):
            yield Finding(path, "a list of one fails as soon as there is a sidecar", "iterate: ~.(containers): ...")
        for index, item in enumerate(source):
            yield from _of_shape(item, f"{path}[{index}]")


def _of_map(source: Mapping[Any, Any], path: str) -> Iterator[Finding]:
    names = {key: notation(str(key)) for key in source}
    for key, value in source.items():
        below = f"{path}.{key}" if path else str(key)
        parsed = names[key]
        siblings = {other.binding for name, other in names.items() if name != key and other.binding}
        for name in sorted(siblings & _used(key, value), key=str):
            yield Finding(
                below,
                f"${name} is bound by the key beside this one",
                "use it below that key only",
                None,
                Severity.ERROR,
            )
        if parsed.binding and parsed.statement != parsed.statement.rstrip():
            yield Finding(
                below, "the space before -> belongs to the key", "write it without: key->name", None, Severity.ERROR
            )
        if path.startswith("status") and value == 0 and isinstance(value, int) and not isinstance(value, bool):
            yield Finding(below, "a count of 0 is often left out of the object", f"write ({key} || `0`): 0")
        yield from _of_shape(value, below)


def _used(key: Any, value: Any) -> set[str]:
    """The $names that a key and what is below it use; a coarse look at the text, for bindings have no other place."""
    used: set[str] = set()
    pending = [key, value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            used |= {part[: _name_length(part)] for part in item.split("$")[1:]}
        elif isinstance(item, Mapping):
            pending += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            pending += item
    return used


def _name_length(text: str) -> int:
    return next((i for i, c in enumerate(text) if not (c.isascii() and (c.isalnum() or c == "_"))), len(text))
