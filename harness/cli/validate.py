"""`validate`: whether a cluster is what a recipe asks for."""

import os
from pathlib import Path

import click

from harness.cli.connecting import connecting, which_cluster
from harness.cli.context import Context
from harness.errors import HarnessError, Terminated, UsageError
from harness.excerpts import first_line
from harness.exits import Exit
from harness.names import own_version
from harness.replacing import replace
from harness.validation import ctrf, phases, sources
from harness.validation.checks.access import NAMESPACE
from harness.validation.checks.catalog import Catalog
from harness.validation.checks.images import Images
from harness.validation.declared import Declared, findings
from harness.validation.evidence import write as write_evidence
from harness.validation.results import Report, summary
from harness.validation.run import AUTO, EXECUTORS, Validation
from kwok import VALIDATORS


@click.command()
@click.option("--recipe", "-r", required=True, metavar="NAME|FILE", help="A recipe, or a file with a resolved one.")
@click.option(
    "--snapshot", "-s", "place", metavar="FILE|URL|cm://NAMESPACE/NAME", help="What constraints are evaluated on."
)
@click.option(
    "--phase", "words", multiple=True, help="deployment, conformance, performance or all; repeatable.  [default: all]"
)
@click.option("--fail-fast", is_flag=True, help="Skip the phases after the first that did not pass.")
@click.option("--fail-on-error", type=bool, default=True, show_default=True, help="Exit with code 1 if a phase fails.")
@click.option("--no-cluster", is_flag=True, help="Evaluate the constraints alone; every check is skipped.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A directory whose validators/catalog.yaml replaces and adds checks.",
)
@click.option("--executor", type=click.Choice(EXECUTORS), default=AUTO, show_default=True, help="How checks are run.")
@click.option("--namespace", default=NAMESPACE, show_default=True, help="Where the run's objects are.")
@click.option(
    "--node-selector", "selectors", metavar="KEY=VALUE", multiple=True, help="For workloads that checks make."
)
@click.option("--toleration", "tolerations", metavar="KEY=VALUE:EFFECT", multiple=True, help="For the same workloads.")
@click.option("--image-pull-secret", "pull_secrets", metavar="NAME", multiple=True, help="For the images of checks.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the report (CTRF) here.")
@click.option(
    "--evidence", type=click.Path(file_okay=False, path_type=Path), help="Write a page per requirement below this."
)
@click.option("--plan", is_flag=True, help="Say what would run, and do nothing.")
@which_cluster()
@click.pass_obj
def validate(
    context: Context,
    recipe: str,
    place: str | None,
    words: tuple[str, ...],
    fail_fast: bool,
    fail_on_error: bool,
    no_cluster: bool,
    data: Path | None,
    executor: str,
    namespace: str,
    selectors: tuple[str, ...],
    tolerations: tuple[str, ...],
    pull_secrets: tuple[str, ...],
    output: Path | None,
    evidence: Path | None,
    plan: bool,
    kubeconfig: Path | None,
    context_name: str | None,
) -> Exit:
    """Check whether a cluster meets the requirements of a recipe."""
    selected = phases.select(words)
    connect = connecting(context, kubeconfig, context_name)
    validation = Validation(
        declared=_declared(context, recipe),
        snapshot=sources.read(place, connect) if place else None,
        catalog=_catalog(data),
        selected=selected,
        connect=None if no_cluster else connect,
        progress=context.console,
        executor=executor,
        fail_fast=fail_fast,
        namespace=namespace,
        node_selector=dict(_pair(text) for text in selectors),
        tolerations=tolerations,
        pull_secrets=pull_secrets,
        images=Images.of(os.environ),
    )
    if plan:
        _show_plan(context, validation)
        return Exit.OK
    with context.console:
        try:
            validation.carry_out()
        except (KeyboardInterrupt, Terminated):
            ended = len(validation.report.tests) if validation.report else 0
            context.console.note(
                f"interrupted: {ended} checks had ended, and nothing of the run is left on the cluster"
            )
            raise
        finally:
            if report := validation.report:
                _keep(context, report, output, evidence)
    return _show(context, report, fail_on_error) if report else Exit.FAILURE


def _declared(context: Context, recipe: str) -> Declared:
    """What a recipe declares, by its name or in a file."""
    if os.sep in recipe or recipe.endswith((".yaml", ".yml", ".json")):
        return Declared.of_file(Path(recipe))
    return Declared.of_recipe(context.resolved(recipe))


def _catalog(data: Path | None) -> Catalog:
    """The checks of the harness, and those of `data` in their place and beside them. Raises DataError."""
    found = Catalog.load(VALIDATORS)
    return found.with_external(Catalog.load(data / "validators" / "catalog.yaml")) if data else found


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UsageError(f"{text!r} is not KEY=VALUE", where="--node-selector")
    return key, value


def _show_plan(context: Context, validation: Validation) -> None:
    rows = [
        (plan.name, entry.name, f"{entry.timeout:g} s", validation.images.resolve(entry.image), entry.description)
        for plan in validation.plans
        for entry in plan.entries
    ]
    constraints = [(each.name, each.value) for each in validation.declared.constraints]
    if constraints:
        context.console.table(("constraint", "expected"), constraints)
    if rows:
        context.console.table(("phase", "check", "timeout", "image", "description"), rows)
    for note in findings(validation.declared, validation.catalog):
        context.console.note(note)


def _keep(context: Context, report: Report, output: Path | None, evidence: Path | None) -> None:
    """Write what was evaluated so far, whatever ends the validation."""
    if output is not None:
        try:
            replace(output, ctrf.text(ctrf.document(report, version=own_version())), mode=0o644)
        except OSError as error:
            raise HarnessError(f"cannot be written: {error.strerror}", where=str(output)) from error
    if evidence is not None:
        files = write_evidence(report, evidence)
        if len(files) == 1:
            context.console.note(f"no requirement was evaluated: {evidence} contains only the summary")


def _show(context: Context, report: Report, fail_on_error: bool) -> Exit:
    """The report for people, and the exit code."""
    console = context.console
    if report.constraints:
        rows = [(each.constraint.name, each.constraint.value, each.actual) for each in report.constraints]
        console.table(("constraint", "expected", "actual"), rows)
    tests = [(t.phase, t.name, t.status.value, f"{t.seconds:.1f}", first_line(t.message)) for t in report.tests]
    if tests:
        console.table(("phase", "check", "status", "seconds", "message"), tests)
    for note in (*report.findings, *report.notes):
        console.text(f"note: {note}")
    if report.simulated:
        console.text(f"note: the cluster is a simulated one: {report.simulated}")
    console.text(f"{'FAILED' if report.problem else 'PASSED'} {report.recipe}: {report.problem or summary(report)}")
    if report.problem:
        console.text(summary(report))
    return Exit.FAILURE if report.problem and fail_on_error else Exit.OK
