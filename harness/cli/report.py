"""`report`: one report out of the results of one run or of many jobs."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from harness import reports
from harness.cli.context import Context, as_json, earlier
from harness.errors import HarnessError, UsageError
from harness.exits import Exit
from harness.matrix import github
from harness.reports import ctrf
from harness.results.history import mark_flaky


@click.command()
@click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("kwok-report"),
    show_default=True,
    help="Where the merged reports are written.",
)
@click.option(
    "--matrix",
    "matrices",
    metavar="JSON",
    multiple=True,
    help="What `matrix --format github` has printed: each of these cells must be there. Empty is none.",
)
@earlier
@as_json
@click.pass_obj
def report(
    context: Context,
    directories: tuple[Path, ...],
    output: Path,
    matrices: tuple[str, ...],
    history: tuple[Path, ...],
    as_json: bool,
) -> Exit:
    """Merge the results below each DIR (one matrix, many jobs) and write every report of the whole.

    Ends as the whole does: what is missing, was stopped or has not passed is not green.
    """
    expected = [cell for text in matrices for cell in _cells(text)]
    merged = reports.merge(directories, leave_out=output.resolve(), expected=expected)
    results = mark_flaky(merged.results, context.history(history))
    troubles = reports.write(results, output)
    troubles += reports.announce(results, overlays(context), os.environ, sys.stderr)
    if as_json:
        context.data(ctrf.document(results))
    else:
        context.console.results(results)
        context.console.text(f"reports: {output}")
    for remark in (*merged.remarks, *troubles):
        context.console.note(remark)
    return results.exit or (Exit.FAILURE if troubles else Exit.OK)


def _cells(matrix: str) -> list[tuple[str, str]]:
    if not matrix:
        return []
    try:
        return github.cells(json.loads(matrix))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError("it is not what `matrix --format github` prints", where="--matrix") from error


def overlays(context: Context) -> Callable[[str], Path | None]:
    """A recipe's file by its name, for annotations; None where this machine has no such recipe, or no data at all."""
    try:
        known = context.catalog.overlays
    except HarnessError:
        known = {}
    return lambda recipe: known[recipe].file if recipe in known else None
