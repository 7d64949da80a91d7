"""A sweep: every cell has its turn and its result, three strikes end it, and a dead worker is one failed cell."""

import math
import os
import signal
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import Terminated, ToolError
from harness.exits import Exit
from harness.results.results import CellResult, Results, Status
from harness.sweeps.strikes import LIMIT, Strikes
from harness.sweeps.sweep import Sweep, Task, Worker
from harness.sweeps.workers import Event
from tests.fakes.sweep import Watcher, outcome, plan, sweep

LANES = ("helm", "argocd-oci", "argocd-helm-oci", "flux-oci")
CODES = (Exit.OK, Exit.FAILURE, Exit.SYNC_DEADLINE, Exit.FLUX_INSTALL, None)


def test_every_cell_has_its_turn_in_order() -> None:
    """One after another, each with a cluster and a run of its own."""
    seen: list[Task] = []

    def code(task: Task) -> Exit:
        seen.append(task)
        return Exit.OK

    results = sweep(plan("a/helm", "b/helm", "a/flux-oci"), code).carry_out()
    assert [task.name for task in seen] == ["a/helm", "b/helm", "a/flux-oci"]
    assert len({task.cluster for task in seen}) == len({task.run_id for task in seen}) == 3
    assert [cell.status for cell in results.cells] == [Status.PASSED] * 3
    assert results.exit is Exit.OK
    assert results.stopped is None


def test_cells_that_run_at_once_have_different_slots() -> None:
    """Slots are what registry ports are chosen by."""
    watcher = Watcher()
    sweep(plan("a/helm", "b/helm", "c/helm"), lambda _: Exit.OK, jobs=2, watcher=watcher).carry_out()
    assert watcher.lines[:2] == ["started a/helm in 0", "started b/helm in 1"]


def test_skipped_cells_are_not_run() -> None:
    """What is left out on purpose stays in the results, with its reason."""
    cells = [CellResult("x", "helm", skipped=True, reason="no node profile"), *plan("a/helm")]
    results = sweep(cells, lambda task: Exit.OK if task.recipe == "a" else Exit.FAILURE).carry_out()
    assert [cell.status for cell in results.cells] == [Status.SKIPPED, Status.PASSED]
    assert results.cells[0].reason == "no node profile"


def test_three_strikes_end_the_sweep() -> None:
    """50 three times in a row: the rest is told as not run, with the reason, and the sweep ends with 50."""
    keys = [f"{name}/flux-oci" for name in "abcde"]
    results = sweep(plan(*keys), lambda _: Exit.SYNC_DEADLINE).carry_out()
    assert [cell.status for cell in results.cells] == [Status.FAILED] * 3 + [Status.NOT_RUN] * 2
    assert results.exit is Exit.SYNC_DEADLINE
    assert "3 cells of flux-oci in a row" in results.reason
    assert results.cells[-1].why == results.reason


def test_three_strikes_at_the_very_end_are_told_too() -> None:
    """There is nothing left to leave out, and still the exit is 50."""
    results = sweep(plan("a/flux-oci", "b/flux-oci", "c/flux-oci"), lambda _: Exit.SYNC_DEADLINE).carry_out()
    assert results.exit is Exit.SYNC_DEADLINE


@pytest.mark.parametrize("between", [Exit.OK, Exit.FAILURE, Exit.FLUX_ROLLOUT, None])
def test_anything_else_starts_the_count_anew(between: Exit | None) -> None:
    """Only 50 counts, and only in a row: a pass, a failure and a death each reset it."""
    ends = iter([Exit.SYNC_DEADLINE, Exit.SYNC_DEADLINE, between, Exit.SYNC_DEADLINE, Exit.SYNC_DEADLINE])
    results = sweep(plan(*(f"{name}/flux-oci" for name in "abcde")), lambda _: next(ends)).carry_out()
    assert results.stopped is None
    assert results.exit is Exit.FAILURE
    assert results.counted()[Status.NOT_RUN] == 0


def test_lanes_are_counted_by_themselves() -> None:
    """Two lanes that take turns at 50, twice each, are no strike."""
    keys = ["a/flux-oci", "a/argocd-oci", "b/flux-oci", "b/argocd-oci"]
    assert sweep(plan(*keys), lambda _: Exit.SYNC_DEADLINE).carry_out().stopped is None


