"""The tree of a parsed expression, and what can be read from it without evaluating it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.assertions.errors import ExpressionInvalid

# An expression is evaluated by functions that call each other, one per level: this many levels fit on any stack.
DEEPEST = 150


@dataclass(frozen=True, slots=True)
class Node:
    """One operation; `kind` names it as in `evaluate.py`, `value` and `children` are its operands."""

    kind: str
    value: Any = None
    children: tuple["Node", ...] = ()
    column: int = 1
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        depth = 1 + max((child.depth for child in self.children), default=0)
        if depth > DEEPEST:
            raise ExpressionInvalid(
                f"nested more than {DEEPEST} levels deep", column=self.column, do="split the expression with `let`"
            )
        object.__setattr__(self, "depth", depth)

    def walk(self) -> Iterator["Node"]:
        """This node and all below it, from left to right."""
        yield self
        for child in self.children:
            yield from child.walk()


IDENTITY = Node("current")
ABSENT = object()


def constant(node: Node) -> Any:
    """The value of a literal, or ABSENT for anything that must be evaluated."""
    return node.value if node.kind == "literal" else ABSENT


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
