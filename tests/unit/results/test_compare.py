"""What a comparison of two runs says, and that it says nothing where nothing changed."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exits import Exit
from harness.results.compare import Comparison, compare
from harness.results.outcome import Outcome, Phase
from harness.results.results import CellResult, Results

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PASSED, FAILED, LATE, ENDED = Exit.OK, Exit.FAILURE, Exit.SYNC_DEADLINE, Exit.INTERRUPTED
NOT_RUN, SKIPPED = "not run", "skipped"
OLD, NEW = 100, 101  # runs; those of the history are numbered from 0


def cell(
    code: Exit | str, run: int, seconds: float = 40.0, sync: float = 30.0, bundle: str = "", name: str = "helm"
) -> CellResult:
    if isinstance(code, str):
        return CellResult("eks", name, skipped=code == SKIPPED, reason="why")
    phases = (
        Phase("cluster", seconds - sync, "passed"),
        Phase("sync", sync / 2, "passed"),
        Phase("sync", sync / 2, ""),
    )
    began = NOW + timedelta(hours=run)
    facts = {"bundle": bundle or f"sha256:{run}"}
    return CellResult(
        "eks", name, Outcome("eks", name, f"r{run}", "host", "c", began, seconds, code, "why", phases, facts=facts)
    )


def results(*cells: CellResult) -> Results:
    return Results("r", NOW, NOW, cells)


def between(old: Exit | str | None, new: Exit | str | None) -> Comparison:
    """A run with one cell besides that passes in both."""
    steady = [cell(PASSED, run, name="flux-oci") for run in (OLD, NEW)]
    made = [[] if code is None else [cell(code, run)] for code, run in ((old, OLD), (new, NEW))]
    return compare(results(steady[0], *made[0]), results(steady[1], *made[1]))


def lists(found: Comparison) -> list[str]:
    return [
        name
        for name in ("broke", "fixed", "lost", "slower", "faster", "appeared", "vanished", "flaky")
        if getattr(found, name)
    ]


@pytest.mark.parametrize(
    ("old", "new", "said", "worse"),
    [
        (PASSED, PASSED, [], False),
        (FAILED, LATE, [], False),
        (PASSED, LATE, ["broke"], True),
        (FAILED, PASSED, ["fixed"], False),
        (PASSED, NOT_RUN, ["lost"], True),
        (PASSED, ENDED, ["lost"], True),
        (FAILED, NOT_RUN, ["lost"], True),
        (PASSED, SKIPPED, ["vanished"], False),
        (PASSED, None, ["vanished"], False),
        (FAILED, None, ["vanished"], False),
        (NOT_RUN, None, [], False),
        (None, PASSED, ["appeared"], False),
        (None, FAILED, ["appeared"], False),
        (NOT_RUN, FAILED, ["appeared"], False),
        (SKIPPED, PASSED, ["appeared"], False),
        (NOT_RUN, NOT_RUN, [], False),
        (ENDED, ENDED, [], False),
    ],
)
def test_verdicts(old: Exit | str | None, new: Exit | str | None, said: list[str], worse: bool) -> None:
    """A verdict that is missing is never a fix, and what passed and has none now is as bad as what broke."""
    found = between(old, new)
    assert lists(found) == said
    assert found.worse is worse


@pytest.mark.parametrize(
    ("old", "new"), [([], []), ([cell(PASSED, OLD)], []), ([cell(NOT_RUN, OLD)], [cell(PASSED, NEW)])]
)
def test_nothing_compared_is_never_good(old: list[CellResult], new: list[CellResult]) -> None:
    """Two runs without a verdict in common, such as an empty file."""
    assert compare(results(*old), results(*new)).worse


def test_what_broke_with_the_same_content_is_flaky_and_still_broke() -> None:
    """The mark excuses nothing."""
    found = compare(results(cell(PASSED, OLD, bundle="x")), results(cell(FAILED, NEW, bundle="x")))
    assert lists(found) == ["broke", "flaky"]
    assert found.broke[0].flaky
    assert found.worse


def paced(seconds: float, history: Sequence[float], *, sync: float = 30.0) -> Comparison:
    past = [results(cell(PASSED, run, took)) for run, took in enumerate(history)]
    return compare(results(cell(PASSED, OLD)), results(cell(PASSED, NEW, seconds, sync)), past)


QUIET, NOISY = [40.0, 40.1, 39.9, 40.0], [40.0, 30.0, 50.0, 36.0, 44.0]


@pytest.mark.parametrize(
    ("seconds", "history", "said"),
    [
        (47.9, QUIET, []),  # 20 % of 40 s
        (48.1, QUIET, ["slower"]),
        (31.9, QUIET, ["faster"]),
        (60.0, NOISY, []),  # 4 deviations of 4 s, in standard deviations of a normal distribution
        (64.5, NOISY, ["slower"]),
        (48.1, [*QUIET, 900.0], ["slower"]),  # a run that built its tools moves neither median
        (59.9, [], []),  # OLD alone: 50 %
        (60.1, [], ["slower"]),
        (60.1, [40.0], ["slower"]),
        (59.9, [400.0], []),  # two passes are no history
    ],
)
def test_slower_is_more_than_the_noise(seconds: float, history: list[float], said: list[str]) -> None:
    """Of the cell's own passes; the old run is one of them."""
    found = paced(seconds, history)
    assert lists(found) == said
    assert found.too_little_history == (0 if len(history) >= 2 else 1)
    assert not found.worse


