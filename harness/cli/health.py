"""`health`: what the components of a recipe say of themselves, on the cluster that is up."""

from collections.abc import Iterable, Mapping

import click

from harness.cli.connecting import connect
from harness.cli.context import Context, as_json, recipe_names
from harness.errors import UsageError, did_you_mean
from harness.exits import Exit
from harness.isolation.marks import Marks
from harness.recipes.model import Component, Recipe
from harness.validation.health import Checked, Checking, Health, require_healthy, simulated, told
from harness.validation.health_checks import HealthCheck, checks_of


@click.command()
@click.argument("components", nargs=-1, metavar="[COMPONENT...]")
@click.option("--recipe", shell_complete=recipe_names, help="The recipe whose components are checked.")
@as_json
@click.pass_obj
def health(context: Context, components: tuple[str, ...], recipe: str | None, as_json: bool) -> Exit:
    """Judge the health checks of COMPONENTs, or of all that have one, on the cluster that is up.

    Without --recipe, the components are those of the recipe that the cluster was kept with.
    """
    name = context.settings.cluster
    resolved = context.resolved(recipe or _kept(context, name))
    checks = _checks(resolved, components)
    cluster = connect(context, None, None).cluster
    deadlines = context.settings.deadlines
    checking = Checking(cluster, simulated(cluster), deadlines.health, deadlines.health_grace)
    results = checking.all(check for found in checks.values() for check in found)
    without = [component for component, found in checks.items() if not found]
    if as_json:
        context.data({"checks": [each.document() for each in results], "without": without})
    else:
        _print(context, results, without)
    summary = require_healthy(results)
    if not as_json:
        context.console.text(summary)
    return Exit.OK


def _print(context: Context, results: list[Checked], without: Iterable[str]) -> None:
    for each in results:
        if each.health is not Health.FAILED:  # those are told by the error
            context.console.text(f"{each} ({each.seconds:.1f} s)")
    for note in told(results):
        context.console.note(note)
    for component in without:
        context.console.note(f"{component} has no health check")


def _kept(context: Context, cluster: str) -> str:
    """The recipe that the cluster was left with."""
    mark = Marks(context.platform.state).read(cluster)
    recipe, _, lane = (mark.cell if mark else "").partition(" under ")
    if not lane:
        raise UsageError(
            f"it is not known which recipe runs on cluster {cluster}",
            do="name it with --recipe; kwok-harness run RECIPE --reuse --keep leaves one there",
        )
    return recipe


def _checks(recipe: Recipe, names: tuple[str, ...]) -> Mapping[str, tuple[HealthCheck, ...]]:
    """The checks by component: all are read before any is judged."""
    known: dict[str, Component] = {component.name: component for component in recipe.components}
    for name in names:
        if name not in known:
            disabled = any(component.name == name for component in recipe.disabled)
            what = "is switched off in" if disabled else "is not a component of"
            raise UsageError(f"{name} {what} {recipe.name}", do="" if disabled else did_you_mean(name, known))
    checks = {name: checks_of(recipe, known[name]) for name in names or known}
    if without := [name for name in names if not checks[name]]:
        raise UsageError(
            f"{', '.join(without)}: no health check", do="healthCheck.assertFile in registry.yaml names one"
        )
    return checks
