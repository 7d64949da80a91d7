"""What every report shows alike: the recipes × lanes grid, the verdict in a sentence, and each cause once."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.results.outcome import Cause
from harness.results.results import CellResult, Results, Status
from harness.results.same_cause import likeness
from harness.verdict import CauseKind

SYMBOLS = {
    Status.PASSED: "✓",
    Status.FAILED: "✗",
    Status.INTERRUPTED: "◼",
    Status.SKIPPED: "–",
    Status.NOT_RUN: "○",
}
NOT_THE_RECIPE = (CauseKind.INFRASTRUCTURE, CauseKind.HARNESS)  # nothing is known about the recipe


@dataclass(frozen=True)
class Grid:
    """`rows` in the order in which recipes were first asked for; each has a cell, or None, per lane."""

    lanes: Sequence[str]
    rows: Sequence[tuple[str, Sequence[CellResult | None]]]


@dataclass(frozen=True)
class Problem:
    """Cells that ended alike, in their order: one first cause as the first of them tells it (None where none is known),
    or one sentence.
    """

    status: Status
    cause: Cause | None
    message: str
    cells: Sequence[CellResult]


def grid(results: Results) -> Grid:
    cells = {(cell.recipe, cell.deployer): cell for cell in results.cells}
    lanes = list(dict.fromkeys(cell.deployer for cell in results.cells))
    recipes = dict.fromkeys(cell.recipe for cell in results.cells)
    return Grid(lanes, [(recipe, [cells.get((recipe, lane)) for lane in lanes]) for recipe in recipes])


def problems(results: Results) -> list[Problem]:
    """What keeps the results from being green: the failures that most cells share first, then what did not end."""
    grouped: dict[tuple[Status, Cause | str], list[CellResult]] = {}
    for cell in results.cells:
        if cell.status not in (Status.PASSED, Status.SKIPPED):
            cause = _cause(cell)
            grouped.setdefault((cell.status, likeness(cause, cell.recipe) if cause else cell.why), []).append(cell)
    found = []
    for (status, _), cells in grouped.items():
        cause = _cause(cells[0])
        found.append(Problem(status, cause, cause.message if cause else cells[0].why, cells))
    order = list(Status)
    return sorted(found, key=lambda problem: (order.index(problem.status), -len(problem.cells)))


def _cause(cell: CellResult) -> Cause | None:
    return cell.outcome.cause if cell.outcome else None


def counts(results: Results) -> str:
    """How many cells of each status there are, without those of which there is none."""
    counted = ", ".join(f"{number} {status.value}" for status, number in results.counted().items() if number)
    return f"{len(results.cells)} cell{'s' * (len(results.cells) != 1)}: {counted or 'no cell was selected'}"


def verdict(results: Results) -> str:
    return "PASSED" if results.exit == 0 else "FAILED"


def lasted(seconds: float) -> str:
    """Seconds for a reader: 4.2 s, 3 min 05 s, 1 h 02 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
