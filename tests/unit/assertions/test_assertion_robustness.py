"""No input raises anything but the documented errors, and none keeps a judgement busy for ever."""

import contextlib
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.assertions import kuttl
from harness.assertions.candidates import Judgement, Resolved, compile_assertion
from harness.assertions.errors import EvaluationFailed, ExpressionInvalid, TreeInvalid
from harness.assertions.expressions.context import Context, Scope
from harness.assertions.expressions.evaluate import compile_expression
from harness.assertions.expressions.functions import FUNCTIONS
from harness.assertions.go import automaton
from harness.assertions.lint import findings_of
from harness.assertions.outcome import CannotEvaluate, Holds, NotYet
from harness.assertions.proof import claims_of
from harness.assertions.tree import compile_tree

pytestmark = pytest.mark.no_cover  # random input is for depth, and tracing it doubles its time

CONTEXT = Context(
    bindings={"x": 3, "list": [1, 2.5, "a", None], "opaque": object()},
    environment={"HOME": "/"},
    now=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    choose=random.Random(1).randrange,
)
TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        "1Mi",
        "1h",
        "2024-01-01T00:00:00Z",
        "(a.b)",
        "a->x",
        "~.a",
        "~i.(a)",
        "\\(x)\\",
        "[a-z]+",
        "1.2.3",
        "(@)",
        "(&a)",
        "9" * 30,
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS | st.sampled_from("abc"), inner, max_size=4),
)
NAMES = st.sampled_from(
    ["a", "b", "@", "$x", "$list", "$opaque", "$", "*", "[]", "[0]", "[*]", "`1`", "'t'", '`[1,"a"]`']
)
ATOMS = NAMES | st.sampled_from(sorted(FUNCTIONS)).map(lambda name: f"{name}()")


