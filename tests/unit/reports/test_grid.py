"""What every report says alike."""

from datetime import UTC, datetime

from harness.exits import Exit
from harness.reports.grid import problems
from harness.results.outcome import Cause, Outcome
from harness.results.results import CellResult, Results
from harness.verdict import CauseKind

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def failed(recipe: str, message: str) -> CellResult:
    cause = Cause(CauseKind.PULL, "OCIRepository flux-system/aicr-bundle", message)
    outcome = Outcome(*(recipe, "flux-oci", "id", "host", "c", NOW, 1.0, Exit.SYNC_DEADLINE, "late", ()), cause=cause)
    return CellResult(recipe, "flux-oci", outcome)


def test_one_cause_is_said_once_though_it_names_each_recipe() -> None:
    """What differs from cell to cell (recipe, port, digest) makes no second cause; another message does."""
    cells = (
        failed("eks", "localhost:5500/aicr/eks: no such tag"),
        failed("aks", "localhost:41234/aicr/aks: no such tag"),
        failed("eks-training", "refused"),
    )
    found = problems(Results("id", NOW, NOW, cells))
    assert [(each.message, [cell.recipe for cell in each.cells]) for each in found] == [
        ("localhost:5500/aicr/eks: no such tag", ["eks", "aks"]),
        ("refused", ["eks-training"]),
    ]
