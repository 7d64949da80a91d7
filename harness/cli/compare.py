"""`compare`: what broke, what got fixed and what got slower between two runs."""

from pathlib import Path

import click

from harness import reports
from harness.cli.context import Context, as_json, earlier
from harness.exits import Exit
from harness.results.compare import ENOUGH, UNKNOWN, UNKNOWN_SHARE, Comparison, Pace, compare
from harness.results.critical_path import Whose
from harness.results.results import CellResult, Results
from harness.results.same_cause import same_causes

path = click.Path(exists=True, path_type=Path)


@click.command(name="compare")
@click.argument("old", type=path)
@click.argument("new", type=path)
@earlier
@as_json
@click.pass_obj
def command(context: Context, old: Path, new: Path, history: tuple[Path, ...], as_json: bool) -> Exit:
    """List what broke, was fixed or became slower from OLD to NEW, each a kwok-results.json or a directory.

    Exit code 1 when a cell that passed does not pass any more, when a cell has no verdict where it had one, or when the
    two have no verdict in common; else 0, also for what got slower.
    """
    before, now = _read(context, "OLD", old), _read(context, "NEW", new)
    found = compare(before, now, context.history(history))
    if as_json:
        context.data(found.document())
    else:
        _tell(context, found, before)
    return Exit.FAILURE if found.worse else Exit.OK


def _read(context: Context, name: str, place: Path) -> Results:
    """One run, of as many shards as it had. Raises DataError."""
    merged = reports.merge([place])
    for remark in (*merged.remarks, merged.results.reason):
        if remark:
            context.console.note(f"{name} {place}: {remark}")
    return merged.results


def _tell(context: Context, found: Comparison, old: Results) -> None:
    before = {cell.name: cell.status.value for cell in old.cells}
    rows: list[tuple[str, ...]] = [
        (change, cell.name, before.get(cell.name, "not there"), _now(cell))
        for change in ("broke", "lost", "fixed", "appeared")
        for cell in getattr(found, change)
    ]
    rows += [("vanished", cell.name, cell.status.value, "not there") for cell in found.vanished]
    rows += [
        (change, pace.cell.name, f"{pace.usual:.1f} s", _took(pace), *_shares(pace))
        for change in ("slower", "faster")
        for pace in getattr(found, change)
    ]
    told = {row[1] for row in rows}
    rows += [
        ("flaky", cell.name, before.get(cell.name, "not there"), _now(cell))
        for cell in found.flaky
        if cell.name not in told
    ]
    if rows:
        headings = ("change", "cell", "before", "now", *(whose.value for whose in Whose))
        width = max(map(len, rows))  # without the shares where none is known
        context.console.table(headings[:width], [row + ("",) * (width - len(row)) for row in rows])
    for group in same_causes((*found.broke, *found.appeared)):
        context.console.text(
            f"{group.cause.kind}: {': '.join(filter(None, (group.cause.subject, group.cause.message)))}"
        )
        context.console.text(f"  in {', '.join(cell.name for cell in group.cells)}")
    if found.too_little_history:
        context.console.text(
            f"cells with fewer than {ENOUGH} earlier passes, so of unknown noise: {found.too_little_history}"
            f" (held against OLD alone; less than {UNKNOWN:g} s or {UNKNOWN_SHARE * 100:g} % is no difference)"
        )
    context.console.text(_summary(found))


def _now(cell: CellResult) -> str:
    return f"{cell.status.value}{', flaky' if cell.flaky else ''}"


def _took(pace: Pace) -> str:
    """The time, and where it went: "72.9 s (sync +31.0 s)"."""
    phases = ", ".join(f"{name} {change:+.1f} s" for name, change in pace.phases[:3])
    return f"{pace.seconds:.1f} s" + (f" ({phases})" if phases else "")


def _shares(pace: Pace) -> tuple[str, ...]:
    """Whose the time on the critical path was: "11.9 s (+1.2 s)"; nothing where it is not known."""
    return tuple(f"{seconds:.1f} s ({seconds - usual:+.1f} s)" for _, seconds, usual in pace.shares)


def _summary(found: Comparison) -> str:
    if not found.compared:
        return "WORSE: nothing was compared, no cell passed or failed in both"
    names = ("broke", "lost", "fixed", "slower", "faster", "appeared", "vanished", "flaky")
    counts = [f"{len(getattr(found, name))} {name}" for name in names if getattr(found, name)]
    verdict = "WORSE" if found.worse else "not worse"
    return f"{verdict}: of {found.compared} cells with a verdict in both, {', '.join(counts) or 'none changed'}"
