"""`run` and `bundle`: a recipe under a lane, and what would be delivered."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import click

from harness.bundles.bundlers.aicr import AicrBundler, find_aicr
from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.bundles.mirrors.addresses import mirrored
from harness.bundles.model import Bundler
from harness.cells.budget import Budget
from harness.cells.cell import Cell, new_run_id
from harness.cells.lane import Lane
from harness.cells.prepare import REFERENCE
from harness.cli.context import Context, as_json, recipe_names
from harness.exits import Exit
from harness.isolation.marks import Marks, sweep_abandoned
from harness.isolation.reservation import Stay
from harness.progress import Progress
from harness.publishing.publication import packed
from harness.recipes.load import Catalog
from harness.recipes.model import Recipe
from harness.recipes.resolve import resolve
from harness.recipes.values import SetOverride, check_sets, parse_set
from harness.results.journal import Journal
from lanes import LANES

deployer = click.option(
    "--deployer",
    "-d",
    metavar="LANE",
    help=f"The delivery path: {', '.join(lane.name for lane in LANES)}.  [default: the setting `deployer`]",
)
sets = click.option(
    "--set",
    "sets",
    metavar="COMPONENT:PATH=VALUE",
    multiple=True,
    help="Override a chart value, such as gpu-operator:driver.enabled=false.",
)


@click.command()
@click.argument("recipe", shell_complete=recipe_names)
@deployer
@sets
@click.option("--keep", is_flag=True, help="Leave the cluster as it ends up, and say how to reach it.")
@click.option("--parity/--no-parity", default=True, help="Whether the objects must be those that helm would make.")
@click.option(
    "--upgrade-from",
    metavar="RECIPE|DIRECTORY",
    help="Deliver that first, then RECIPE in its place: another recipe, or the same one of another data directory.",
)
@click.option("--reuse", is_flag=True, help="Run on the named cluster (setting `cluster`) and clean it afterwards.")
@as_json
@click.pass_obj
def run(
    context: Context,
    recipe: str,
    deployer: str | None,
    sets: tuple[str, ...],
    keep: bool,
    parity: bool,
    upgrade_from: str | None,
    reuse: bool,
    as_json: bool,
) -> Exit:
    """Run RECIPE under a lane and say whether every workload is scheduled as intended."""
    lane, budget = context.lane(deployer), Budget.of(os.environ)
    overrides = overrides_of(context, sets)
    resolved = mirrored(resolve(context.catalog, recipe), context.settings.mirrors)
    earlier = _earlier(context, recipe, upgrade_from) if upgrade_from else None
    nodes = context.nodes(resolved.criteria)
    with context.console as console, context.toolbox as tools:
        bundler = bundler_of(context, overrides, console)
        journal = Journal(console)
        context.settle_runtime(console)
        marks = Marks(context.platform.state)
        sweep_abandoned(context.runtime, marks, journal)
        tools.prepare(tools_of(context, [lane]))
        run_id = new_run_id()
        named = reuse or context.platform.shared
        stay = Stay(
            context.runtime,
            marks,
            journal,
            context.settings.deadlines,
            cell=f"{recipe} under {lane.name}",
            name=context.settings.cluster if named else f"{context.settings.cluster}-{run_id.rpartition('-')[2]}",
            reuse=named,
        )
        outcome = Cell(
            recipe=resolved,
            nodes=nodes,
            lane=lane,
            settings=context.settings,
            bundler=bundler,
            platform=context.platform,
            stay=stay,
            tools=tools.path,
            cancel=tools.close,
            journal=journal,
            run_id=run_id,
            keep=keep,
            parity=parity,
            upgrade_from=earlier,
            budget=budget,
        ).carry_out()
    if as_json:
        context.data(outcome.document())
    else:
        context.console.outcome(outcome)
    return outcome.exit


@click.command()
@click.argument("recipe", shell_complete=recipe_names)
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="The directory to make; absent or empty before."
)
@deployer
@sets
@as_json
@click.pass_obj
def bundle(
    context: Context, recipe: str, output: Path, deployer: str | None, sets: tuple[str, ...], as_json: bool
) -> None:
    """Write the bundle that a lane would deliver for RECIPE; no cluster is needed."""
    lane = context.lane(deployer)
    bundler = bundler_of(context, overrides_of(context, sets), context.console)
    resolved = mirrored(resolve(context.catalog, recipe), context.settings.mirrors)
    document = {"directory": str(output)}
    if lane.shape == REFERENCE:
        made = bundler.make(resolved, lane.shape, output)
    else:
        with tempfile.TemporaryDirectory(prefix="kwok-harness-") as directory:
            made = bundler.make(resolved, REFERENCE, Path(directory) / "reference")
            ready = packed(bundler, resolved, lane.shape, lane.name, made, context.platform.registry, output)
        document |= {"address": f"{ready.target.url}:{ready.target.tag}", "digest": ready.artifact.digest}
    rows = [(f"{f.number:03}", f.release, f.namespace, ", ".join(f.depends_on)) for f in made.folders]
    headings = ("number", "release", "namespace", "after")
    if as_json:
        context.data(document | {"releases": [dict(zip(headings, row, strict=True)) for row in rows]})
    else:
        context.console.table(headings, rows)
        for key in ("address", "digest"):
            if key in document:
                context.console.text(f"{key}: {document[key]}")


def _earlier(context: Context, recipe: str, source: str) -> Recipe:
    """What an upgrade starts from: `source` is a recipe, or a data directory that has another state of `recipe`."""
    if os.sep in source or Path(source).is_dir():
        catalog, name = Catalog.load(Path(source)), recipe
    else:
        catalog, name = context.catalog, source
    return mirrored(resolve(catalog, name), context.settings.mirrors)


def tools_of(context: Context, lanes: Iterable[Lane]) -> tuple[str, ...]:
    """Every program that cells under these lanes need, the cluster's first."""
    lanes = tuple(lanes)
    needed = context.platform.tools(installer for lane in lanes for installer in lane.infrastructure)
    return tuple(dict.fromkeys((*needed, "helm", *(name for lane in lanes for name in lane.tools), "kubectl")))


def overrides_of(context: Context, sets: tuple[str, ...]) -> tuple[SetOverride, ...]:
    """What `--set` says. Raises UsageError for a component that the data does not know."""
    overrides = tuple(parse_set(text) for text in sets)
    check_sets(context.catalog, overrides)
    return overrides


def bundler_of(context: Context, overrides: tuple[SetOverride, ...], progress: Progress) -> Bundler:
    """The one that the settings choose."""
    if context.settings.bundler == "builtin":
        return BuiltinBundler(overrides, progress=progress)
    settings = context.settings
    binary = find_aicr(settings.aicr, Path.cwd())
    return AicrBundler(binary, overrides, progress=progress, mirrors=settings.mirrors)
