"""GitHub annotations: an error per cause, at the overlay of the first recipe that it hit."""

from collections.abc import Callable

from harness.reports.grid import Problem, problems
from harness.reports.plain import plain
from harness.results.results import Results

MOST = 10  # errors that GitHub keeps of a step


def annotations(results: Results, overlay: Callable[[str], str]) -> list[str]:
    """Workflow commands, one line each. `overlay` gives a recipe's file, as seen from the workspace, or nothing."""
    found = problems(results)
    lines = [_error(problem, overlay) for problem in found]
    if not found and results.exit:
        lines.append(_command("kwok-harness", results.reason or "nothing passed"))
    if len(lines) > MOST:
        more = len(lines) - MOST + 1
        lines[MOST - 1 :] = [_command("more causes", f"{more} more causes are in the step summary and in the report")]
    return lines


def _error(problem: Problem, overlay: Callable[[str], str]) -> str:
    first, count = problem.cells[0], len(problem.cells)
    kind = problem.cause.kind.value if problem.cause else problem.status.value
    title = f"{first.name} {problem.status.value}" if count == 1 else f"{count} cells {problem.status.value}: {kind}"
    subject = f"{problem.cause.subject}: " if problem.cause and problem.cause.subject else ""
    cells = "" if count == 1 else f"\n{', '.join(cell.name for cell in problem.cells)}"
    return _command(title, f"{subject}{problem.message or problem.status.value}{cells}", overlay(first.recipe))


def _command(title: str, message: str, file: str = "") -> str:
    place = f"file={_property(file)}," if file else ""
    return f"::error {place}title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return plain(text).strip().replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
