"""The JMESPath dialect: its syntax, its operators, and where they differ from what one expects."""

from typing import Any

import pytest

from harness.assertions.errors import EvaluationFailed, ExpressionInvalid
from harness.assertions.expressions.context import Context, Scope
from harness.assertions.expressions.evaluate import compile_expression
from harness.assertions.expressions.reads import Reads, calls
from harness.assertions.expressions.syntax import ABSENT

DATA = {
    "a": 3,
    "zero": 0,
    "f": 2.5,
    "t": "text",
    "null": None,
    "on": True,
    "l": [1, 2, 3],
    "empty": [],
    "m": {"x": {"v": 1}, "y": {"v": 2}, "w": None},
    "deep": {"b": {"c": "d"}},
    "items": [{"n": "one", "k": 1, "tags": ["p", "q"]}, {"n": "two", "k": 2, "tags": ["r"]}, {"n": None}],
    "a/b": "slash",
}


def value(expression: str, data: Any = DATA, *, strict: bool = False, **bindings: Any) -> Any:
    return compile_expression(expression)(data, Scope.of(Context(bindings=bindings, strict=strict)))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("deep.b.c", "d"),
        ("deep.nope.c", None),
        ("t.c", None),
        ('"a/b"', "slash"),
        ("l[0]", 1),
        ("l[-1]", 3),
        ("l[7]", None),
        ("t[0]", None),
        ("l[1:]", [2, 3]),
        ("l[::-1]", [3, 2, 1]),
        ("t[1:3]", "ex"),
        ("t[::-1]", "txet"),
        ("l[*]", [1, 2, 3]),
        ("t[*]", None),
        ("items[*].n", ["one", "two"]),
        ("items[].tags[]", ["p", "q", "r"]),
        ("items[*].tags[0]", ["p", "r"]),
        ("items[?k > `1`].n", ["two"]),
        ("items[?n == 'one'] | [0].k", 1),
        ("m.*.v", [1, 2]),
        ("[a, t]", [3, "text"]),
        ("{x: a, y: t}", {"x": 3, "y": "text"}),
        ("deep.{z: b.c}", {"z": "d"}),
        ("deep.[b.c, nope]", ["d", None]),
        ("null.[a]", None),
        ("a || t", 3),
        ("zero || t", 0),
        ("empty || t", "text"),
        ("empty && t", []),
        ("a && t", "text"),
        ("!empty", True),
        ("!deep.b", None),
        ("!(deep.b)", False),
        ("a + `1`", 4.0),
        ("a - `1` - `1`", 1.0),
        ("a / `2` * `3`", 0.5),
        ("a × `2` ÷ `3`", 2.0),
        ("a % `2`", 1.0),
        ("-(a) % `2`", -1.0),
        ("a // `2`", 1.0),
        ("a + t", None),
        ("null + a", None),
        ("-t", None),
        ("+a", 3.0),
        ("a > `2`", True),
        ("t > 'a'", None),
        ("null < a", None),
        ("a == `3`", True),
        ("l == `[1, 2, 3]`", True),
        ("on == `1`", False),
        ("t != 'x'", True),
        ("nope == null", True),
        ("@.a", 3),
        ("$", None),
        ('`"x"`', "x"),
        ("'it\\'s'", "it's"),
        ("'a\\nb'", "a\\nb"),
        ("'a\\\\b'", "a\\b"),
        ("let $x = a, $y = t in [$x, $y]", [3, "text"]),
        ("let $x = a in let $x = t in $x", "text"),
        ("$given.b", 1),
        ("map(&k, items)", [1, 2, None]),
        ("a | @", 3),
        ("items[*].n | [1]", "two"),
        ("nope(a)[?x]", None),
        ("nope(a)[]", None),
        ("nope(a).*", None),
        ("a || nope()", 3),
        ("length(l,)", 3.0),
        ("{a: a b: t}", {"a": 3, "b": "text"}),
        ("(a)", 3),
        ("(&a) == (&a)", False),
    ],
)
def test_an_expression_has_the_value_of_the_original(expression: str, expected: Any) -> None:
    """Type and content; ints of objects stay ints, what is computed is a float."""
    found = value(expression, given={"b": 1})
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("expression", "column", "what"),
    [
        ("", 1, "incomplete"),
        ("a.", 3, "incomplete"),
        ("a > 2", 5, "unexpected '2'"),
        ("a == foo bar", 10, "unexpected 'bar'"),
        ("`foo`", 1, "not valid JSON"),
        ("`1", 1, "not closed"),
        ("'x", 1, "not closed"),
        ('"x', 1, "not closed"),
        ("a ~ b", 3, "unknown character '~'"),
        ("[a", 3, "incomplete"),
        ("l[1:2:3:4]", 8, "in a slice"),
        ("l[a]", 3, "unexpected 'a'"),
        ("'x'(a)", 4, "only a name can be called"),
        ('"f"(a)', 1, "no name of a function"),
        ("a[] b", 5, "unexpected 'b'"),
        ("a[*] !b", 6, "after a projection"),
        ("let $x in $x", 5, "`let` wants"),
        ("let x = a in x", 5, "unexpected 'x'"),
        ("l[99999999999999999999]", 3, "out of range"),
        ("`1e999`", 1, "not valid JSON"),
        ("`NaN`", 1, "not valid JSON"),
        ("a ! b", 3, "after a complete expression"),
        ("{a}", 3, "where : was expected"),
        ("a.'x'", 3, "after a dot"),
    ],
)
def test_what_does_not_parse_is_refused_with_its_column(expression: str, column: int, what: str) -> None:
    """Counted in characters from 1."""
    with pytest.raises(ExpressionInvalid, match=what.replace("(", "\\(")) as caught:
        compile_expression(expression)
    assert caught.value.column == column


