"""Shards: cells spread over jobs that take about equally long, by what the cells took before."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from harness.errors import UsageError
from harness.matrix.model import Cell

MOST_JOBS = 256  # of a matrix in GitHub Actions
RESULTS = "kwok-results.json"

_Key = tuple[str, str]  # recipe, deployer


@dataclass(frozen=True)
class Shard:
    """The cells of one job, in the order of the selection. `seconds` is what they are expected to take together."""

    number: int
    of: int
    cells: tuple[Cell, ...]
    seconds: float

    @property
    def name(self) -> str:
        return f"{self.number}/{self.of}"


def shards(cells: Sequence[Cell], count: int, known: Mapping[_Key, float] | None = None) -> tuple[Shard, ...]:
    """`count` shards, in which each cell is once; some are empty where there are fewer cells. The same for the same
    input on any machine, so each job can work out its own. `known` gives seconds by (recipe, deployer).

    Raises UsageError for a number of jobs that no matrix can have.
    """
    if not 1 <= count <= MOST_JOBS:
        raise UsageError(f"{count} shards: a matrix has from 1 to {MOST_JOBS} jobs", where="--shards")
    expected = _expected(cells, known or {})
    contents: list[list[int]] = [[] for _ in range(count)]
    loads = [0.0] * count
    # Longest first, each to the shard that has least so far: never more than 4/3 of the best there is.
    for position in sorted(range(len(cells)), key=lambda each: (-expected[each], cells[each].key)):
        least = min(range(count), key=lambda each: (loads[each], len(contents[each]), each))
        contents[least].append(position)
        loads[least] += expected[position]
    return tuple(
        Shard(number, count, tuple(cells[each] for each in sorted(content)), loads[number - 1])
        for number, content in enumerate(contents, start=1)
    )


def history(directories: Iterable[Path]) -> tuple[dict[_Key, float], list[str]]:
    """Seconds by (recipe, deployer): the median over the passed cells in the results of earlier sweeps below
    `directories`. And notes of what could not be used: durations are a help, nothing fails for want of them.
    """
    found: dict[_Key, list[float]] = {}
    notes: list[str] = []
    for directory in directories:
        files = sorted(directory.rglob(RESULTS)) if directory.is_dir() else []
        if not files:
            notes.append(f"no {RESULTS} below {directory}")
        for file in files:
            try:
                for key, seconds in _durations(json.loads(file.read_text(encoding="utf-8"))):
                    found.setdefault(key, []).append(seconds)
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                notes.append(
                    f"{file} is ignored, because it is not a result of a sweep: {type(error).__name__}: {error}"
                )
    return {key: median(seconds) for key, seconds in found.items()}, notes


def _durations(document: Any) -> Iterator[tuple[_Key, float]]:
    """From a CTRF report, whose durations are milliseconds; a cell that failed says nothing of how long it takes."""
    for test in document["results"]["tests"]:
        harness, recipe, deployer = test["name"].split("/")
        if harness == "kwok" and test["status"] == "passed":
            yield (recipe, deployer), max(float(test["duration"]) / 1000, 0.0)


def _expected(cells: Sequence[Cell], known: Mapping[_Key, float]) -> list[float]:
    """Seconds for each cell: its own, else the median of its lane, else of all, else the same for all."""
    lanes: dict[str, list[float]] = {}
    for (_, deployer), seconds in known.items():
        lanes.setdefault(deployer, []).append(seconds)
    fallback = median(known.values()) if known else 1.0
    medians = {deployer: median(seconds) for deployer, seconds in lanes.items()}
    return [known.get((cell.recipe, cell.deployer), medians.get(cell.deployer, fallback)) for cell in cells]
