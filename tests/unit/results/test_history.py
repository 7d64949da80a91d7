"""Flaky is what passed and failed with the same content; a mark, and never a verdict."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exits import Exit
from harness.results.history import mark_flaky, settled
from harness.results.outcome import Cause, Outcome
from harness.results.results import CellResult, Results, Status
from harness.verdict import CauseKind

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CAUSE = Cause(CauseKind.PULL, "OCIRepository a/b", "no such tag")
ONE, OTHER = {"bundle": "sha256:1", "digest": "sha256:a"}, {"bundle": "sha256:1", "digest": "sha256:b"}
BUNDLE = {"bundle": "sha256:1"}


def outcome(run: int, code: Exit = Exit.OK, facts: dict[str, str] = ONE, *, deployer: str = "flux-oci") -> Outcome:
    began = NOW + timedelta(hours=run)
    cause = None if code is Exit.OK else CAUSE
    return Outcome("eks", deployer, f"r{run}", "host", "c", began, 9.0, code, "why\nmore", (), facts=facts, cause=cause)


def run(*outcomes: Outcome | None) -> Results:
    cells = [CellResult(each.recipe, each.deployer, each) if each else CellResult("gke", "helm") for each in outcomes]
    return Results("r", NOW, NOW, cells)


FAILED, ENDED = Exit.FAILURE, Exit.INTERRUPTED


@pytest.mark.parametrize(
    ("history", "now", "flaky"),
    [
        pytest.param([outcome(1)], outcome(2, FAILED), True, id="passed before, fails"),
        pytest.param([outcome(1, FAILED)], outcome(2), True, id="failed before, passes"),
        pytest.param([outcome(1, FAILED), outcome(2)], outcome(3), True, id="failed long ago"),
        pytest.param([outcome(1)], outcome(2), False, id="passes always"),
        pytest.param([outcome(1, FAILED)], outcome(2, Exit.SYNC_DEADLINE), False, id="fails always"),
        pytest.param([outcome(1, FAILED, OTHER)], outcome(2), True, id="pushed to another port"),
        pytest.param([outcome(1, FAILED, {"digest": "sha256:a"})], outcome(2), True, id="the same artifact"),
        pytest.param([outcome(1, FAILED, {"digest": "sha256:b"})], outcome(2), False, id="another artifact"),
        pytest.param([outcome(1, FAILED, {"bundle": "sha256:2"})], outcome(2, facts=BUNDLE), False, id="other content"),
        pytest.param([outcome(1, FAILED, BUNDLE)], outcome(2), True, id="failed before anything was pushed"),
        pytest.param([outcome(1, FAILED, {})], outcome(2, facts={}), False, id="nothing is known of the content"),
        pytest.param([outcome(1, ENDED)], outcome(2), False, id="ended by somebody before"),
        pytest.param([outcome(1)], outcome(2, ENDED), False, id="ended by somebody now"),
        pytest.param([outcome(1, FAILED, deployer="helm")], outcome(2), False, id="another lane"),
        pytest.param([], outcome(1), False, id="no history"),
    ],
)
def test_flaky_is_the_same_content_with_another_verdict(history: list[Outcome], now: Outcome, flaky: bool) -> None:
    """Of the same cell; without a common digest nothing is concluded, and an interrupted run says nothing."""
    (marked,) = mark_flaky(run(now), [run(each) for each in history]).cells
    assert marked.flaky is flaky


def test_a_mark_is_remembered() -> None:
    """What passed only at the second attempt is flaky the next time too, though it passed both times."""
    before = run(outcome(1))
    before = replace(before, cells=[replace(cell, flaky=True) for cell in before.cells])
    assert [cell.flaky for cell in mark_flaky(run(outcome(2)), [before]).cells] == [True]
    assert [cell.flaky for cell in mark_flaky(before, []).cells] == [True]


codes = st.sampled_from([*Exit])
facts = st.sampled_from([ONE, OTHER, BUNDLE, {}])
outcomes = st.one_of(st.none(), st.builds(outcome, st.integers(0, 9), codes, facts))
runs = st.builds(lambda each: run(*each), st.lists(outcomes, max_size=4))


@given(runs, st.lists(runs, max_size=4))
def test_marking_changes_no_status(now: Results, history: list[Results]) -> None:
    """Nor anything else: a failed cell is never excused, and the exit code is the same."""
    marked = mark_flaky(now, history)
    assert marked.exit is now.exit
    assert [replace(cell, flaky=False) for cell in marked.cells] == list(now.cells)


@given(runs, st.lists(runs, max_size=4))
def test_marking_twice_is_marking_once(now: Results, history: list[Results]) -> None:
    """A report that was written marked can be read and marked again."""
    marked = mark_flaky(now, history)
    assert mark_flaky(marked, history) == marked


def test_a_single_attempt_stays_as_it_is() -> None:
    """Nothing is added to a cell that was not repeated."""
    for code in (Exit.OK, FAILED, ENDED):
        assert settled([outcome(1, code)]) == CellResult("eks", "flux-oci", outcome(1, code))


def test_a_pass_after_failures_is_passed_and_flaky_and_says_so() -> None:
    """Loudly: a mark, and a note with the cause and the evidence of each failure."""
    failed = replace(outcome(1, FAILED), evidence="/somewhere")
    made = settled([failed, replace(outcome(2, FAILED), cause=None), outcome(3)])
    assert made.status is Status.PASSED
    assert made.flaky
    assert made.outcome is not None
    assert made.outcome.notes == (
        "attempt 1 of 3 failed: pull: OCIRepository a/b: no such tag (evidence: /somewhere)",
        "attempt 2 of 3 failed: why",
    )


def test_failures_count_as_the_first_one() -> None:
    """It is not flaky, and the other attempts are noted."""
    made = settled([outcome(1, Exit.SYNC_DEADLINE), outcome(2, FAILED)])
    assert made.status is Status.FAILED
    assert not made.flaky
    assert made.outcome is not None
    assert made.outcome.exit is Exit.SYNC_DEADLINE
    assert made.outcome.notes == ("attempt 2 of 2 failed: pull: OCIRepository a/b: no such tag",)


def test_an_attempt_that_somebody_ended_says_nothing() -> None:
    """A failure stays one; nothing but interrupted attempts is interrupted."""
    assert settled([outcome(1, FAILED), outcome(2, ENDED)]).status is Status.FAILED
    assert settled([outcome(1, ENDED), outcome(2, ENDED)]).status is Status.INTERRUPTED


@given(st.lists(st.builds(outcome, st.integers(0, 9), codes), min_size=1, max_size=5))
def test_what_attempts_come_to(attempts: list[Outcome]) -> None:
    """Passed where one passed; flaky exactly where another failed."""
    made = settled(attempts)
    passed = any(each.passed for each in attempts)
    failed = any(not each.passed and each.exit not in (Exit.INTERRUPTED, Exit.TERMINATED) for each in attempts)
    assert (made.status is Status.PASSED) is passed
    assert made.flaky is (passed and failed)