def test_a_bare_number_is_refused_with_the_way_to_write_it() -> None:
    """The mistake that everybody makes once."""
    with pytest.raises(ExpressionInvalid, match="write numbers in backticks: `2`"):
        compile_expression("a > 2")


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("nope(a)", "unknown function: nope"),
        ("$nope", "variable not defined: \\$nope"),
        ("let $x = `1`, $y = $x in $y", "variable not defined: \\$x"),
        ("a = t", "= binds a name"),
        ("length(null)", "argument 1 must be string or array or object, not null"),
        ("length(l, l)", "wants 1 arguments, got 2"),
        ("length()", "wants 1 arguments, got 0"),
        ("abs(t)", "argument 1 must be number, not string"),
        ("l[::0]", "step cannot be 0"),
        ("to_string(&a)", "unsupported type"),
    ],
)
def test_what_has_no_value_fails(expression: str, what: str) -> None:
    """It is not null: chainsaw ends the operation there."""
    with pytest.raises(EvaluationFailed, match=what):
        value(expression)


@pytest.mark.parametrize(
    ("expression", "loose", "strict"),
    [
        ("a == `3`", True, False),
        ("a != `3`", False, True),
        ("l == `[1, 2, 3]`", True, False),
        ("contains(l, `2`)", True, False),
        ("a > `2`", True, True),
        ("a + `1` == `4`", True, True),
        ("to_number(a) == `3`", True, True),
        ("length(l) == `3`", True, True),
        ("a == l[2]", True, True),
        ("compare('a', 'a') == `0`", True, False),
        ("items(deep, 'k', 'v') == [{k: 'b', v: deep.b}]", True, False),
        ("parse_json('1') == a", False, False),
        ("parse_json('3') == a", True, True),
    ],
)
def test_values_decide_unless_it_is_strict(expression: str, loose: bool, strict: bool) -> None:
    """Strict is what Go's types make of it: an integer of an object is no float."""
    assert value(expression) is loose
    assert value(expression, strict=True) is strict


@pytest.mark.parametrize(
    "expression", ["abs(a)", "sum(l)", "max(l)", "type(a)", "sort_by(items[:2], &k)", "add(a, `1`)"]
)
def test_functions_of_numbers_refuse_integers_of_objects_when_strict(expression: str) -> None:
    """And take them where values decide."""
    assert value(expression) is not None
    with pytest.raises(EvaluationFailed):
        value(expression, strict=True)


def test_division_by_zero_is_infinite_and_no_error() -> None:
    """As floats are everywhere."""
    assert value("`1` / `0`") == float("inf")
    assert value("`-1` / `0`") == float("-inf")
    assert str(value("`0` / `0`")) == "nan"
    assert str(value("`1` % `0`")) == "nan"


def test_calls_are_listed_with_their_constant_arguments() -> None:
    """So that a kind can be watched that an expression asks for."""
    node = compile_expression("x_k8s_get($client, 'v1', 'Pod', $namespace, 'p').status || env('A')").node
    found = [(call.name, call.arguments) for call in calls(node)]
    assert found == [("x_k8s_get", (ABSENT, "v1", "Pod", ABSENT, "p")), ("env", ("A",))]


@pytest.mark.parametrize(
    ("expression", "paths"),
    [
        ("a.b", ["a.b"]),
        ("status.conditions[?type == 'Ready'] | [0].status", ["status.conditions.[Ready].status"]),
        ("length(status.conditions[?type == 'A' && status == 'True']) > `0`", ["status.conditions.[A]"]),
        ("status.list[?phase == 'Up'].name", ["status.list.phase", "status.list.name"]),
        ("sort_by(spec.items, &name)[0].size", ["spec.items.name", "spec.items.size"]),
        ("let $s = status in $s.phase == spec.want", ["status.phase", "spec.want"]),
        (
            "x_k8s_get($client, 'apps/v1', 'Deployment', 'n', 'd').status.replicas",
            ["<cluster>.apps/v1.Deployment.status.replicas"],
        ),
    ],
)
def test_what_an_expression_reads_is_told_without_evaluating_it(expression: str, paths: list[str]) -> None:
    """Fields, entries of conditions by their type, and objects of a cluster."""
    reads = Reads()
    reads.follow(compile_expression(expression).node, (), {})
    assert [".".join(path) for path in reads.longest()] == paths
