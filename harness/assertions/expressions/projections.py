"""Projections: [*], filters, flatten and .*, from a node to a function of a value and its scope.

What goes wrong left of a filter, a flatten or .* is null there: the original swallows that error.
"""

from collections.abc import Iterable
from typing import Any

from harness.assertions.errors import EvaluationFailed
from harness.assertions.expressions.compiling import Compile, Evaluation
from harness.assertions.expressions.context import Scope
from harness.assertions.expressions.syntax import Node
from harness.assertions.expressions.values import is_false


def _or_null(evaluation: Evaluation) -> Evaluation:
    def evaluate(value: Any, scope: Scope) -> Any:
        try:
            return evaluation(value, scope)
        except EvaluationFailed:
            if scope.budget.left < 0:
                raise
            return None

    return evaluate


def _projected(elements: Iterable[Any], right: Evaluation, scope: Scope) -> list[Any]:
    results = (right(element, scope) for element in elements)
    return [result for result in results if result is not None]


def projection(node: Node, compiled: Compile) -> Evaluation:
    left, right = map(compiled, node.children)
    first = node.children[0]
    cuts_text = first.kind == "child" and first.children[1].kind == "slice"

    def evaluate(value: Any, scope: Scope) -> Any:
        elements = left(value, scope)
        if isinstance(elements, list):
            scope.budget.spend(len(elements))
            return _projected(elements, right, scope)
        return elements if cuts_text and isinstance(elements, str) else None

    return evaluate


def filtered(node: Node, compiled: Compile) -> Evaluation:
    left, right, condition = map(compiled, node.children)
    left = _or_null(left)

    def evaluate(value: Any, scope: Scope) -> Any:
        elements = left(value, scope)
        if not isinstance(elements, list):
            return None
        scope.budget.spend(len(elements))
        return _projected((item for item in elements if not is_false(condition(item, scope))), right, scope)

    return evaluate


def flatten(node: Node, compiled: Compile) -> Evaluation:
    left = _or_null(compiled(node.children[0]))

    def evaluate(value: Any, scope: Scope) -> Any:
        elements = left(value, scope)
        if not isinstance(elements, list):
            return None
        flat: list[Any] = []
        for element in elements:
            if isinstance(element, list):
                flat.extend(element)
            else:
                flat.append(element)
        scope.budget.spend(len(flat))
        return flat

    return evaluate


def values(node: Node, compiled: Compile) -> Evaluation:
    left, right = map(compiled, node.children)
    left = _or_null(left)

    def evaluate(value: Any, scope: Scope) -> Any:
        elements = left(value, scope)
        if not isinstance(elements, dict):
            return None
        scope.budget.spend(len(elements))
        return _projected((elements[key] for key in sorted(elements)), right, scope)

    return evaluate
