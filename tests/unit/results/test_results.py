"""What a sweep ends with, and that its documents lose nothing."""

import json
from datetime import UTC, datetime

import pytest

from harness.exits import Exit
from harness.results.outcome import Cause, Outcome, Phase
from harness.results.results import CellResult, Results, Status
from harness.verdict import CauseKind

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def cell(code: Exit | None, *, skipped: bool = False) -> CellResult:
    if code is None:
        return CellResult("eks", "helm", skipped=skipped, reason="no time was left")
    return CellResult("eks", "helm", Outcome("eks", "helm", "id", "host", "c", NOW, 1.0, code, "why\nmore", ()))


def results(*cells: CellResult, stopped: Exit | None = None) -> Results:
    return Results("id", NOW, NOW, cells, stopped)


@pytest.mark.parametrize(
    ("cells", "stopped", "code"),
    [
        pytest.param([cell(Exit.OK), cell(None, skipped=True)], None, Exit.OK, id="passed and left out on purpose"),
        pytest.param([cell(Exit.OK), cell(Exit.SYNC_DEADLINE)], None, Exit.FAILURE, id="one failed"),
        pytest.param([cell(Exit.OK), cell(None)], None, Exit.FAILURE, id="one had no turn"),
        pytest.param([cell(Exit.OK), cell(Exit.INTERRUPTED)], None, Exit.FAILURE, id="one was ended"),
        pytest.param([cell(None, skipped=True)], None, Exit.FAILURE, id="nothing but left out"),
        pytest.param([], None, Exit.FAILURE, id="nothing at all"),
        pytest.param([cell(Exit.SYNC_DEADLINE)], Exit.SYNC_DEADLINE, Exit.SYNC_DEADLINE, id="three strikes"),
        pytest.param([cell(Exit.OK), cell(None)], Exit.TERMINATED, Exit.TERMINATED, id="a signal"),
    ],
)
def test_a_sweep_is_green_only_where_every_cell_passed(
    cells: list[CellResult], stopped: Exit | None, code: Exit
) -> None:
    """At least one pass, and nothing that was asked for and has none."""
    assert results(*cells, stopped=stopped).exit is code


@pytest.mark.parametrize(
    ("made", "status"),
    [
        (cell(Exit.OK), Status.PASSED),
        (cell(Exit.FAILURE), Status.FAILED),
        (cell(Exit.ARGOCD_SECRET), Status.FAILED),
        (cell(Exit.INTERRUPTED), Status.INTERRUPTED),
        (cell(Exit.TERMINATED), Status.INTERRUPTED),
        (cell(None), Status.NOT_RUN),
        (cell(None, skipped=True), Status.SKIPPED),
    ],
)
def test_a_cell_has_one_status(made: CellResult, status: Status) -> None:
    """It follows from the outcome's code, or from why there is none."""
    assert made.status is status
    assert results(made).counted() == {each: int(each is status) for each in Status}


def test_why_is_one_line() -> None:
    """The outcome's first line, or why the cell had no turn."""
    assert cell(Exit.FAILURE).why == "why"
    assert cell(None).why == "no time was left"


def test_a_document_gives_the_cell_back() -> None:
    """What a report reads is what the sweep knew, through JSON."""
    outcome = Outcome(
        *("eks", "flux-oci", "id", "host", "c", NOW, 12.5, Exit.FAILURE, "why"),
        phases=(Phase("sync", 3.5, "failed", "late", 2.0),),
        notes=("a note",),
        evidence="somewhere",
        facts={"digest": "sha256:0"},
        cause=Cause(CauseKind.PULL, "flux-system/aicr-bundle", "no such tag"),
    )
    for made in (CellResult("eks", "flux-oci", outcome, flaky=True), cell(None, skipped=True)):
        assert CellResult.read(json.loads(json.dumps(made.document()))) == made
