"""From a tree of nodes to a function of a value: evaluated as jmespath-community's interpreter does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.assertions.errors import EvaluationFailed
from harness.assertions.expressions import operations, projections
from harness.assertions.expressions.compiling import Compile, Evaluation
from harness.assertions.expressions.context import Scope
from harness.assertions.expressions.parser import parse
from harness.assertions.expressions.syntax import Node

_COMPILERS: dict[str, Callable[[Node, Compile], Evaluation]] = {
    "current": operations.current,
    "root": operations.root,
    "literal": operations.literal,
    "field": operations.field,
    "variable": operations.variable,
    "child": operations.child,
    "pipe": operations.pipe,
    "index": operations.index,
    "slice": operations.cut,
    "or": operations.or_else,
    "and": operations.and_then,
    "not": operations.negation,
    "sign": operations.sign,
    "arithmetic": operations.arithmetic,
    "comparison": operations.comparison,
    "reference": operations.reference,
    "call": operations.call,
    "list": operations.multiselect,
    "hash": operations.record,
    "let": operations.let,
    "binding": operations.binding,
    "projection": projections.projection,
    "filter": projections.filtered,
    "flatten": projections.flatten,
    "values": projections.values,
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression; `text` and `node` are what it was made of."""

    text: str
    node: Node
    evaluate: Evaluation

    def __call__(self, value: Any, scope: Scope) -> Any:
        """The value of the expression with `value` as `@`. Raises EvaluationFailed."""
        try:
            return self.evaluate(value, scope)
        except RecursionError:
            raise EvaluationFailed("the value is nested too deeply") from None


def compile_expression(text: str) -> Expression:
    """Compiles `text`. Raises ExpressionInvalid with the column."""
    node = parse(text)
    return Expression(text, node, _compiled(node))


def _compiled(node: Node) -> Evaluation:
    return _COMPILERS[node.kind](node, _compiled)
