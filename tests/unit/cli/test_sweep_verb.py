"""`sweep`: which cells its words mean, where results go, and what a worker makes of its order."""

import copy
import itertools
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness import reports
from harness.cli import worker
from harness.cli.context import Context
from harness.cli.sweep import _cells, _lanes, _place, _plan, _run_id, _sharing, _Started, _Writing
from harness.cli.worker import Order, Telling, _cell, carry_out
from harness.errors import UsageError
from harness.exits import Exit
from harness.results.results import CellResult, Results, Status
from harness.settings import DEFAULT_FILE, Ports
from harness.sweeps.sweep import Task
from harness.sweeps.workers import Event
from harness.verdict import CauseKind, Passed, Waiting
from lanes import LANES
from tests.fakes.results import NOW, outcome
from tests.fakes.sweep import plan, sweep

PORTS = Ports(registry=5500, git=3300)
TASK = Task("eks", "helm", "test-1", "1-1")


@pytest.fixture
def context() -> Context:
    return Context(DEFAULT_FILE, ())


def planned(context: Context, *names: str, deployers: Sequence[str] = ("helm",), shard: str | None = None) -> list[str]:
    plan = _plan(context, None, names, _lanes(context, deployers), shard)
    return [f"{cell.recipe}/{cell.deployer}" for cell in plan]


def test_without_words_all_testable_recipes_run_under_the_lane_of_the_settings(context: Context) -> None:
    """As the documented command: helm, every recipe."""
    plan = _plan(context, None, (), _lanes(context, ()), None)
    assert {cell.deployer for cell in plan} == {"helm"}
    assert {cell.recipe for cell in plan if cell.status is Status.NOT_RUN} <= set(context.catalog.testable())
    assert {"eks", "eks-training"} <= {cell.recipe for cell in plan}


def test_all_is_every_lane_in_its_order(context: Context) -> None:
    """By recipe, then by lane; a lane named twice is one."""
    assert planned(context, "eks", deployers=("all",)) == [f"eks/{lane.name}" for lane in LANES]
    assert planned(context, "eks", deployers=("flux-oci", "helm", "helm")) == ["eks/flux-oci", "eks/helm"]


def test_cells_that_share_a_cluster_run_lane_by_lane(context: Context) -> None:
    """Infrastructure is put there once; what is skipped stays in the plan."""
    lanes = _lanes(context, ("flux-oci", "helm"))
    plan = _plan(context, None, ("eks", "eks-training"), lanes, None)
    shared = _sharing(plan, lanes, None, keep=False)
    assert [cell.deployer for cell in shared] == ["flux-oci"] * 2 + ["helm"] * 2
    assert sorted(shared, key=str) == sorted(plan, key=str)


@pytest.mark.parametrize(("jobs", "keep", "word"), [(2, False, "--jobs"), (None, True, "--keep"), (1, True, "--keep")])
def test_what_cells_that_share_a_cluster_cannot_have_is_refused(
    context: Context, jobs: int | None, keep: bool, word: str
) -> None:
    """Not side by side, and not kept for one of several; one alone may be kept."""
    lanes = _lanes(context, ("helm",))
    plan = _plan(context, None, ("eks", "eks-training"), lanes, None)
    with pytest.raises(UsageError) as caught:
        _sharing(plan, lanes, jobs, keep=keep)
    assert caught.value.where == word
    assert _sharing(plan[:1], lanes, 1, keep=True) == plan[:1]


def test_cells_can_be_named_one_by_one(context: Context) -> None:
    """As `matrix` prints them: these and no others, in this order."""
    keys = _cells(("eks-training/flux-oci eks/helm", "eks/helm"))
    assert [(cell.recipe, cell.deployer) for cell in _plan(context, keys, (), [], None)] == [
        ("eks-training", "flux-oci"),
        ("eks", "helm"),
    ]


@pytest.mark.parametrize("keys", ["eks", "eks/nothing", "eks-nothing/helm"])
def test_a_cell_that_means_nothing_is_a_usage_error(context: Context, keys: str) -> None:
    """A mistyped cell that is left out would be green."""
    with pytest.raises(UsageError):
        _plan(context, _cells((keys,)), (), [], None)


def test_shards_are_all_cells_and_each_once(context: Context) -> None:
    """Whatever their number."""
    parts = [planned(context, "eks*", deployers=("all",), shard=f"{number}/3") for number in (1, 2, 3)]
    assert sorted(itertools.chain(*parts)) == sorted(planned(context, "eks*", deployers=("all",)))


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3"])
def test_a_shard_that_is_none_is_a_usage_error(context: Context, shard: str) -> None:
    """Nothing is run instead."""
    with pytest.raises(UsageError, match="is not K/N"):
        planned(context, "eks", shard=shard)


def test_a_shard_without_cells_is_a_usage_error(context: Context) -> None:
    """A job that ran nothing is not green."""
    with pytest.raises(UsageError, match="nothing to run"):
        planned(context, "eks", shard="2/2")


