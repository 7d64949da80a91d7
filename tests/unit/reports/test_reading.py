"""Merging: one run in many jobs is one result, and what is missing never turns green."""

from pathlib import Path

import pytest

from harness import reports
from harness.errors import DataError
from harness.exits import Exit
from harness.reports import Merged
from harness.results.outcome import Cause
from harness.results.results import CellResult, Results, Status
from harness.verdict import CauseKind
from tests.fakes.results import NOW, cell, failed, not_run, skipped, sweep

CAUSE = Cause(CauseKind.PULL, "", "unauthorized")


def merged(place: Path, *runs: Results, leave_out: Path | None = None) -> Merged:
    """What is made of these, written to job-0, job-1, ... below `place`."""
    for number, run in enumerate(runs):
        assert reports.write(run, place / f"job-{number}") == ()
    return reports.merge([place], leave_out=leave_out)


def statuses(results: Results) -> dict[str, Status]:
    return {each.name: each.status for each in results.cells}


def test_shards_become_one(tmp_path: Path) -> None:
    """Cells in the order of the shards; begun with the first and ended with the last; nothing in doubt."""
    one, two = (
        sweep(cell(recipe="a"), shard="1/2", minutes=9),
        sweep(cell(recipe="b"), skipped("c"), shard="2/2", minutes=3),
    )
    result = merged(tmp_path, two, one)
    assert list(statuses(result.results)) == ["kwok/a/helm", "kwok/b/helm", "kwok/c/helm"]
    assert (result.results.started, result.results.ended) == (NOW, one.ended)
    assert (result.results.run_id, result.results.exit, result.remarks) == ("run", Exit.OK, ())


def test_a_shard_that_never_reported_is_named_and_not_green(tmp_path: Path) -> None:
    """However good the others are."""
    shards = [sweep(cell(recipe=f"r{number}"), shard=f"{number}/5") for number in (1, 4)]
    result = merged(tmp_path, *shards).results
    assert result.exit is Exit.FAILURE
    assert result.reason == "shards 2/5, 3/5, 5/5 have no results"


def test_a_file_that_cannot_be_read_is_named_and_not_green(tmp_path: Path) -> None:
    """Half a file, from a job that was killed by force, say."""
    reports.write(sweep(cell()), tmp_path / "good")
    broken = tmp_path / "broken" / "kwok-results.json"
    broken.parent.mkdir()
    broken.write_text('{"reportFormat": "CTRF", "res')
    result = reports.merge([tmp_path]).results
    assert result.exit is Exit.FAILURE
    assert str(broken) in result.reason


def test_of_a_cell_that_is_there_twice_the_later_counts(tmp_path: Path) -> None:
    """Somebody ran it again; both are told."""
    result = merged(tmp_path, sweep(cell(), minutes=9), sweep(failed(CAUSE), minutes=3))
    assert statuses(result.results) == {"kwok/eks/helm": Status.PASSED}
    assert len(result.remarks) == 1
    assert "failed in" in result.remarks[0]
    assert result.remarks[0].endswith("job-0/kwok-results.json counts")


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        (cell(), failed(CAUSE), Status.FAILED),
        (cell(), cell(Exit.TERMINATED), Status.INTERRUPTED),
        (cell(), not_run(), Status.PASSED),
        (failed(CAUSE), not_run(), Status.FAILED),
        (failed(CAUSE), skipped(), Status.FAILED),
        (not_run(), skipped(), Status.SKIPPED),
        (skipped(), not_run(), Status.NOT_RUN),
    ],
)
def test_what_has_an_outcome_counts_before_what_has_none(
    tmp_path: Path, before: CellResult, after: CellResult, status: Status
) -> None:
    """A cell that had no turn, or was left out, takes nothing away from what is known of it: least of all a failure."""
    result = merged(tmp_path, sweep(before, minutes=3), sweep(after, minutes=9)).results
    assert statuses(result) == {"kwok/eks/helm": status}


def test_a_job_that_was_stopped_is_not_excused_by_an_earlier_one(tmp_path: Path) -> None:
    """Its cells have results, but not from after it."""
    stopped = sweep(not_run(), stopped=Exit.TERMINATED, reason="terminated", minutes=9)
    assert merged(tmp_path, sweep(cell(), minutes=3), stopped).results.exit is Exit.TERMINATED


def test_a_job_that_was_stopped_leaves_the_whole_stopped(tmp_path: Path) -> None:
    """With its code, its shard and its reason."""
    stopped = sweep(cell(recipe="b"), not_run("c"), shard="2/2", stopped=Exit.SYNC_DEADLINE, reason="three strikes")
    result = merged(tmp_path, sweep(cell(recipe="a"), shard="1/2"), stopped).results
    assert (result.exit, result.reason) == (Exit.SYNC_DEADLINE, "shard 2/2: three strikes")


@pytest.mark.parametrize("shard", ["1/1", ""], ids=["a shard", "every cell"])
def test_a_job_that_was_stopped_and_run_again_is_forgotten(tmp_path: Path, shard: str) -> None:
    """The later run of the same shard, or of all of its cells, says what there is to say."""
    stopped = sweep(not_run(), stopped=Exit.TERMINATED, reason="terminated", shard=shard, minutes=3)
    result = merged(tmp_path, stopped, sweep(cell(), shard=shard, minutes=9)).results
    assert (result.exit, result.reason) == (Exit.OK, "")


def test_a_job_that_was_stopped_and_run_again_in_part_is_not(tmp_path: Path) -> None:
    """The other part still has no result."""
    stopped = sweep(cell(recipe="a"), cell(recipe="b"), stopped=Exit.TERMINATED, reason="terminated", minutes=3)
    assert merged(tmp_path, stopped, sweep(cell(recipe="b"), minutes=9)).results.exit is Exit.TERMINATED


def test_results_of_several_runs_are_told(tmp_path: Path) -> None:
    """They may be meant to be together, or not."""
    result = merged(tmp_path, sweep(cell(recipe="a"), run_id="x"), sweep(cell(recipe="b"), run_id="y", minutes=9))
    assert result.remarks == ("the results are of 2 runs: x, y",)
    assert result.results.run_id == "y"


def test_what_was_merged_before_is_left_out(tmp_path: Path) -> None:
    """A report that lies below the directories is no result of its own."""
    reports.write(sweep(failed(CAUSE), minutes=60), tmp_path / "report")
    assert merged(tmp_path, sweep(cell()), leave_out=tmp_path / "report").results.exit is Exit.OK


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    """Of each directory: a wrong path must not pass for a result."""
    with pytest.raises(DataError, match=r"no kwok-results\.json"):
        reports.merge([tmp_path])
    (tmp_path / "kwok-results.json").write_text("[]")
    with pytest.raises(DataError, match="is not a results file"):
        reports.merge([tmp_path])


def test_evidence_that_came_along_is_found_beside_the_file(tmp_path: Path) -> None:
    """An artifact is downloaded to another place than it was made at."""
    (tmp_path / "job-0" / "kwok-debug-eks").mkdir(parents=True)
    result = merged(
        tmp_path, sweep(failed(CAUSE, evidence="/gone/kwok-debug-eks"), failed(CAUSE, "b", evidence="/gone/x"))
    )
    evidence = [each.outcome.evidence for each in result.results.cells if each.outcome]
    assert evidence == [str(tmp_path / "job-0" / "kwok-debug-eks"), "/gone/x"]