def _longer(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(inner, inner)
    operators = st.sampled_from([" == ", " < ", " + ", " / ", " % ", " || ", " && ", " | ", ".", " // ", " * "])
    calls = st.tuples(
        st.sampled_from(sorted(FUNCTIONS)), st.lists(inner | st.just("&a") | st.just("'1Mi'"), max_size=4)
    )
    return (
        st.tuples(pairs, operators).map(lambda t: f"{t[0][0]}{t[1]}{t[0][1]}")
        | calls.map(lambda t: f"{t[0]}({', '.join(t[1])})")
        | inner.map(lambda e: f"({e})")
        | inner.map(lambda e: f"!{e}")
        | inner.map(lambda e: f"-{e}")
        | pairs.map(lambda t: f"{t[0]}[?{t[1]}]")
        | pairs.map(lambda t: f"let $x = {t[0]} in {t[1]}")
        | st.lists(inner, min_size=1, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | pairs.map(lambda t: f"{{a: {t[0]}, b: {t[1]}}}")
    )


EXPRESSIONS = st.recursive(ATOMS, _longer, max_leaves=12)


def evaluated(text: str, value: Any, context: Context = CONTEXT) -> Any:
    return compile_expression(text)(value, Scope.of(context))


@given(text=st.text(max_size=60) | EXPRESSIONS, value=VALUES, strict=st.booleans())
def test_any_text_is_an_expression_with_a_value_or_one_of_two_errors(text: str, value: Any, strict: bool) -> None:
    """A syntax error names its column; everything else is an evaluation that failed."""
    context = Context(CONTEXT.bindings, CONTEXT.environment, CONTEXT.now, CONTEXT.choose, strict)
    try:
        evaluated(text, value, context)
    except ExpressionInvalid as error:
        assert 1 <= error.column <= len(text) + 1  # noqa: PT017
    except EvaluationFailed:
        pass


@given(
    name=st.sampled_from(sorted(FUNCTIONS)),
    arguments=st.lists(VALUES | st.sampled_from(["&a", "&@"]), max_size=5),
    strict=st.booleans(),
)
def test_every_function_takes_any_arguments(name: str, arguments: list[Any], strict: bool) -> None:
    """It answers, or says that it cannot."""
    called = [argument if argument in ("&a", "&@") else f"$argument{i}" for i, argument in enumerate(arguments)]
    bindings = {f"argument{i}": argument for i, argument in enumerate(arguments)}
    context = Context(bindings, CONTEXT.environment, CONTEXT.now, CONTEXT.choose, strict)
    with contextlib.suppress(EvaluationFailed):
        evaluated(f"{name}({', '.join(called)})", None, context)


@given(source=VALUES, value=VALUES)
def test_any_tree_is_refused_or_has_one_of_three_outcomes(source: Any, value: Any) -> None:
    """With a message that can be printed, whatever the values are."""
    try:
        tree = compile_tree(source)
    except TreeInvalid as error:
        assert str(error)  # noqa: PT017
        return
    outcome = tree.judge(value, CONTEXT)
    assert isinstance(outcome, Holds | NotYet | CannotEvaluate)
    if isinstance(outcome, NotYet):
        assert outcome.lines()
    elif isinstance(outcome, CannotEvaluate):
        assert str(outcome)
    assert all(map(str, findings_of(tree)))


@given(
    source=st.dictionaries(st.sampled_from(["metadata", "spec", "status", "(a)", "a"]), VALUES),
    candidates=st.lists(st.dictionaries(st.sampled_from(["metadata", "spec", "status", "a"]), VALUES), max_size=3),
)
def test_any_document_is_judged_against_any_objects(source: dict[str, Any], candidates: list[dict[str, Any]]) -> None:
    """Blocks, diffs and claims included, for chainsaw's asserts and for kuttl's."""
    document = {"apiVersion": "v1", "kind": "Pod", **source}
    judgements = [kuttl.judge_assert(document, candidates), kuttl.judge_error(document, candidates)]
    try:
        assertion = compile_assertion(document)
    except TreeInvalid:
        return
    resolved = assertion.resolve(CONTEXT)
    if isinstance(resolved, Resolved):
        judgements += [resolved.judge_assert(candidates, CONTEXT), resolved.judge_error(candidates, CONTEXT)]
    assert all(isinstance(judgement, Judgement) for judgement in judgements)
    assert claims_of(document) is not None


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000,
        "(" * 10_000 + "a" + ")" * 10_000,
        "[" * 10_000,
        "!" * 10_000 + "a",
        ".a" * 10_000,
        "a" + ".a" * 10_000,
        "a" + " || a" * 10_000,
        "f(" * 10_000,
        "a" + "[0]" * 10_000,
        "`" + "[" * 10_000 + "]" * 10_000 + "`",
        "{a:" * 10_000,
        "&" * 10_000 + "a",
    ],
    ids=lambda text: text[:8],
)
def test_an_expression_of_ten_thousand_levels_is_refused(text: str) -> None:
    """By the compiler, with a message about its depth or its syntax."""
    with pytest.raises(ExpressionInvalid):
        compile_expression(text)


def nested(levels: int, leaf: Any = 1) -> Any:
    value = leaf
    for _ in range(levels):
        value = {"a": [value]}
    return value


def test_a_tree_of_ten_thousand_levels_is_refused() -> None:
    """It names the limit, and not the whole path."""
    with pytest.raises(TreeInvalid, match="more than 150 levels") as caught:
        compile_tree(nested(5_000))
    assert len(str(caught.value)) < 1_000


def test_a_tree_that_contains_itself_is_refused() -> None:
    """YAML can write one, with an alias."""
    source: dict[str, Any] = {}
    source["a"] = source
    with pytest.raises(TreeInvalid, match="levels"):
        compile_tree(source)


def test_a_tree_that_aliases_make_enormous_is_refused() -> None:
    """A billion laughs: thirty lists, each of them twice the one before."""
    source: Any = ["x"]
    for _ in range(30):
        source = [source, source]
    with pytest.raises(TreeInvalid, match="more than 100,000 nodes"):
        compile_tree(source)


