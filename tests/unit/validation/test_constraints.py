"""Versions, expressions and paths of constraints, and what they come to on a snapshot."""

from typing import Any

import pytest

from harness.formats.versions import Version
from harness.recipes.expressions import Expression, ExpressionError
from harness.validation.constraints import ConstraintError, NotReady, Path, evaluate, require_ready
from tests.fakes.validation import cases, constraint, needs_validation_data, snapshot

TABLE = "constraint-truth-table.yaml"


def rows(key: str) -> list[Any]:
    found = cases(TABLE, key)
    reason = "the real validation data (../shared/aicr-validation) is not beside this clone"
    return found or [pytest.param({}, marks=pytest.mark.skip(reason=reason))]


@pytest.mark.parametrize("row", rows("versions"), ids=str)
def test_a_version_is_read_as_the_table_says(row: dict[str, Any]) -> None:
    """Parts, precision and extras; or the error."""
    if "error" in row:
        with pytest.raises(ValueError, match="version"):
            Version.parse(str(row["text"]))
        return
    found = Version.parse(row["text"])
    assert (list(found.parts), found.precision, found.extras) == (row["parts"], row["precision"], row["extras"])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty version"),
        ("v", "empty part"),
        ("1..2", "empty part"),
        ("1.b.3", "'b' in version '1.b.3' is not a number"),
        ("-1.2.3", "negative"),
        ("1.2.3.4", "more than three parts"),
        ("vv1.2", "not a number"),
        ("1.²", "not a number"),
        ("1.٣", "not a number"),
        ("1." + "9" * 5000, "not a number"),
    ],
)
def test_what_is_no_version_says_why(text: str, why: str) -> None:
    """Digits of other scripts and numbers that no program holds are no versions either."""
    with pytest.raises(ValueError, match=why):
        Version.parse(text)


@pytest.mark.parametrize("row", rows("parsed"), ids=str)
def test_an_expression_is_read_as_the_table_says(row: dict[str, Any]) -> None:
    """Operator, value, and whether it is compared as a version."""
    found = Expression.parse(row["expr"])
    assert (found.operator, found.value, found.version) == (row["op"], row["value"], row["version"])


@pytest.mark.parametrize("row", rows("parse_errors"), ids=str)
def test_an_expression_that_is_none_is_refused(row: dict[str, Any]) -> None:
    """With the sentence of the table."""
    with pytest.raises(ExpressionError, match=row["why"].partition(" prefix")[0].removeprefix("bare ")):
        Expression.parse(row["expr"])


@pytest.mark.parametrize("row", rows("evaluated"), ids=str)
def test_an_expression_comes_to_what_the_table_says(row: dict[str, Any]) -> None:
    """True, false or an error, which is never taken for false."""
    expression = Expression.parse(row["expr"])
    if row["want"] == "error":
        with pytest.raises(ExpressionError, match=row.get("why", "cannot parse actual version")):
            expression.holds(row["actual"])
    else:
        assert expression.holds(row["actual"]) is row["want"]


@pytest.mark.parametrize("value", ["= 1.2", "~= 1.2", "~1.2", "^1.2", "=ubuntu", "== =1.2", "!= ~1.2"])
def test_an_operator_that_is_none_is_an_error_and_not_a_text_that_differs(value: str) -> None:
    """`= 1.2`, compared as text, could only ever fail; the message names the operators."""
    with pytest.raises(ExpressionError, match="the operators are >= <= != == > <"):
        Expression.parse(value).holds(value)


@pytest.mark.parametrize("text", [">= 1.32.4", "== ubuntu", "ubuntu"])
def test_an_expression_is_written_with_one_blank(text: str) -> None:
    """`op value`; a value alone stands for itself."""
    assert str(Expression.parse(f"  {text.replace(' ', '  ')} ")) == text