def test_cells_under_way_end_when_another_strikes_out() -> None:
    """With the strike no cell begins, but those that run are not thrown away."""
    keys = ["a/helm", "b/flux-oci", "c/flux-oci", "d/flux-oci", "e/helm", "f/helm"]
    code = {"helm": Exit.OK, "flux-oci": Exit.SYNC_DEADLINE}
    slow = sweep(
        plan(*keys), lambda task: code[task.deployer], jobs=2, turns=lambda task: 9 if task.recipe in "ae" else 1
    )
    results = slow.carry_out()
    assert [cell.status for cell in results.cells] == [
        Status.PASSED,
        *[Status.FAILED] * 3,
        Status.NOT_RUN,
        Status.NOT_RUN,
    ]


def test_a_dead_worker_is_one_failed_cell() -> None:
    """Its cluster is taken down, the others run as if nothing had been."""
    watcher = Watcher()
    swept = sweep(plan("a/helm", "b/helm"), lambda task: None if task.recipe == "a" else Exit.OK, watcher=watcher)
    results = swept.carry_out()
    assert [cell.status for cell in results.cells] == [Status.FAILED, Status.PASSED]
    assert results.cells[0].why == "the cell died: its process was ended by SIGKILL"
    assert "took down a/helm" in watcher.lines


def test_the_next_cells_cluster_is_prepared() -> None:
    """When nobody boots any more, so that it slows nobody down; and there is none after the last."""
    watcher = Watcher()
    swept = sweep(plan("a/helm", "b/helm", "c/helm"), lambda _: Exit.OK, watcher=watcher, jobs=2, turns=lambda _: 3)
    begin = swept.start

    def start(task: Task) -> Worker:
        worker = begin(task)
        looked = iter([[Event("started", "cluster")], [Event("finished", "cluster")]])
        events = worker.events
        worker.events = lambda: events() or next(looked, [])  # type: ignore[method-assign]
        return worker

    swept.start = start
    swept.carry_out()
    assert [line for line in watcher.lines if "spare" in line] == ["spare for c/helm"]
    assert watcher.lines[-1] == "closed"


def test_a_failed_cell_is_tried_again() -> None:
    """As often as was asked for; each attempt on a cluster of its own."""
    tasks: list[Task] = []

    def code(task: Task) -> Exit:
        tasks.append(task)
        return Exit.OK if task.attempt == 3 or task.recipe == "b" else Exit.FAILURE

    results = sweep(plan("a/helm", "b/helm"), code, retries=2).carry_out()
    assert [(task.recipe, task.attempt) for task in tasks] == [("a", 1), ("a", 2), ("a", 3), ("b", 1)]
    assert len({task.cluster for task in tasks}) == 4
    assert results.exit is Exit.OK


def test_attempts_of_one_cell_are_one_strike() -> None:
    """A cell that ends with 50 three times has struck once."""
    results = sweep(plan("a/flux-oci", "b/helm"), lambda task: CODE50[task.deployer], retries=2).carry_out()
    assert results.stopped is None
    assert results.cells[1].status is Status.PASSED


CODE50 = {"flux-oci": Exit.SYNC_DEADLINE, "helm": Exit.OK}


def test_results_are_written_after_every_cell() -> None:
    """A reader at any moment sees every cell that was asked for."""
    seen: list[Results] = []
    sweep(plan("a/helm", "b/helm"), lambda _: Exit.OK, written=seen.append).carry_out()
    assert [[cell.status for cell in each.cells] for each in seen] == [
        [Status.PASSED, Status.NOT_RUN],
        [Status.PASSED, Status.PASSED],
        [Status.PASSED, Status.PASSED],
    ]
    assert seen[0].cells[1].why == "its turn has not come yet"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)], ids=str
)
def test_a_signal_ends_the_sweep_and_keeps_what_is_known(number: signal.Signals, code: Exit) -> None:
    """Cells under way hear of it and tell how they ended; the others were not run."""

    def ends(task: Task) -> Exit:
        if task.recipe == "b":
            os.kill(os.getpid(), number)
            return code
        return Exit.OK

    results = sweep(plan("a/helm", "b/helm", "c/helm"), ends).carry_out()
    assert results.exit is code
    assert [cell.status for cell in results.cells] == [Status.PASSED, Status.INTERRUPTED, Status.NOT_RUN]