def test_short_cells_may_differ_by_seconds() -> None:
    """A fifth of a short time is nothing."""
    past = [results(cell(PASSED, run, 3.0, 1.0)) for run in range(4)]
    old = results(cell(PASSED, OLD, 3.0, 1.0))
    assert lists(compare(old, results(cell(PASSED, NEW, 4.9, 1.0)), past)) == []
    assert lists(compare(old, results(cell(PASSED, NEW, 5.1, 1.0)), past)) == ["slower"]


def test_the_phase_that_took_longer_is_named() -> None:
    """A phase that comes twice counts as a whole; what differs by less than a second is left out."""
    (pace,) = paced(71.0, QUIET, sync=61.0).slower
    assert pace.phases == (("sync", 31.0),)
    assert (pace.usual, round(pace.change), pace.passes) == (40.0, 31, 5)


def test_failed_runs_are_no_measure_of_time() -> None:
    """Neither in the history nor now: a deadline takes as long as it is set to."""
    past = [results(cell(LATE, run, 300.0)) for run in range(5)]
    assert compare(results(cell(PASSED, OLD)), results(cell(PASSED, NEW, 39.0)), past).too_little_history == 1
    assert lists(compare(results(cell(FAILED, OLD, 1.0)), results(cell(LATE, NEW, 300.0)))) == []


def test_a_run_is_no_history_of_itself() -> None:
    """NEW is in the directory of the history as a rule, and a copy counts once."""
    slow = results(cell(PASSED, NEW, 100.0))
    old = results(cell(PASSED, OLD))
    another = results(cell(PASSED, 0))
    assert compare(old, slow, [slow, slow, old, old, another]).too_little_history == 1


codes = st.sampled_from([PASSED, FAILED, LATE, ENDED, NOT_RUN, SKIPPED])
runs = st.builds(
    lambda run, made: results(*(cell(code, run, took, name=f"lane-{n}") for n, (code, took) in enumerate(made))),
    st.integers(0, 5),
    st.lists(st.tuples(codes, st.floats(31.0, 600.0)), max_size=4),
)


@given(runs)
def test_a_run_differs_from_itself_in_nothing(run: Results) -> None:
    """Whatever became of its cells, but for what has no verdict at all."""
    found = compare(run, run)
    assert lists(found) == []
    assert found.worse is not any(each.status.value in ("passed", "failed") for each in run.cells)


@given(runs, runs, st.lists(runs, max_size=3))
def test_what_broke_one_way_is_fixed_the_other_way(one: Results, other: Results, history: list[Results]) -> None:
    """Whatever the history, which never changes who passed; and the document is JSON."""
    there, back = compare(one, other, history), compare(other, one, history)
    assert [each.name for each in there.broke] == [each.name for each in back.fixed]
    assert there.compared == back.compared
    assert json.loads(json.dumps(there.document()))["worse"] is there.worse