def test_results_go_where_the_user_says(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--results, then $KWOK_RESULTS_FILE, then beside the evidence."""
    monkeypatch.delenv("KWOK_RESULTS_FILE", raising=False)
    assert _place(None, context) == context.settings.artifacts / "kwok-results.json"
    monkeypatch.setenv("KWOK_RESULTS_FILE", str(tmp_path / "cells.json"))
    assert _place(None, context) == tmp_path / "cells.json"
    assert _place(tmp_path / "mine", context) == tmp_path / "mine" / "kwok-results.json"


def test_shards_of_a_workflow_are_one_run() -> None:
    """Their results are merged by it; anywhere else each sweep is its own."""
    environment = {"GITHUB_RUN_ID": "77", "GITHUB_RUN_ATTEMPT": "2"}
    assert _run_id(environment) == _run_id(environment) == "77-2"
    assert _run_id({}) != _run_id({})


def test_results_under_another_name_are_a_copy(tmp_path: Path) -> None:
    """$KWOK_RESULTS_FILE may name any file; problems are told once."""
    told: list[str] = []
    writing = _Writing(tmp_path / "cells.json", told.append)
    results = sweep(plan("a/helm"), lambda _: Exit.OK).results()
    writing(results)
    assert (tmp_path / "cells.json").read_bytes() == (tmp_path / "kwok-results.json").read_bytes()
    broken = _Writing(tmp_path / "cells.json" / "below" / "kwok-results.json", told.append)
    broken(results)
    known = list(told)
    broken(results)
    assert known
    assert told == known


def test_what_is_written_is_marked_by_history(tmp_path: Path) -> None:
    """After every cell, so that a job that is killed has told it too."""
    passed = CellResult("eks", "helm", outcome(facts={"bundle": "sha256:0"}, run_id="earlier"))
    earlier = [Results("earlier", NOW, NOW, (passed,))]
    failed = CellResult("eks", "helm", outcome(Exit.FAILURE, facts={"bundle": "sha256:0"}))
    _Writing(tmp_path / "kwok-results.json", print, earlier)(Results("now", NOW, NOW, (failed,)))
    assert reports.read(tmp_path / "kwok-results.json").cells[0].flaky


def test_cells_at_once_have_ports_of_their_own(context: Context) -> None:
    """For registry and Git, the documented ones first; none that another cell has, whether it listens yet or not."""
    started = _Started(context, {}, (), True, False)
    ports = [started._ports_of(slot) for slot in range(4)]
    assert len({port for each in ports for port in (each.registry, each.git)}) == 8
    assert all(each.registry >= context.settings.ports.registry for each in ports)
    assert all(each.git >= context.settings.ports.git for each in ports)
    assert started._ports_of(0) == ports[0]


def test_cells_that_share_a_cluster_share_its_registry_port() -> None:
    """Though something listens there by the time of the second cell: the cluster itself."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        context = Context(DEFAULT_FILE, ("runtime=kind", f"ports.registry={port}"))
        started = _Started(context, {}, (), True, False)
        assert [started._ports_of(0).registry for _ in range(2)] == [port, port]


def test_a_context_goes_to_a_worker_with_settings_and_data(context: Context) -> None:
    """As they are now; console and tools stay."""
    used = context.settings, context.catalog, context.console
    theirs = copy.copy(context)  # by the same method as a pickle
    assert theirs.__dict__["settings"] == used[0]
    assert theirs.__dict__["catalog"].names() == context.catalog.names()
    assert "console" not in theirs.__dict__


def test_a_recipe_that_is_not_there_is_a_failed_cell(context: Context) -> None:
    """With its own exit code; the worker does not die of it."""
    events: list[Event] = []
    outcome = carry_out(Order(Task("nothing", "helm", "c", "1"), context, "host", {}, PORTS), events.append)
    assert outcome.exit is Exit.USAGE
    assert "nothing" in outcome.reason
    assert outcome.cause is not None
    assert outcome.cause.kind is CauseKind.SETTINGS


def test_a_defect_is_a_failed_cell_with_its_traceback(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other cells go on."""

    def broken(order: Order, telling: Telling) -> None:
        raise ZeroDivisionError("x")

    monkeypatch.setattr(worker, "_cell", broken)
    outcome = carry_out(Order(TASK, context, "host", {}, PORTS), lambda event: None)
    assert outcome.exit is Exit.FAILURE
    assert "a defect of the harness: ZeroDivisionError: x" in outcome.reason
    assert "Traceback" in outcome.notes[0]
    assert outcome.cause is not None
    assert outcome.cause.kind is CauseKind.HARNESS


def test_what_is_waited_for_is_told_when_it_changes() -> None:
    """And never more often than a person can read."""
    events: list[Event] = []
    telling = Telling(events.append)
    for _ in range(3):
        telling.waiting(Waiting("is not ready", "HelmRelease a/b"), 500.0)
    telling.waiting(Passed("done"), 500.0)
    assert events == [Event("waiting", "", "waiting: HelmRelease a/b is not ready", 500.0)]


def test_a_cell_of_a_sweep_is_put_together_as_ordered(context: Context) -> None:
    """Its recipe's nodes, its lane, ports of its own, its cluster's name; and nothing of it is started."""
    order = Order(TASK, context, "host", {}, Ports(registry=5577, git=3377), parity=False, keep=True)
    cell = _cell(order, Telling(lambda event: None))
    assert (cell.recipe.name, cell.lane.name, cell.run_id) == ("eks", "helm", "1-1")
    assert cell.nodes == context.nodes(cell.recipe.criteria)
    assert {each["kind"] for each in cell.nodes} >= {"Node", "StorageClass"}
    assert (cell.settings.ports, cell.stay.name) == (Ports(registry=5577, git=3377), "test-1")
    assert (cell.parity, cell.keep_failed, cell.keep) == (False, True, False)
