"""The corpus beside the project: trees and expressions whose outcome in chainsaw was told from its source.

Where the corpus and chainsaw v0.2.15 disagree, docs/conformance.md says why; those cases are named here.
"""

from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from harness.assertions.errors import EvaluationFailed, ExpressionInvalid, TreeInvalid
from harness.assertions.expressions.context import Context, Scope
from harness.assertions.expressions.evaluate import compile_expression
from harness.assertions.outcome import CannotEvaluate, Holds, NotYet
from harness.assertions.tree import compile_tree

SUITES = Path(__file__).parents[4] / "shared" / "suites"
pytestmark = pytest.mark.skipif(not SUITES.is_dir(), reason="the corpus is not there: ../shared/suites")


def corpus(file: str, key: str) -> list[Any]:
    path = SUITES / "chainsaw" / file
    return list(yaml.safe_load(path.read_text())[key]) if path.is_file() else []


CASES = corpus("trees/cases.yaml", "cases")
EXAMPLES = corpus("jp/examples.yaml", "examples")
# Functions that take a cluster, the time or chance have no result without them; the orders of keys and values are free.
NO_RESULT = ("no result stated", "needs a cluster", "either")
VALUES_DECIDE = "== compares"


def judged(case: dict[str, Any], *, strict: bool) -> str:
    try:
        tree = compile_tree(case["tree"])
    except TreeInvalid:
        return "invalid"
    outcome = tree.judge(case["value"], Context(bindings=case.get("bindings", {}), strict=strict))
    match outcome:
        case Holds():
            return "pass"
        case NotYet():
            for expected in case.get("errors", []):
                # Kubernetes 1.36 prints null without quotes.
                assert any(expected.replace('"null"', "null") in str(mismatch) for mismatch in outcome.mismatches)
            return "mismatch"
        case CannotEvaluate():
            return "error"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_tree_has_the_outcome_of_chainsaw(case: dict[str, Any]) -> None:
    """Holds, mismatch, error or refused, and the lines of the mismatches; with Go's types where it says so."""
    assert judged(case, strict=True) == case["expect"]
    if not case.get("literal_int"):
        assert judged(case, strict=False) == case["expect"]


@pytest.mark.parametrize("case", [case for case in CASES if case.get("literal_int")], ids=lambda case: case["name"])
def test_values_decide_where_go_compares_types(case: dict[str, Any]) -> None:
    """Unless it is strict, an integer of an object equals a literal of the same value."""
    assert judged(case, strict=False) == ("mismatch" if case["expect"] == "pass" else "pass")


def result_of(expression: str, *, strict: bool) -> str:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    context = Context({}, {"MY_ENV_VAR": "foo"}, now, Random(1).randrange, strict)
    try:
        value = compile_expression(expression)(None, Scope.of(context))
    except (EvaluationFailed, ExpressionInvalid):
        return "error"
    return str(value).lower()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["expression"][:60])
def test_an_expression_of_the_documentation_has_the_result_of_the_source(example: dict[str, str]) -> None:
    """True where the documentation says so and the source agrees, else what the source says."""
    stated = example.get("by_source", example.get("documented", "true"))
    # Whole numbers of parse_json() are integers, so that == with a literal is false in chainsaw.
    integers = example["function"] == "parse_json" and (
        "[1,2,3]" in example["expression"] or "items" in example["expression"]
    )
    strict = "false" if integers else stated.partition(":")[0].partition(" ")[0]
    loose = "true" if integers or VALUES_DECIDE in stated or stated == "false: as above" else strict
    if stated.startswith(NO_RESULT):
        assert result_of(example["expression"], strict=False) != "null"
    else:
        assert result_of(example["expression"], strict=True) == strict
        assert result_of(example["expression"], strict=False) == loose


@pytest.mark.parametrize(("name", "entries"), [("cases", CASES), ("examples", EXAMPLES)])
def test_the_whole_corpus_is_read(name: str, entries: list[Any]) -> None:
    """108 trees and 203 expressions."""
    assert len(entries) == {"cases": 108, "examples": 203}[name]
