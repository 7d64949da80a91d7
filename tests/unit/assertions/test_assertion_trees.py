"""Assertion trees: how keys are read, what each value is compared with, and what is said when it differs."""

from typing import Any

import pytest

from harness.assertions.errors import TreeInvalid
from harness.assertions.expressions.context import Context
from harness.assertions.keys import Notation, notation
from harness.assertions.outcome import CannotEvaluate, Holds, NotYet
from harness.assertions.tree import compile_tree


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", Notation("a")),
        ("~.a", Notation("a", foreach="", column=3)),
        ("~i.(a)", Notation("a", "default", foreach="i", column=5)),
        ("(a)->x", Notation("a", "default", binding="x", column=2)),
        ("(a) -> x", Notation("(a) ", binding="x")),
        ("~i.(a)->x", Notation("a", "default", "i", "x", 5)),
        ("(jp;a)", Notation("a", "jp", column=5)),
        ("(cel;a)", Notation("a", "cel", column=6)),
        ("(nope;a)", Notation("a", column=7)),
        ("(jp;)", Notation("jp;", "default", column=2)),
        ("()", Notation("()")),
        ("\\(a)\\", Notation("(a)", column=2)),
        ("~i.\\(x)\\->n", Notation("(x)", foreach="i", binding="n", column=5)),
        ("(a\nb)", Notation("(a\nb)")),
        ("~.a\nb", Notation("a", foreach="", column=3)),
        ("x\n(a)->b", Notation("a", "default", binding="b", column=4)),
        ("a->ü", Notation("a->ü")),
        ("x\n->b", Notation("x", binding="b")),
    ],
)
def test_a_key_is_read_in_four_steps(text: str, found: Notation) -> None:
    """Iteration, binding, escape, expression; the column is where the statement starts."""
    assert notation(text) == found


def judged(tree: Any, value: Any, **bindings: Any) -> Any:
    return compile_tree(tree).judge(value, Context(bindings=bindings))


def test_all_mismatches_are_told_in_the_words_of_chainsaw() -> None:
    """Sorted, with texts in quotes, numbers without, and lists as JSON."""
    tree = {
        "a": "x",
        "b": 1,
        "y": "(['x'])",
        "c": {"d": None},
        "e": [1],
        "f": "(['x', `1`])",
        "~.g": {"h": True},
        "i": {},
    }
    value = {"a": "y", "b": 2, "c": {}, "e": [1, 2], "f": ["x", 2], "g": [{"h": False}], "i": None, "y": ["x", "y"]}
    outcome = judged(tree, value)
    assert isinstance(outcome, NotYet)
    assert outcome.lines() == [
        'a: Invalid value: "y": Expected value: "x"',
        "b: Invalid value: 2: Expected value: 1",
        "c.d: Required value: field not found in the input object",
        "e: Invalid value: [1,2]: lengths of slices don't match",
        'f: Invalid value: ["x",2]: Expected value: []interface {}{"x", 1}',
        "i: Invalid value: null: invalid value, must not be null",
        'y: Invalid value: ["x","y"]: Expected value: []interface {}{"x"}',
        "~.g[0].h: Invalid value: false: Expected value: true",
    ]


def test_what_items_gives_is_shown_with_its_type() -> None:
    """As Go prints it; to chainsaw it is no list like others."""
    outcome = judged({"a": "(items({x: `1`}, 'k', 'v'))"}, {"a": []})
    assert isinstance(outcome, NotYet)
    assert 'Expected value: []map[string]interface {}{map[string]interface {}{"k":"x", "v":1}}' in outcome.lines()[0]


