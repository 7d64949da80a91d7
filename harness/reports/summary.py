"""The GitHub step summary: verdict, causes, grid, and each failure in full, in Markdown.

HTML elements instead of Markdown's own wherever text comes from elsewhere: it is escaped once and cannot break out.
"""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from harness.excerpts import first_line, some
from harness.reports.grid import SYMBOLS, Problem, counts, grid, lasted, problems, verdict
from harness.reports.plain import plain
from harness.results.results import CellResult, Results, Status

LIMIT = 1024 * 1024  # bytes; of a larger summary GitHub shows nothing at all
_REASON = 4000  # characters of a reason; what is longer is in the report and in the evidence
_NAMED = 12  # cells that a cause names


def document(results: Results, limit: int = LIMIT) -> str:
    """The summary, of at most `limit` bytes."""
    return fitting(_parts(results), limit)


def fitting(written: Iterable[str], limit: int) -> str:
    """The parts, of at most `limit` bytes: what comes last is left out first, and that is said."""
    kept: list[str] = []
    room = limit - 200  # for the sentence that something is missing
    parts = list(written)
    for number, part in enumerate(parts):
        room -= len(part.encode(errors="replace"))
        if room < 0:
            kept.append(f"\n{len(parts) - number} more parts are left out here: a step summary holds no more.\n")
            break
        kept.append(part)
    return "".join(kept)


def _parts(results: Results) -> Iterator[str]:
    mark = SYMBOLS[Status.PASSED if verdict(results) == "PASSED" else Status.FAILED]
    yield f"## {mark} {verdict(results)}: {counts(results)}\n\n"
    shard = f", shard {results.shard}" if results.shard else ""
    took = lasted((results.ended - results.started).total_seconds())
    yield f"<p>Run {_text(results.run_id + shard)}, {took}, exit code {int(results.exit)}.</p>\n\n"
    if results.reason:
        yield f"<p><b>{_text(results.reason)}</b></p>\n\n"
    if found := problems(results):
        yield "<ul>\n" + "".join(map(_problem, found)) + "</ul>\n\n"
    yield _table(results)
    yield from (_detail(cell) for cell in results.cells if cell.status in (Status.FAILED, Status.INTERRUPTED))


def _problem(problem: Problem) -> str:
    named = some([f"{cell.recipe} under {cell.deployer}" for cell in problem.cells], _NAMED)
    kind = f"{problem.status.value}, {problem.cause.kind.value}" if problem.cause else problem.status.value
    subject = f" <code>{_text(problem.cause.subject)}</code>" if problem.cause and problem.cause.subject else ""
    message = _text(first_line(problem.message))
    return f"<li><b>{_text(kind)}</b>{subject}: {message}<br>{_text(named)}</li>\n"


def _table(results: Results) -> str:
    made = grid(results)
    head = "".join(f"<th>{_text(lane)}</th>" for lane in made.lanes)
    rows = "".join(
        f"<tr><th align=left>{_text(recipe)}</th>{''.join(map(_cell, cells))}</tr>\n" for recipe, cells in made.rows
    )
    return f"<table>\n<tr><th align=left>recipe</th>{head}</tr>\n{rows}</table>\n\n" if made.rows else ""


def _cell(cell: CellResult | None) -> str:
    if cell is None:
        return "<td></td>"
    seconds = f" {lasted(cell.outcome.seconds)}" if cell.outcome else ""
    flaky = ", flaky" if cell.flaky else ""
    return f"<td>{SYMBOLS[cell.status]} {cell.status.value}{seconds}{flaky}</td>"


def _detail(cell: CellResult) -> str:
    assert cell.outcome is not None  # noqa: S101 - that is what these statuses mean
    reason = plain(cell.outcome.reason)
    cut = "" if len(reason) <= _REASON else "\n[…]"
    lines: Sequence[str] = [
        f"<details><summary>{SYMBOLS[cell.status]} {_text(cell.name)}: {_text(cell.why)}</summary>\n",
        f"<pre>\n{escape(reason[:_REASON])}{cut}\n</pre>\n",
        *(f"<p>note: {_text(note)}</p>\n" for note in cell.outcome.notes),
        *([f"<p>evidence: <code>{_text(cell.outcome.evidence)}</code></p>\n"] if cell.outcome.evidence else []),
        "</details>\n\n",
    ]
    return "\n".join(lines)


def _text(text: str) -> str:
    """One line of escaped text."""
    return escape(" ".join(plain(text).split()))
