"""CEL is an extra: without it what needs it is refused, with it objects and bindings are seen."""

import importlib
from typing import Any

import pytest

from harness.assertions import cel
from harness.assertions.errors import TreeInvalid
from harness.assertions.expressions.context import Context
from harness.assertions.outcome import CannotEvaluate, Holds, NotYet
from harness.assertions.tree import compile_tree


def judged(tree: Any, value: Any, engine: str = "jp", **bindings: Any) -> Any:
    return compile_tree(tree, engine=engine).judge(value, Context(bindings=bindings))


def test_without_the_extra_cel_is_refused_when_a_tree_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything runs, with the way to install it; never skipped."""

    def missing(name: str) -> Any:
        raise ImportError(name)

    cel._environment.cache_clear()
    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(
        TreeInvalid, match=r"(?s)a.\(cel;object.b\), column 6: .*CEL, .*not installed.*kwok-harness\[cel\]"
    ):
        compile_tree({"a": {"(cel;object.b)": 1}})
    compile_tree({"(a)": "(cel"})  # no CEL at all


@pytest.mark.parametrize(
    ("tree", "value"),
    [
        ({"(cel;object.a == 1 && object.a == 1.0)": True}, {"a": 1}),
        ({"a": "(cel;bindings.resolve('b'))"}, {"a": "x"}),
        ({"(cel;object.?a.orValue(3))": 3}, {}),
        ({"(cel;object.l.map(x, x * 2))": [2, 4]}, {"l": [1, 2]}),
        ({"~.(cel;object.l)": {"n": 1}}, {"l": [{"n": 1}]}),
        ({"(jp;a)": 1}, {"a": 1}),
    ],
)
def test_an_expression_in_cel_sees_object_and_bindings(tree: Any, value: Any) -> None:
    """Beside expressions in JMESPath."""
    assert judged(tree, value, b="x", opaque=object()) == Holds()


def test_cel_can_be_the_engine_of_a_whole_tree() -> None:
    """The operation's `compiler`."""
    assert judged({"(object.a)": 1}, {"a": 1}, engine="cel") == Holds()
    assert isinstance(judged({"(object.a)": 2}, {"a": 1}, engine="cel"), NotYet)


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        ({"(cel;object.b)": 1}, "Key not found"),
        ({"(cel;bindings.resolve('nope'))": 1}, "variable not defined"),
        ({"(cel;object.a + 'x')": 1}, "overload"),
    ],
)
def test_what_cel_cannot_evaluate_ends_the_operation(tree: Any, why: str) -> None:
    """As with JMESPath."""
    outcome = judged(tree, {"a": 1})
    assert isinstance(outcome, CannotEvaluate)
    assert why in str(outcome)


@pytest.mark.parametrize(("text", "column"), [("(cel;1 +)", 9), ("(cel;nope(1))", 10), ("(cel;ip('1'))", 8)])
def test_what_does_not_compile_is_refused_with_its_column(text: str, column: int) -> None:
    """A library of Kubernetes that is not there, too."""
    with pytest.raises(TreeInvalid) as caught:
        compile_tree({text: 1})
    assert caught.value.column == column


def test_a_value_that_is_nested_too_deeply_is_refused_before_cel_sees_it() -> None:
    """Its stack is that of the process."""
    value: Any = 1
    for _ in range(10_000):
        value = {"a": value}
    assert isinstance(judged({"(cel;object.a)": 1}, value), CannotEvaluate)
