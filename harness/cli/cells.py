"""`run` and `bundle`: a recipe under a lane, and what would be delivered.

What they do it with is imported by the functions that use it: the tab key after `run` needs the options only.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.context import Context, as_json, recipe_names
from harness.errors import UsageError
from harness.exits import Exit

if TYPE_CHECKING:
    from harness.cells.lane import Lane
    from harness.publishing.transport import Client
    from harness.recipes.model import Recipe


class _Lane(click.Option):
    """Its help lists the lanes, which are imported for that."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        from lanes import LANES

        names = ", ".join(lane.name for lane in LANES)
        self.help = f"The delivery path: {names}.  [default: the setting `deployer`]"
        return super().get_help_record(ctx)


deployer = click.option("--deployer", "-d", cls=_Lane, metavar="LANE")
sets = click.option(
    "--set",
    "sets",
    metavar="COMPONENT:PATH=VALUE",
    multiple=True,
    help="Override a chart value, such as gpu-operator:driver.enabled=false.",
)

constraints = click.option(
    "--constraints",
    type=click.Choice(["note", "enforce"]),
    help="What to do if the cluster's version does not meet a constraint of the recipe.  [default: the setting]",
)


@click.command()
@click.argument("recipe", shell_complete=recipe_names)
@deployer
@sets
@constraints
@click.option("--keep", is_flag=True, help="Keep the cluster, and print how to connect to it.")
@click.option("--parity/--no-parity", default=True, help="Check that the objects are those that helm would make.")
@click.option("--health", is_flag=True, help="Judge the health checks of its components as well.")
@click.option(
    "--upgrade-from",
    metavar="RECIPE|DIRECTORY",
    help="Deliver that first, then RECIPE in its place: another recipe, or the same one of another data directory.",
)
@click.option(
    "--validate",
    "validate",
    is_flag=False,
    flag_value="all",
    metavar="[PHASES]",
    help="Then run the checks that RECIPE declares: all, or those of phases such as deployment,conformance.",
)
@click.option("--reuse", is_flag=True, help="Run on the named cluster (setting `cluster`) and clean it afterwards.")
@as_json
@click.pass_obj
def run(
    context: Context,
    recipe: str,
    deployer: str | None,
    sets: tuple[str, ...],
    constraints: str | None,
    keep: bool,
    parity: bool,
    health: bool,
    upgrade_from: str | None,
    validate: str | None,
    reuse: bool,
    as_json: bool,
) -> Exit:
    """Run RECIPE under a lane and check that every workload is scheduled as intended."""
    from harness.cells.budget import Budget
    from harness.cells.validate import Validating
    from harness.cli.assembly import assemble, bundler_of, sets_of, tools_of
    from harness.evidence.directory import new_run_id
    from harness.isolation.marks import Marks, sweep_abandoned
    from harness.results.journal import Journal
    from kwok import VALIDATORS

    context.override("constraints", constraints)
    lane, budget = context.lane(deployer), Budget.of(os.environ)
    bundler = bundler_of(context, sets_of(context, sets))
    resolved = context.resolved(recipe)
    validating = Validating.of(VALIDATORS, validate) if validate is not None else None
    earlier = _earlier(context, recipe, upgrade_from) if upgrade_from else None
    with context.console as console, context.toolbox as tools:
        journal = Journal(console)
        context.settle_runtime(console)
        sweep_abandoned(context.runtime, Marks(context.platform.state), journal)
        tools.prepare(tools_of(context, [lane]))
        run_id = new_run_id()
        named = reuse or context.platform.shared
        name = context.settings.cluster if named else f"{context.settings.cluster}-{run_id.rpartition('-')[2]}"
        outcome = assemble(
            context,
            context.settings,
            context.platform,
            resolved,
            lane,
            name=name,
            reuse=named,
            bundler=bundler,
            tools=tools.path,
            cancel=tools.close,
            journal=journal,
            run_id=run_id,
            keep=keep,
            parity=parity,
            health=health,
            upgrade_from=earlier,
            validating=validating,
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
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="The directory to create; it must not exist, or be empty.",
)
@click.option("--push", is_flag=True, help="Push it to the address in `registry.address` or `git.remote`.")
@deployer
@sets
@as_json
@click.pass_obj
def bundle(
    context: Context, recipe: str, output: Path, push: bool, deployer: str | None, sets: tuple[str, ...], as_json: bool
) -> None:
    """Write the bundle that a lane would deliver for RECIPE; no cluster is needed."""
    from harness.cells.prepare import REFERENCE
    from harness.cli.assembly import bundler_of, sets_of
    from harness.publishing.publication import packed, publication, require_reachable
    from harness.validation.components import notes_of

    lane = context.lane(deployer)
    store, client = lane.store, _pushing_to(context, lane) if push else None
    bundler = bundler_of(context, sets_of(context, sets))
    resolved = context.resolved(recipe)
    for note in (*notes_of(resolved, bundler.sets), *bundler.notes(resolved)):
        context.console.note(note)
    document: dict[str, str | bool] = {"directory": str(output)}
    if store is None:
        made = bundler.make(resolved, lane.shape, output)
    else:
        with tempfile.TemporaryDirectory(prefix="kwok-harness-") as directory:
            made = bundler.make(resolved, REFERENCE, Path(directory) / "reference")
            if not context.platform.here:
                require_reachable(resolved)
            place = store.place(context.settings, here=context.platform.here)
            bundled = (bundler, resolved, lane.shape, lane.name, made, place, output)
            if client is None:
                ready = packed(*bundled)
                target, digest = ready.target, ready.artifact.digest
            else:
                pushed = publication(*bundled).push(client)
                target, digest = pushed.target, pushed.published.digest
        document |= {"address": f"{target.url}:{target.tag}", "digest": digest, "pushed": push}
    rows = [(f"{f.number:03}", f.release, f.namespace, ", ".join(f.depends_on)) for f in made.folders]
    headings = ("number", "release", "namespace", "after")
    if as_json:
        context.data(document | {"releases": [dict(zip(headings, row, strict=True)) for row in rows]})
    else:
        context.console.table(headings, rows)
        for key in ("address", "digest"):
            if key in document:
                context.console.text(f"{key}: {document[key]}")


def _pushing_to(context: Context, lane: Lane) -> Client:
    """The client of the registry or repository that the settings name. Raises UsageError where they name none, or there
    is nothing to push.
    """
    store, settings = lane.store, context.settings
    if store is None:
        raise UsageError(
            f"the bundle of the lane {lane.name} is not pushed: helm installs it from the directory",
            where="--push",
            do="name a lane that delivers from a registry, for example --deployer flux-oci",
        )
    if not store.elsewhere(settings):
        what, example = store.example
        raise UsageError(f"no {what} is named", where="--push", do=f"name one: -o {store.setting}={example}")
    return store.here(settings, None).client(retries=settings.retries)


def _earlier(context: Context, recipe: str, source: str) -> Recipe:
    """What an upgrade starts from: `source` is a recipe, or a data directory that has another state of `recipe`."""
    if os.sep in source or Path(source).is_dir():
        return context.resolved(recipe, context.catalog_at(Path(source)))
    return context.resolved(source)
