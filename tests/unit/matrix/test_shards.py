"""Shards, the durations that balance them, and the matrix that a workflow gets."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import DataError, UsageError
from harness.matrix import github
from harness.matrix.model import Cell
from harness.matrix.shards import MOST_JOBS, history, shards

LANES = ("helm", "flux-oci")


def cells(count: int) -> list[Cell]:
    return [Cell(f"recipe-{number}", lane, "testable") for number in range(count) for lane in LANES]


durations = st.dictionaries(
    st.tuples(st.sampled_from([f"recipe-{number}" for number in range(12)]), st.sampled_from(LANES)),
    st.floats(min_value=0, max_value=600),
)


@settings(deadline=None)
@given(st.integers(0, 10), st.integers(1, 30), durations)
def test_each_cell_is_in_exactly_one_shard(recipes: int, count: int, known: dict[tuple[str, str], float]) -> None:
    """And in the order of the selection; whoever works it out comes to the same."""
    every = cells(recipes)
    found = shards(every, count, known)
    assert [part.name for part in found] == [f"{number}/{count}" for number in range(1, count + 1)]
    assert sorted(cell.key for part in found for cell in part.cells) == sorted(cell.key for cell in every)
    for part in found:
        assert [every.index(cell) for cell in part.cells] == sorted(every.index(cell) for cell in part.cells)
    assert shards(every, count, dict(reversed(known.items()))) == found


@settings(deadline=None)
@given(st.integers(1, 10), st.integers(1, 10), durations)
def test_no_shard_is_much_longer_than_the_best(recipes: int, count: int, known: dict[tuple[str, str], float]) -> None:
    """At most the mean and one cell more: the promise of taking the longest first."""
    found = shards(cells(recipes), count, known)
    longest = max(shards([cell], 1, known)[0].seconds for cell in cells(recipes))
    mean = sum(part.seconds for part in found) / count
    assert max(part.seconds for part in found) <= mean + longest + 1e-6


def test_the_longest_cells_are_placed_first() -> None:
    """100 s are a shard, and twice 50 s are the other, whatever their order in the selection."""
    known = {("short", "helm"): 50.0, ("other", "helm"): 50.0, ("long", "helm"): 100.0}
    first, second = shards([Cell(name, "helm", "") for name in ("short", "other", "long")], 2, known)
    assert [cell.recipe for cell in first.cells] == ["long"]
    assert [cell.recipe for cell in second.cells] == ["short", "other"]
    assert first.seconds == second.seconds == 100.0


def test_an_unknown_cell_takes_the_median_of_its_lane() -> None:
    """Else that of all cells, and where nothing is known all take the same."""
    known = {("a", "helm"): 10.0, ("b", "helm"): 30.0, ("c", "helm"): 20.0, ("a", "flux-oci"): 100.0}
    assert shards([Cell("new", "helm", "")], 1, known)[0].seconds == 20.0
    assert shards([Cell("new", "argocd-oci", "")], 1, known)[0].seconds == 25.0
    assert [part.seconds for part in shards(cells(2), 2)] == [2.0, 2.0]


@pytest.mark.parametrize("count", [0, -1, MOST_JOBS + 1])
def test_a_number_of_shards_that_no_matrix_has_is_a_usage_error(count: int) -> None:
    """GitHub refuses more than 256 jobs, and with them the whole workflow."""
    with pytest.raises(UsageError, match="from 1 to 256"):
        shards(cells(1), count)


def report(*tests: dict[str, Any]) -> str:
    return json.dumps({"results": {"tool": {"name": "kwok-harness"}, "tests": tests}})


def test_durations_are_the_medians_of_what_passed_before(tmp_path: Path) -> None:
    """From every kwok-results.json below the directories, in seconds; failures and other tests say nothing."""
    for run, milliseconds in enumerate((10_000, 90_000, 20_000)):
        (tmp_path / str(run)).mkdir()
        (tmp_path / str(run) / "kwok-results.json").write_text(
            report(
                {"name": "kwok/eks/helm", "status": "passed", "duration": milliseconds},
                {"name": "kwok/aks/helm", "status": "failed", "duration": 300_000},
            )
        )
    assert history([tmp_path]) == ({("eks", "helm"): 20.0}, [])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"results": {"tests": [{}]}}', report({"name": "other"}), "\udcff"])
def test_results_that_cannot_be_read_are_noted_and_left_out(tmp_path: Path, text: str) -> None:
    """A cache that was cut off makes shards uneven; it does not keep anybody from testing."""
    (tmp_path / "kwok-results.json").write_bytes(text.encode(errors="surrogateescape"))
    known, notes = history([tmp_path])
    assert known == {}
    assert len(notes) == 1
    assert "kwok-results.json" in notes[0]


def test_a_directory_without_results_is_noted(tmp_path: Path) -> None:
    """The first run of all has none; one that does not exist is like an empty one."""
    assert history([tmp_path / "none"]) == ({}, [f"no kwok-results.json below {tmp_path / 'none'}"])


def test_a_matrix_has_a_job_for_each_cell_or_for_each_shard_with_cells() -> None:
    """Both say `cells` alike, so that one step serves both."""
    assert github.of_cells(cells(1)) == {
        "include": [
            {"recipe": "recipe-0", "deployer": "helm", "cells": "recipe-0/helm"},
            {"recipe": "recipe-0", "deployer": "flux-oci", "cells": "recipe-0/flux-oci"},
        ]
    }
    assert github.of_shards(shards(cells(1), 1)) == {
        "include": [{"shard": "1/1", "cells": "recipe-0/helm recipe-0/flux-oci"}]
    }
    assert len(github.of_shards(shards(cells(1), 5))["include"]) == 2


def test_a_matrix_never_has_more_jobs_than_github_takes() -> None:
    """300 cells go to 256 shards, none of them longer than two cells."""
    with pytest.raises(ValueError, match="300 jobs"):
        github.of_cells(cells(150))
    found = github.of_shards(shards(cells(150), MOST_JOBS))["include"]
    assert len(found) == MOST_JOBS
    assert {len(entry["cells"].split()) for entry in found} == {1, 2}


@pytest.mark.parametrize("name", ["$(id)", "a b", "a;b", "-x", "ä", "a\nb", "`a`", ""])
def test_a_name_that_means_something_to_a_shell_is_refused(name: str) -> None:
    """Names come from files of a pull request, and workflows put them into command lines."""
    with pytest.raises(DataError, match="cannot go into the command line"):
        github.of_cells([Cell(name, "helm", "")])