def test_a_worker_that_does_not_end_is_killed() -> None:
    """After its last words; its cell counts as interrupted and its cluster is taken down."""
    watcher = Watcher()

    def ends(task: Task) -> Exit:
        os.kill(os.getpid(), signal.SIGINT)
        return Exit.OK

    swept = sweep(plan("a/helm"), ends, watcher=watcher, turns=lambda task: math.inf)
    swept.last_words = 0.0
    results = swept.carry_out()
    assert results.cells[0].status is Status.INTERRUPTED
    assert results.exit is Exit.INTERRUPTED
    assert "took down a/helm" in watcher.lines


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), Exit.INTERRUPTED), (Terminated(), Exit.TERMINATED), (ToolError("no etcd"), Exit.SETTINGS)],
    ids=["interrupted", "terminated", "tools"],
)
def test_a_sweep_that_never_began_has_results(error: BaseException, code: Exit) -> None:
    """Every cell is there as not run, and the exit is that of what came between."""
    results = sweep(plan("a/helm"), lambda _: Exit.OK).never(error)
    assert results.exit is code
    assert [cell.status for cell in results.cells] == [Status.NOT_RUN]


Ends = st.lists(st.tuples(st.sampled_from(LANES), st.sampled_from(CODES)), max_size=14)


@settings(max_examples=300, deadline=None)
@given(Ends, st.integers(1, 5))
def test_strikes_grid_and_exit_never_disagree(ends: list[tuple[str, Exit | None]], jobs: int) -> None:
    """Whatever the cells end with: the exit is 50 exactly where a lane struck out, and nothing is lost or made up."""
    cells = [CellResult(f"r{number}", lane) for number, (lane, _) in enumerate(ends)]
    codes = {f"r{number}": code for number, (_, code) in enumerate(ends)}
    watcher = Watcher()
    written: list[Results] = []
    swept = sweep(cells, lambda task: codes[task.recipe], jobs=jobs, watcher=watcher, written=written.append)
    results = swept.carry_out()

    order = [line.split()[1].rstrip(":") for line in watcher.lines if line.startswith("ended")]
    streak: dict[str, int] = {}
    out = False
    for name in order:
        recipe, lane = name.split("/")
        streak[lane] = streak.get(lane, 0) + 1 if codes[recipe] is Exit.SYNC_DEADLINE else 0
        out = out or streak[lane] == LIMIT
    assert (results.exit is Exit.SYNC_DEADLINE) == out
    assert [(cell.recipe, cell.deployer) for cell in results.cells] == [(c.recipe, c.deployer) for c in cells]
    counted = results.counted()
    assert counted[Status.NOT_RUN] == len(cells) - len(order)
    assert counted[Status.NOT_RUN] == 0 or out
    for cell in results.cells:
        if cell.outcome is not None:
            code = codes[cell.recipe]
            assert cell.outcome.exit is (Exit.FAILURE if code is None else code)
    green = bool(cells) and all(code is Exit.OK for code in codes.values())
    assert (results.exit is Exit.OK) == green
    assert written[-1].cells == results.cells


def test_the_first_lane_that_struck_out_is_told() -> None:
    """Also where a cell of it that was under way then passes."""
    strikes = Strikes()
    for _ in range(LIMIT):
        strikes.ended("flux-oci", Exit.SYNC_DEADLINE)
    strikes.ended("flux-oci", Exit.OK)
    assert "flux-oci" in strikes.out


def test_settled_attempts_are_what_counts() -> None:
    """What several attempts come to is somebody else's to say."""
    swept: Sweep = sweep(plan("a/helm"), lambda _: Exit.FAILURE, retries=1)
    swept.settled = lambda attempts: CellResult("a", "helm", outcome(TASK, Exit.OK), flaky=len(attempts) > 1)
    [cell] = swept.carry_out().cells
    assert cell.status is Status.PASSED


TASK = replace(Task("a", "helm", "test-1", "1"), attempt=2)


@pytest.mark.parametrize(("shared", "clusters"), [(True, 1), (False, 2)])
def test_cells_that_share_a_cluster_are_told_its_name(shared: bool, clusters: int) -> None:
    """The one that is named; where each cell has its own, no two are called alike, and none like that one."""
    seen: list[str] = []

    def code(task: Task) -> Exit:
        seen.append(task.cluster)
        return Exit.OK

    replace(sweep(plan("a/helm", "b/helm"), code), shared=shared).carry_out()
    assert len(set(seen)) == clusters
    assert ("test" in seen) is shared