@pytest.mark.parametrize(
    ("tree", "value", "message"),
    [
        ({"a": "3"}, {"a": 3}, "a: Internal error: types are not comparable, string - int64"),
        ({"a": {"b": 1}}, {"a": 1}, "a.b: Internal error: projection not recognized"),
        ({"a": [1]}, {"a": "x"}, 'a: Invalid value: "x": expected a slice'),
        ({"~.(a)": 1}, {}, "~.(a): Invalid value: null: expected a slice or a map"),
        ({"(nope(a))": 1}, {}, "(nope(a)): Internal error: unknown function: nope"),
        ({"a": "($x)"}, {"a": 1}, "a: Internal error: variable not defined: $x"),
        ({"a": "(['x'])"}, {"a": None}, "a: Internal error: invalid actual value, must be a slice, found invalid"),
        ({"b": 1, "(length(a))": 1}, {"b": 2}, "(length(a)): Internal error"),
        (1, "x", "<nil>: Internal error: types are not comparable, int64 - string"),
    ],
)
def test_what_cannot_be_evaluated_is_no_mismatch(tree: Any, value: Any, message: str) -> None:
    """It says where and why, and wins over mismatches elsewhere."""
    outcome = judged(tree, value)
    assert isinstance(outcome, CannotEvaluate)
    assert str(outcome).startswith(message)


@pytest.mark.parametrize(
    ("tree", "path", "column", "what"),
    [
        ({"a": {"(b > 2)": True}}, "a.(b > 2)", 6, "unexpected '2'"),
        ({"a": [{"b": "(x y)"}]}, "a[0].b", 4, "unexpected 'y'"),
        ({"~i.(jp;a[)": 1}, "~i.(jp;a[)", 10, "incomplete"),
        ({"a": "~.b"}, "a", None, "an iteration"),
        ({"a": "b->c"}, "a", None, "a binding"),
        ({"a": object()}, "a", None, "a object has no place"),
        ({"a": {1: 1, "1": 2}}, "a.1", None, "there twice"),
        ({"a": {(): 1}}, "a", None, "cannot be a key"),
        (None, "<nil>", None, "the tree is empty"),
    ],
)
def test_a_tree_is_refused_when_it_is_compiled_with_its_place(
    tree: Any, path: str, column: int | None, what: str
) -> None:
    """The path of the key, and the column inside of it."""
    with pytest.raises(TreeInvalid, match=what) as caught:
        compile_tree(tree)
    assert (caught.value.path, caught.value.column) == (path, column)


def test_an_unknown_engine_is_refused() -> None:
    """Of the operation's `compiler`; that of a single expression makes it a literal."""
    with pytest.raises(TreeInvalid, match="unknown engine 'lua'"):
        compile_tree({}, engine="lua")


def test_keys_of_yaml_that_are_no_texts_become_texts() -> None:
    """As they do on their way through JSON."""
    assert judged({3: "x", True: "y", 2.5: "z"}, {"3": "x", "true": "y", "2.5": "z"}) == Holds()


def test_a_binding_is_seen_below_its_key_and_not_beside() -> None:
    """The order of keys must not decide; chainsaw leaves it to chance."""
    assert judged({"(a)->x": {"b": "($x.b)"}}, {"a": {"b": 1}}) == Holds()
    assert isinstance(judged({"(a)->x": 1, "b": "($x)"}, {"a": 1, "b": 1}), CannotEvaluate)


def test_an_index_equals_an_integer_of_an_object() -> None:
    """Also when it is strict: the comparison of trees looks at values."""
    tree = compile_tree({"~i.(a)": "($i)"})
    assert tree.judge({"a": [0, 1]}, Context(strict=True)) == Holds()
    assert tree.judge({"a": [0, 2]}, Context(strict=True)) != Holds()


@pytest.mark.parametrize(
    ("tree", "value", "vacuous"),
    [
        ({"~.(a)": 1}, {"a": []}, ("~.(a)",)),
        ({"~.a": {"b": 1}}, {"a": {}}, ("~.a",)),
        ({"(a[?b])": []}, {"a": [{}]}, ("(a[?b])",)),
        ({"~.(a[?b])": 1}, {"a": []}, ("~.(a[?b])", "~.(a[?b])")),
        ({"a": []}, {"a": []}, ()),
        ({"~.(a)": 1}, {"a": [1]}, ()),
    ],
)
def test_what_holds_because_there_was_nothing_to_look_at_is_named(
    tree: Any, value: Any, vacuous: tuple[str, ...]
) -> None:
    """An iteration over nothing, and a filter that let nothing through."""
    assert judged(tree, value) == Holds(vacuous)