@pytest.mark.parametrize("row", rows("paths"), ids=str)
def test_a_path_is_read_as_the_table_says(row: dict[str, Any]) -> None:
    """Type, subtype and key, whose dots it keeps; or an error."""
    if "error" in row:
        with pytest.raises(ConstraintError, match="INVALID_REQUEST"):
            Path.parse(row["path"])
        return
    assert Path.parse(row["path"]) == Path(row["type"], row["subtype"], row["key"])


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("", ">= 1", "[INVALID_REQUEST] invalid constraint path: [INVALID_REQUEST] constraint path cannot be empty"),
        ("K8s.server", ">= 1", "expected format {Type}.{Subtype}.{Key}"),
        ("k8s.server.version", ">= 1", "invalid measurement type in constraint path: 'k8s'"),
        ("OS.release.ID", "ubuntu", "[NOT_FOUND] value not found in snapshot: [NOT_FOUND] measurement type not found"),
        ("K8s.serve.version", ">= 1", "subtype not found in measurement: K8s.serve"),
        ("K8s.server.versoin", ">= 1", "key not found in subtype: K8s.server.versoin"),
        ("K8s.server.version", ">=", "[INVALID_REQUEST] invalid constraint expression"),
        ("K8s.server.version", ">= x", "[INVALID_REQUEST] evaluation failed: cannot parse expected version"),
    ],
)
def test_a_constraint_that_cannot_be_evaluated_does_not_pass(name: str, value: str, error: str) -> None:
    """It says how far it got, in the reference tool's form."""
    found = evaluate(constraint(name, value), snapshot(K8s__server={"version": "v1.34.0"}))
    assert not found.passed
    assert error in found.error
    assert str(found).startswith(f"readiness check could not evaluate: {name}")


def test_the_gate_passes_when_every_constraint_does() -> None:
    """It returns what was evaluated, with the readings."""
    found = require_ready(
        [constraint("K8s.server.version", ">= 1.30"), constraint("OS.release.ID", "ubuntu")],
        snapshot(K8s__server={"version": "v1.34.0"}, OS__release={"ID": "ubuntu"}),
    )
    assert [each.actual for each in found] == ["v1.34.0", "ubuntu"]


def test_the_gate_names_every_constraint_that_did_not_pass() -> None:
    """Not the first alone: what fails, what cannot be evaluated, and a warning, which softens nothing."""
    constraints = [
        constraint("K8s.server.version", ">= 1.40", remediation="Upgrade the cluster"),
        constraint("OS.release.ID", "ubuntu"),
        constraint("K8s.server.platform", "linux/arm64", severity="warning"),
        constraint("K8s.server.goVersion", "go1.24"),
    ]
    readings = {"version": "v1.34.0", "platform": "linux/amd64", "goVersion": "go1.24"}
    with pytest.raises(NotReady) as caught:
        require_ready(constraints, snapshot(K8s__server=readings))
    lines = str(caught.value).splitlines()
    assert lines[0] == "snapshot.yaml: 3 of 4 constraints did not pass:"
    failed = "readiness check failed: K8s.server.version expected >= 1.40, got v1.34.0. Upgrade the cluster"
    assert lines[1].strip() == failed
    assert "could not evaluate: OS.release.ID: [NOT_FOUND]" in lines[2]
    assert lines[3].strip() == "readiness check failed: K8s.server.platform expected linux/arm64, got linux/amd64"


def test_no_snapshot_although_there_are_constraints_is_no_pass() -> None:
    """Without constraints there is nothing to evaluate, and no snapshot is needed."""
    assert require_ready([], None) == ()
    with pytest.raises(NotReady, match=r"K8s.server.version.* no snapshot is given"):
        require_ready([constraint("K8s.server.version", ">= 1.30")], None)


@needs_validation_data
def test_the_table_has_rows() -> None:
    """None of the parametrized tests above passes because its part of the table is empty."""
    assert {key: len(cases(TABLE, key)) for key in ("parse_errors", "parsed", "evaluated", "versions", "paths")} == {
        "parse_errors": 5,
        "parsed": 11,
        "evaluated": 47,
        "versions": 15,
        "paths": 8,
    }