@pytest.mark.parametrize(
    "tree",
    [
        {"a": [{"a": [1]}]},
        {"(a == $deep)": True},
        {"a": "($deep)"},
        {"(to_string(@))": "x"},
        {"a": "x"},
        {"(length(a))": 2},
    ],
    ids=str,
)
def test_an_object_of_ten_thousand_levels_is_judged(tree: Any) -> None:
    """What would have to go to its end cannot be evaluated, or is not shown whole; the rest is as ever."""
    deep = nested(5_000)
    outcome = compile_tree(tree).judge(deep, Context(bindings={"deep": nested(5_000)["a"]}))
    assert isinstance(outcome, NotYet | CannotEvaluate)
    assert len(str(outcome)) < 100_000


def test_a_diff_of_an_object_of_ten_thousand_levels_is_left_out() -> None:
    """The verdict and its lines are there."""
    document = {"apiVersion": "v1", "kind": "Pod", "a": [], "b": 1}
    resolved = compile_assertion(document).resolve(CONTEXT)
    assert isinstance(resolved, Resolved)
    judgement = resolved.judge_assert([{"apiVersion": "v1", "kind": "Pod", **nested(5_000), "b": 2}], CONTEXT)
    assert "b: Invalid value: 2: Expected value: 1" in judgement.text
    assert "no diff" in judgement.text


def test_kuttl_says_that_an_object_is_too_deep() -> None:
    """A comparison of ten thousand levels has no answer."""
    with pytest.raises(EvaluationFailed, match="too deeply"):
        kuttl.subset(nested(5_000), nested(5_000, 2))


@pytest.mark.parametrize(
    "pattern",
    ["(a*)*b", "(a|aa)+$", "(.*a){20}c", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a?){300}a{300}", "((a{0,9}){0,9}){0,9}b"],
)
def test_a_pattern_that_explodes_elsewhere_is_bounded(pattern: str) -> None:
    """It ends within its steps, with an answer or without one."""
    try:
        assert evaluated(f"regex_match('{pattern}', '{'a' * 400}')", None) in (True, False)
    except EvaluationFailed as error:
        assert "steps" in str(error) or "too large" in str(error)  # noqa: PT017


@given(pattern=st.text(alphabet="ab()|*+?{}[]^$\\.1,dwpL-:", max_size=14), text=st.text(alphabet="ab1\n", max_size=12))
def test_any_pattern_is_refused_or_runs(pattern: str, text: str) -> None:
    """A ValueError is what functions turn into a failed evaluation."""
    steps = 0

    def spend(count: int) -> None:
        nonlocal steps
        steps += count
        if steps > 200_000:
            raise EvaluationFailed("steps")

    try:
        automaton.matches(pattern, text, spend)
        automaton.replaced(pattern, text, "[$1]", spend, literal=False)
    except (ValueError, EvaluationFailed):
        pass


@pytest.mark.parametrize(
    "expression",
    [
        "pad_left('x', `1e15`)",
        "let $a = pad_left('x', `100000`) in replace_all($a, ' ', $a)",
        "map(&length(map(&@, $long)), $long)",
        "length([$w, $w] | [@, @] | [@, @]) == length($long) && "
        + "to_string("
        + " | ".join(["$w", *["[@, @]"] * 40])
        + ")",
        " | ".join(["$w", *["[@, @]"] * 40]) + " | @ == [@[1], @[0]]",
        "wildcard('*a*a*a*a*a*b', join('', map(&'aaaaaaaaaa', $long)))",
    ],
)
def test_an_expression_that_grows_without_end_is_stopped(expression: str) -> None:
    """By its budget of steps, before time or memory are gone."""
    context = Context(bindings={"long": list(range(10_000)), "w": ["x"]})
    try:
        evaluated(expression, None, context)
    except EvaluationFailed as error:
        assert "steps" in str(error) or "characters" in str(error)  # noqa: PT017


def test_a_list_of_ten_thousand_elements_takes_few_steps() -> None:
    """A filter, an iteration and a comparison look at each of them once or twice, far from the limit."""
    value = {"items": [{"name": f"n{i}", "ready": True, "count": i} for i in range(10_000)]}
    tree = compile_tree(
        {"~.(items)": {"ready": True}, "(length(items[?ready]))": 10_000, "(sort_by(items, &count)[0].name)": "n0"}
    )
    assert tree.judge(value) == Holds()
