"""`sweep`: many recipes under many lanes, side by side."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from harness import reports
from harness.cells.budget import Budget
from harness.cells.lane import Lane
from harness.cli.assembly import bundler_of, sets_of, tools_of
from harness.cli.cells import constraints, sets
from harness.cli.context import Context, as_json, earlier, recipe_names
from harness.cli.worker import Order, carry_out
from harness.errors import HarnessError, Terminated, UsageError
from harness.evidence.directory import new_run_id
from harness.exits import Exit
from harness.isolation.marks import Marks, sweep_abandoned
from harness.matrix.model import Cell, Selection, Tier, Wanted
from harness.matrix.shards import shards
from harness.matrix.tiers import NO_NODES, select
from harness.processes.ports import is_free
from harness.results.history import mark_flaky, settled
from harness.results.journal import Journal
from harness.results.outcome import Outcome
from harness.results.results import CellResult, Results
from harness.settings import Ports
from harness.sweeps import capacity, workers
from harness.sweeps.spares import NoSpares, Spares
from harness.sweeps.sweep import Sweep, Task
from harness.sweeps.workers import Worker
from harness.terminal.live import SweepView
from lanes import LANES, find

RESULTS_VARIABLE = "KWOK_RESULTS_FILE"


@click.command()
@click.argument("names", metavar="[RECIPE]...", nargs=-1, shell_complete=recipe_names)
@click.option("--recipes", "globs", metavar="GLOB", multiple=True, help="Only recipes of such a name: 'eks-*'.")
@click.option(
    "--deployer",
    "-d",
    "deployers",
    metavar="LANE",
    multiple=True,
    help="A delivery path, or `all`; may be given again.  [default: the setting `deployer`]",
)
@click.option(
    "--cells", "keys", metavar="'RECIPE/LANE ...'", multiple=True, help="Just these, as `matrix` prints them."
)
@click.option("--shard", metavar="K/N", help="The K-th of N parts of the cells.")
@click.option(
    "--jobs", "-j", "wanted", type=click.IntRange(1, 64), help="Cells side by side.  [default: by the machine]"
)
@click.option(
    "--retry-flaky", "retries", metavar="N", type=click.IntRange(0, 10), default=0, help="Try failed cells again."
)
@click.option("--results", "directory", type=click.Path(file_okay=False, path_type=Path), help="Where results go.")
@click.option("--keep", is_flag=True, help="Keep the clusters of failed cells.")
@click.option("--parity/--no-parity", default=True, help="Check that the objects are those that helm would make.")
@sets
@constraints
@earlier
@as_json
@click.pass_obj
def sweep(
    context: Context,
    names: tuple[str, ...],
    globs: tuple[str, ...],
    deployers: tuple[str, ...],
    keys: tuple[str, ...],
    shard: str | None,
    wanted: int | None,
    retries: int,
    directory: Path | None,
    keep: bool,
    parity: bool,
    sets: tuple[str, ...],
    constraints: str | None,
    history: tuple[Path, ...],
    as_json: bool,
) -> Exit:
    """Run recipes (all testable ones, where none is named) under one lane or several, and report each result.

    Three cells of a lane in a row that end with 50 end the sweep. Results are written after every cell.
    """
    Budget.of(os.environ)
    context.override("constraints", constraints)
    bundler_of(context, sets_of(context, sets))  # a mistake is one error, before the first cell
    lanes = _lanes(context, deployers)
    plan = _plan(context, _cells(keys) if keys else None, (*names, *globs), lanes, shard)
    lanes = [context.lane(name) for name in dict.fromkeys(cell.deployer for cell in plan if not cell.skipped)]
    heavy = any(lane.infrastructure for lane in lanes)
    fit, why = capacity.jobs_for(capacity.cores(), capacity.memory(), capacity.GITOPS_CELL if heavy else capacity.CELL)
    shared = context.platform.shared
    if shared:
        plan, fit, why = _sharing(plan, lanes, wanted, keep=keep), 1, "they share a cluster"
    run_id, marks = _run_id(os.environ), Marks(context.platform.state)
    started = _Started(context, {}, sets=sets, parity=parity, keep=keep)
    count = sum(not cell.skipped for cell in plan)
    side_by_side = min(wanted or fit, max(1, count))
    view = SweepView(count, live=context.console.live)
    writing = _Writing(_place(directory, context), view.note, context.history(history))
    swept = Sweep(
        plan=plan,
        start=started,
        written=writing,
        view=view,
        spares=NoSpares() if shared else Spares(context.runtime, marks, _room, keep=keep),
        run_id=run_id,
        cluster=context.settings.cluster,
        shared=shared,
        jobs=side_by_side,
        retries=retries,
        settled=settled,
        shard=shard or "",
        evidence=lambda task: _evidence(context.settings.artifacts, task),
    )
    view.note(f"{count} cells, {side_by_side} side by side ({'--jobs' if wanted else why}); results: {writing.file}")
    writing(swept.results())  # those of an earlier sweep must not be taken for this one's
    try:
        workers.warm_up("harness.cli.worker")
        with context.console as console, context.toolbox:
            context.settle_runtime(console)
            sweep_abandoned(context.runtime, marks, Journal(console))
            started.tools = _tools(context, lanes)
            workers.warm()
    except (HarnessError, KeyboardInterrupt, Terminated) as error:
        writing(swept.never(error))
        raise
    with view:
        results = mark_flaky(swept.carry_out(), writing.history)
    files = {name: overlay.file for name, overlay in context.catalog.overlays.items()}
    output = sys.stderr if as_json else sys.stdout  # a workflow's commands are heard on both
    for problem in reports.announce(results, files.get, os.environ, output):
        view.note(problem)
    if as_json:
        cells = [cell.document() for cell in results.cells]
        context.data({"exit": int(results.exit), "reason": results.reason, "cells": cells})
    else:
        context.console.results(results)
    return results.exit


def _run_id(environment: Mapping[str, str]) -> str:
    """The same for all shards of a workflow: their results are one sweep's."""
    run, attempt = environment.get("GITHUB_RUN_ID", ""), environment.get("GITHUB_RUN_ATTEMPT", "")
    return f"{run}-{attempt or 1}" if run else new_run_id()


