"""What earlier runs say of a cell: whether the same thing was seen to pass and to fail.

What was tested is told by a digest among the outcome's facts: `bundle`, the content of the recipe's bundle, in every
lane. The `digest` of what was pushed would tell runs apart that test the same, since the artifact names the registry
and its port; it counts only where there is no other. Settings and the harness itself are part of neither. A verdict is
never taken back for what history says; it is only marked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.results.outcome import Outcome
from harness.results.results import CellResult, Results, Status

_IDENTITY = ("bundle", "digest")  # the first that both outcomes have
_VERDICTS = (Status.PASSED, Status.FAILED)


def mark_flaky(results: Results, history: Iterable[Results]) -> Results:
    """`results` with those cells marked of which the same digest passed and failed, over `history` and now."""
    past = list(history)
    cells = (replace(cell, flaky=cell.flaky or _unsteady(cell, verdicts(cell.name, past))) for cell in results.cells)
    return replace(results, cells=tuple(cells))


def verdicts(name: str, runs: Iterable[Results]) -> list[tuple[CellResult, Outcome]]:
    """What became of a cell wherever it passed or failed, in the order of the runs, each of them once."""
    found: dict[tuple[str, str], tuple[CellResult, Outcome]] = {}
    for run in runs:
        for cell in run.cells:
            if cell.name == name and cell.outcome is not None and cell.status in _VERDICTS:
                # What was copied, or merged from shards, is in the history more than once.
                began = cell.outcome.started.isoformat(timespec="milliseconds")
                found.setdefault((cell.outcome.run_id, began), (cell, cell.outcome))
    return list(found.values())


def same_thing(one: Outcome, other: Outcome) -> bool:
    """Whether both are known to be of the same content."""
    shared = next((name for name in _IDENTITY if name in one.facts and name in other.facts), None)
    return shared is not None and bool(one.facts[shared] == other.facts[shared])


def settled(attempts: Sequence[Outcome]) -> CellResult:
    """What the attempts at one cell come to, at least one, in their order.

    A cell that fails and then passes is flaky: it counts as passed, marked, and with a note for each failure. One that
    always fails counts as it failed first. An attempt that somebody ended says nothing, unless there is no other.
    """
    spoken = [(number, each) for number, each in enumerate(attempts, 1) if _cell(each).status in _VERDICTS]
    failed = [(number, each) for number, each in spoken if not each.passed]
    outcome = next((each for _, each in spoken if each.passed), spoken[0][1] if spoken else attempts[0])
    notes = [_told(number, len(attempts), each) for number, each in failed if each is not outcome]
    return replace(_cell(replace(outcome, notes=(*outcome.notes, *notes))), flaky=outcome.passed and bool(failed))


def _cell(outcome: Outcome) -> CellResult:
    return CellResult(outcome.recipe, outcome.deployer, outcome)


def _told(number: int, of: int, failed: Outcome) -> str:
    said = failed.reason.partition("\n")[0]
    if failed.cause:
        said = ": ".join(filter(None, (failed.cause.kind.value, failed.cause.subject, failed.cause.message)))
    return f"attempt {number} of {of} failed: {said}" + (f" (evidence: {failed.evidence})" if failed.evidence else "")


def _unsteady(cell: CellResult, past: Sequence[tuple[CellResult, Outcome]]) -> bool:
    now = cell.outcome
    if now is None or cell.status not in _VERDICTS:
        return False
    return any(same_thing(then, now) and (before.flaky or then.passed != now.passed) for before, then in past)
