"""Reads results again, and makes one of the results of many jobs. Nothing that is missing turns green by it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import DataError
from harness.exits import Exit
from harness.reports import ctrf
from harness.reports.writing import RESULTS_FILE
from harness.results.results import CellResult, Results


@dataclass(frozen=True)
class Merged:
    """One run out of many jobs; `remarks` says, a sentence each, what was in doubt and how it was taken."""

    results: Results
    remarks: Sequence[str]


def read(file: Path) -> Results:
    """The results in a kwok-results.json. Raises DataError.

    Evidence that is not where it was written but beside the file, as in a downloaded artifact, is found there.
    """
    try:
        found = ctrf.read(json.loads(file.read_bytes()))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(file)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"is not a results file of kwok-harness: {type(error).__name__}: {error}", where=str(file)
        ) from error
    return replace(found, cells=tuple(_with_evidence(cell, file.parent) for cell in found.cells))


def history(directories: Iterable[Path]) -> tuple[list[Results], list[str]]:
    """Every run at or below the directories, in the order of their beginnings, and what could not be read."""
    runs, problems = [], []
    for file in _files(directories, None):
        try:
            runs.append(read(file))
        except DataError as error:
            problems.append(f"left out of the history: {error}")
    return sorted(runs, key=lambda run: run.started), problems


def merge(
    directories: Iterable[Path], *, leave_out: Path | None = None, expected: Iterable[tuple[str, str]] = ()
) -> Merged:
    """One Results of all kwok-results.json at or below `directories`, but for those below `leave_out`.

    A cell of `expected`, (recipe, lane), that is in none of them is in the whole as not run.
    Of a cell that is in several files the one whose run ended last is taken, unless it has no outcome there. A shard
    that is missing, a file that cannot be read, and a job that was stopped and not repeated leave the whole stopped,
    so not green. Raises DataError where there is nothing to read.
    """
    files = _files(directories, leave_out)
    runs: dict[Path, Results] = {}
    reasons: list[str] = []  # why the whole is not green whatever the cells say
    for file in files:
        try:
            runs[file] = read(file)
        except DataError as error:
            reasons.append(str(error))
    if not runs:
        raise DataError("; ".join(reasons), do="give directories that hold results which `kwok-harness` has written")
    runs = dict(sorted(runs.items(), key=lambda item: item[1].ended))
    taken, remarks = _cells(runs)
    stopped = [(file, run) for file, run in runs.items() if run.stopped is not None and _stands(file, runs, taken)]
    reasons += _missing(run.shard for run in runs.values())
    reasons += [": ".join(filter(None, (_title(file, run), run.reason or "stopped"))) for file, run in stopped]
    names = list(dict.fromkeys(run.run_id for run in runs.values()))
    if len(names) > 1:
        remarks.append(f"the results are of {len(names)} runs: {', '.join(names)}")
    order = dict.fromkeys(cell.name for run in _by_shard(runs.values()) for cell in run.cells)
    absent = [CellResult(*cell, reason="its job wrote no results") for cell in dict.fromkeys(expected)]
    merged = Results(
        run_id=names[-1],
        started=min(run.started for run in runs.values()),
        ended=max(run.ended for run in runs.values()),
        cells=(*(taken[name][1] for name in order), *(cell for cell in absent if cell.name not in taken)),
        stopped=next((run.stopped for _, run in stopped), None) or (Exit.FAILURE if reasons else None),
        reason="; ".join(reasons),
    )
    return Merged(merged, tuple(remarks))


def _files(directories: Iterable[Path], leave_out: Path | None) -> list[Path]:
    found: dict[Path, None] = {}
    for place in directories:
        below = [place] if place.is_file() else sorted(place.rglob(RESULTS_FILE))
        kept = [file.resolve() for file in below if not leave_out or not file.resolve().is_relative_to(leave_out)]
        if not kept:
            raise DataError(f"no {RESULTS_FILE} at or below it", where=str(place))
        found.update(dict.fromkeys(kept))
    return list(found)


def _cells(runs: dict[Path, Results]) -> tuple[dict[str, tuple[Path, CellResult]], list[str]]:
    """For each cell the file it is taken from and what it says there; `runs` is in the order in which they ended."""
    taken: dict[str, tuple[Path, CellResult]] = {}
    remarks = []
    for file, run in runs.items():
        for cell in run.cells:
            if cell.name not in taken:
                taken[cell.name] = file, cell
                continue
            before, other = taken[cell.name]
            if cell.outcome is not None or other.outcome is None:
                taken[cell.name] = file, cell
            chosen = taken[cell.name][0]
            remarks.append(
                f"{cell.name} {other.status.value} in {before} and {cell.status.value} in {file}: {chosen} counts"
            )
    return taken, remarks


def _stands(file: Path, runs: dict[Path, Results], taken: dict[str, tuple[Path, CellResult]]) -> bool:
    """Whether nobody repeated the job that was stopped, later: its shard, or every one of its cells."""
    run = runs[file]
    later = list(runs)[list(runs).index(file) + 1 :]
    if run.shard and any(runs[other].shard == run.shard for other in later):
        return False
    return not run.cells or any(taken[cell.name][0] not in later for cell in run.cells)


def _missing(shards: Iterable[str]) -> list[str]:
    """A sentence per set of shards of which some never reported."""
    seen: dict[int, set[int]] = {}
    for shard in filter(None, shards):
        one, _, all_of_them = shard.partition("/")
        seen.setdefault(int(all_of_them), set()).add(int(one))
    reasons = []
    for total, numbers in sorted(seen.items()):
        if absent := [f"{number}/{total}" for number in range(1, total + 1) if number not in numbers]:
            have = "has" if len(absent) == 1 else "have"
            shard = "shard" if len(absent) == 1 else "shards"
            reasons.append(f"{shard} {', '.join(absent)} {have} no results")
    return reasons


def _by_shard(runs: Iterable[Results]) -> list[Results]:
    return sorted(runs, key=lambda run: [int(part) for part in run.shard.split("/")] if run.shard else [])


def _title(file: Path, run: Results) -> str:
    return f"shard {run.shard}" if run.shard else str(file.parent)


def _with_evidence(cell: CellResult, directory: Path) -> CellResult:
    if cell.outcome is None or not cell.outcome.evidence or Path(cell.outcome.evidence).is_dir():
        return cell
    beside = directory / Path(cell.outcome.evidence).name
    return replace(cell, outcome=replace(cell.outcome, evidence=str(beside))) if beside.is_dir() else cell