def _lanes(context: Context, names: Sequence[str]) -> list[Lane]:
    if "all" in names:
        names = [lane.name for lane in LANES]
    return [context.lane(name) for name in dict.fromkeys(names or [context.settings.deployer])]


def _cells(keys: Sequence[str]) -> list[tuple[str, str]]:
    """Recipe and lane of each key, in the order given."""
    found = []
    for key in " ".join(keys).split():
        recipe, slash, deployer = key.partition("/")
        if not slash:
            raise UsageError(f"{key!r} is not RECIPE/LANE", where="--cells")
        found.append((recipe, find(deployer).name))
    return list(dict.fromkeys(found))


def _plan(
    context: Context,
    keys: Sequence[tuple[str, str]] | None,
    names: Sequence[str],
    lanes: Sequence[Lane],
    shard: str | None,
) -> list[CellResult]:
    """Every cell that was asked for; those without nodes are skipped, unless they were asked for by name."""
    if keys is not None and names:
        raise UsageError("cells are named by --cells already", do="leave the recipes out")
    deployers = [lane.name for lane in lanes] if keys is None else list(dict.fromkeys(lane for _, lane in keys))
    recipes = tuple(names) if keys is None else tuple(dict.fromkeys(recipe for recipe, _ in keys))
    selection = select(context.catalog, context.profiles, Tier.ALL, deployers=deployers, wanted=Wanted(recipes=recipes))
    cells: Sequence[Cell] = selection.cells
    if keys is not None:
        by_key = {(cell.recipe, cell.deployer): cell for cell in cells}
        cells = [by_key[key] for key in keys]
    plan = [] if shard else _skipped(selection, deployers)
    if shard:
        cells = _part(cells, shard)
    plan += [CellResult(cell.recipe, cell.deployer) for cell in cells]
    if not plan:
        raise UsageError("there is nothing to run", where=f"--shard {shard}" if shard else "")
    return plan


