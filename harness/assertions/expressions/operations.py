"""All operations but projections: from a node to a function of a value and its scope."""

from typing import Any

from harness.assertions.errors import EvaluationFailed
from harness.assertions.expressions.compiling import Compile, Evaluation
from harness.assertions.expressions.context import Scope
from harness.assertions.expressions.functions import FUNCTIONS
from harness.assertions.expressions.functions.signature import Call
from harness.assertions.expressions.operators import ARITHMETIC, ORDER
from harness.assertions.expressions.syntax import Node
from harness.assertions.expressions.values import Reference, equal, is_false, is_number, to_float


def current(_node: Node, _compiled: Compile) -> Evaluation:
    return lambda value, _scope: value


def root(_node: Node, _compiled: Compile) -> Evaluation:
    return lambda _value, _scope: None  # chainsaw binds no root


def literal(node: Node, _compiled: Compile) -> Evaluation:
    literal = node.value
    return lambda _value, _scope: literal


def field(node: Node, _compiled: Compile) -> Evaluation:
    name = node.value
    return lambda value, _scope: value.get(name) if isinstance(value, dict) else None


def variable(node: Node, _compiled: Compile) -> Evaluation:
    name = node.value[1:]

    def evaluate(_value: Any, scope: Scope) -> Any:
        if name not in scope.bindings:
            raise EvaluationFailed(f"variable not defined: ${name}")
        return scope.bindings[name]

    return evaluate


def child(node: Node, compiled: Compile) -> Evaluation:
    left, right = map(compiled, node.children)

    def evaluate(value: Any, scope: Scope) -> Any:
        value = left(value, scope)
        return None if value is None else right(value, scope)

    return evaluate


def pipe(node: Node, compiled: Compile) -> Evaluation:
    left, right = map(compiled, node.children)
    return lambda value, scope: right(left(value, scope), scope)


def index(node: Node, _compiled: Compile) -> Evaluation:
    index = node.value

    def evaluate(value: Any, _scope: Scope) -> Any:
        if isinstance(value, list) and -len(value) <= index < len(value):
            return value[index]
        return None

    return evaluate


def cut(node: Node, _compiled: Compile) -> Evaluation:
    start, stop, step = node.value

    def evaluate(value: Any, scope: Scope) -> Any:
        if isinstance(value, str) and step == 0:
            return None
        if not isinstance(value, str | list):
            return None
        if step == 0:
            raise EvaluationFailed("invalid slice, step cannot be 0")
        scope.budget.spend(len(value))
        return value[start:stop:step]

    return evaluate


def or_else(node: Node, compiled: Compile) -> Evaluation:
    left, right = map(compiled, node.children)

    def evaluate(value: Any, scope: Scope) -> Any:
        first = left(value, scope)
        return right(value, scope) if is_false(first) else first

    return evaluate


def and_then(node: Node, compiled: Compile) -> Evaluation:
    left, right = map(compiled, node.children)

    def evaluate(value: Any, scope: Scope) -> Any:
        first = left(value, scope)
        return first if is_false(first) else right(value, scope)

    return evaluate


def negation(node: Node, compiled: Compile) -> Evaluation:
    inside = compiled(node.children[0])
    return lambda value, scope: is_false(inside(value, scope))


def sign(node: Node, compiled: Compile) -> Evaluation:
    inside = compiled(node.children[0])
    negative = node.value == "-"

    def evaluate(value: Any, scope: Scope) -> Any:
        result = inside(value, scope)
        if not is_number(result):
            return None
        return -to_float(result) if negative else to_float(result)

    return evaluate


def arithmetic(node: Node, compiled: Compile) -> Evaluation:
    left, right = map(compiled, node.children)
    operation = ARITHMETIC[node.value]

    def evaluate(value: Any, scope: Scope) -> Any:
        first, second = left(value, scope), right(value, scope)
        if not (is_number(first) and is_number(second)):
            return None
        return operation(to_float(first), to_float(second))

    return evaluate


def comparison(node: Node, compiled: Compile) -> Evaluation:
    left, right = map(compiled, node.children)
    if node.value in ("==", "!="):
        wanted = node.value == "=="
        return lambda value, scope: (
            equal(left(value, scope), right(value, scope), scope.budget, strict=scope.strict) is wanted
        )
    compare = ORDER[node.value]

    def evaluate(value: Any, scope: Scope) -> Any:
        first, second = left(value, scope), right(value, scope)
        if not (is_number(first) and is_number(second)):
            return None
        return compare(to_float(first), to_float(second))

    return evaluate


def reference(node: Node, compiled: Compile) -> Evaluation:
    inside = compiled(node.children[0])
    return lambda _value, scope: Reference(lambda item: inside(item, scope))


def call(node: Node, compiled: Compile) -> Evaluation:
    arguments = [compiled(child) for child in node.children]
    name = node.value
    function = FUNCTIONS.get(name)

    def evaluate(value: Any, scope: Scope) -> Any:
        evaluated = [argument(value, scope) for argument in arguments]
        if function is None:
            raise EvaluationFailed(f"unknown function: {name}")
        return function(Call(name, scope), evaluated)

    return evaluate


def multiselect(node: Node, compiled: Compile) -> Evaluation:
    items = [compiled(child) for child in node.children]
    return lambda value, scope: [item(value, scope) for item in items]


def record(node: Node, compiled: Compile) -> Evaluation:
    items = [(name, compiled(child)) for name, child in zip(node.value, node.children, strict=True)]
    return lambda value, scope: {name: item(value, scope) for name, item in items}


def let(node: Node, compiled: Compile) -> Evaluation:
    *bindings, body = node.children
    named = [(binding.children[0].value[1:], compiled(binding.children[1])) for binding in bindings]
    inside = compiled(body)

    def evaluate(value: Any, scope: Scope) -> Any:
        return inside(value, scope.bind({name: bound(value, scope) for name, bound in named}))

    return evaluate


def binding(node: Node, _compiled: Compile) -> Evaluation:
    def evaluate(_value: Any, _scope: Scope) -> Any:
        raise EvaluationFailed("= binds a name in `let` only; compare with ==")

    return evaluate
