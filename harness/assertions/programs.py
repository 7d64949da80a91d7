"""Compiled expressions of either engine, which trees and templates call in one way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.assertions import cel
from harness.assertions.expressions.context import Scope
from harness.assertions.expressions.evaluate import compile_expression
from harness.assertions.expressions.syntax import Node
from harness.assertions.keys import CEL


@dataclass(frozen=True, slots=True)
class Program:
    """An expression that can be called. `node` is its syntax, None for CEL, which is not looked into.

    `filters` says whether it can answer an empty list because a filter let nothing pass.
    """

    engine: str
    text: str
    node: Node | None
    filters: bool
    evaluate: Callable[[Any, Scope], Any]

    def __call__(self, value: Any, scope: Scope) -> Any:
        """The value of the expression, seen from `value`. Raises EvaluationFailed."""
        return self.evaluate(value, scope)


def compile_program(engine: str, text: str) -> Program:
    """Compiles `text`. Raises ExpressionInvalid."""
    if engine == CEL:
        return Program(engine, text, None, False, cel.compile_expression(text))
    expression = compile_expression(text)
    filters = any(node.kind == "filter" for node in expression.node.walk())
    return Program(engine, text, expression.node, filters, expression)