def _sharing(plan: list[CellResult], lanes: Sequence[Lane], wanted: int | None, *, keep: bool) -> list[CellResult]:
    """The plan for one cluster that all cells share: lane by lane, so that its infrastructure is put there once."""
    if wanted not in (None, 1):
        do = "leave --jobs out, or RUNTIME=host, where each cell has a control plane of its own"
        raise UsageError("cells of the Kind runtime share one cluster, one after another", where="--jobs", do=do)
    if keep and sum(not cell.skipped for cell in plan) > 1:
        do = "`run` that one cell with --keep"
        raise UsageError(
            "cells of the Kind runtime share one cluster: it cannot be kept for one", where="--keep", do=do
        )
    order = [lane.name for lane in lanes]
    return sorted(plan, key=lambda cell: order.index(cell.deployer) if cell.deployer in order else len(order))


def _room() -> bool:
    """Whether there is memory for a spare control plane."""
    return capacity.memory() > capacity.SPARE + capacity.RESERVE


def _skipped(selection: Selection, deployers: Sequence[str]) -> list[CellResult]:
    return [
        CellResult(left.recipe, deployer, skipped=True, reason=left.reason)
        for left in selection.left_out
        if left.reason.startswith(NO_NODES)
        for deployer in deployers
    ]


def _part(cells: Sequence[Cell], shard: str) -> Sequence[Cell]:
    number, slash, count = shard.partition("/")
    if not (slash and number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise UsageError(f"{shard!r} is not K/N, such as 2/5", where="--shard")
    return next((part.cells for part in shards(cells, int(count)) if part.number == int(number)), ())


def _tools(context: Context, lanes: Sequence[Lane]) -> dict[str, Path]:
    """The programs that the lanes need, all made ready: workers build nothing."""
    names = tools_of(context, lanes)
    context.toolbox.prepare(names)
    return {name: context.toolbox.path(name) for name in names}


def _place(directory: Path | None, context: Context) -> Path:
    """The file of the results: --results, $KWOK_RESULTS_FILE, or beside the evidence."""
    if directory is not None:
        return directory / reports.RESULTS_FILE
    named = os.environ.get(RESULTS_VARIABLE, "")
    return Path(named) if named else context.settings.artifacts / reports.RESULTS_FILE


def _evidence(artifacts: Path, task: Task) -> str:
    """What a worker that was killed had written by then; empty where there is nothing."""
    return next((str(found) for found in artifacts.glob(f"kwok-debug-*-{task.run_id}*") if found.is_dir()), "")


@dataclass
class _Writing:
    """Writes the results to `file`, and the other reports beside it, marked by `history`; tells each problem once."""

    file: Path
    tell: Callable[[str], None]
    history: Sequence[Results] = ()

    def __post_init__(self) -> None:
        self._told: set[str] = set()

    def __call__(self, results: Results) -> None:
        problems = list(reports.write(mark_flaky(results, self.history), self.file.parent))
        if self.file.name != reports.RESULTS_FILE:
            try:
                shutil.copyfile(self.file.parent / reports.RESULTS_FILE, self.file)
            except OSError as error:
                problems.append(f"{self.file}: {error.strerror}")
        for problem in problems:
            if problem not in self._told:
                self._told.add(problem)
                self.tell(problem)


@dataclass
class _Started:
    """Starts workers, each with ports of its own for registry and Git server: the documented ones first, then those
    after them. Cells that share a cluster have that one's.
    """

    context: Context
    tools: dict[str, Path]
    sets: tuple[str, ...]
    parity: bool
    keep: bool

    def __post_init__(self) -> None:
        self._ports: dict[int, Ports] = {}  # by slot: of cells under way

    def __call__(self, task: Task) -> Worker[Order, Outcome]:
        runtime, ports = self.context.choice.runtime, self._ports_of(task.slot)
        order = Order(task, self.context, runtime, self.tools, ports, self.sets, self.parity, self.keep)
        return Worker(carry_out, order)

    def _ports_of(self, slot: int) -> Ports:
        wanted = self.context.settings.ports
        if self.context.platform.shared:  # the cluster holds its ports between cells
            return wanted
        held = {port for other, ports in self._ports.items() if other != slot for port in ports.model_dump().values()}
        chosen: dict[str, int] = {}
        for name, first in wanted.model_dump().items():
            free = (port for port in range(first, min(first + 1000, 65536)) if port not in held and is_free(port))
            chosen[name] = next(free, first)
            held.add(chosen[name])
        self._ports[slot] = Ports(**chosen)
        return self._ports[slot]
