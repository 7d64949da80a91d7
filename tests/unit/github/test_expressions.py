"""The stand-in for GitHub's expressions: what the other tests of .github rest on."""

from typing import Any

import pytest

from tests.fakes.github_expressions import evaluate, filled, holds

CONTEXTS = {
    "steps": {"run": {"outputs": {"code": "0", "none": ""}}},
    "needs": {"a": {"result": "success"}, "b": {"result": "cancelled"}},
    "status": "failure",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("steps.run.outputs.code == '0'", True),
        ("steps.run.outputs.code != '0'", False),
        ("steps.gone.outputs.code == ''", True),
        ("steps.run.outputs.none || 'b'", "b"),
        ("!(steps.run.outputs.none) && 'x'", "x"),
        ("contains(needs.*.result, 'cancelled')", True),
        ("contains(needs.*.result, 'cancel')", False),
        ("contains('abc', 'B')", True),
        ("fromJSON('{\"a\":1}')", {"a": 1}),
        ("'it''s'", "it's"),
        ("always() && needs.a.result == 'success'", True),
    ],
)
def test_an_expression_has_a_value(text: str, value: Any) -> None:
    """As GitHub documents it: a missing name is empty, text compares without case, a list contains whole words."""
    assert evaluate(text, CONTEXTS) == value


def test_a_failure_keeps_later_steps_from_their_turn() -> None:
    """Unless they ask for it by a status function."""
    assert not holds(None, CONTEXTS)
    assert not holds("needs.a.result == 'success'", CONTEXTS)
    assert holds("always() && needs.a.result == 'success'", CONTEXTS)
    assert holds("${{ failure() }}", CONTEXTS)


def test_text_is_filled_in() -> None:
    """Several in one text; one alone keeps its type."""
    assert filled("${{ needs.a.result }}, ${{ needs.b.result }}", CONTEXTS) == "success, cancelled"
    assert filled("${{ needs.a.result == 'success' }}", CONTEXTS) is True


@pytest.mark.parametrize("text", ["format('a')", "a b", "'a' ? 1", "('a'"])
def test_what_is_not_spoken_is_an_error(text: str) -> None:
    """Rather than a guess."""
    with pytest.raises((ValueError, KeyError)):
        evaluate(text, CONTEXTS)
