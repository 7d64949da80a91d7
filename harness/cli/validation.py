"""`snapshot` and `validate`: what a cluster is, and whether it is what a recipe asks for."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TypeVar

import click

from harness.cli.context import Context
from harness.cluster.api import Cluster
from harness.errors import ClusterError, HarnessError, Terminated, UsageError, coming_up
from harness.excerpts import first_line
from harness.exits import Exit
from harness.formats.go_yaml import dump
from harness.names import PROGRAM
from harness.objects import NODES
from harness.replacing import replace
from harness.validation import ctrf, phases, sources
from harness.validation.capture import capture
from harness.validation.checks.access import NAMESPACE
from harness.validation.checks.catalog import Catalog
from harness.validation.checks.images import Images
from harness.validation.declared import Declared, findings
from harness.validation.evidence import write as write_evidence
from harness.validation.machine import measure, node_of
from harness.validation.measurements import Snapshot
from harness.validation.results import Report, summary
from harness.validation.run import AUTO, EXECUTORS, Validation
from kwok import VALIDATORS

_Command = TypeVar("_Command", bound=Callable[..., object])


def which_cluster(command: _Command) -> _Command:
    """The options that name a cluster; without them it is the harness's own that is up."""
    file = click.option(
        "--kubeconfig",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="The cluster: a kubeconfig file.  [default: the cluster of the harness that is up]",
    )
    name = click.option(
        "--context", "cluster_context", help="The context of the kubeconfig; its current one if absent."
    )
    return file(name(command))


def connecting(context: Context, kubeconfig: Path | None, cluster_context: str | None) -> Callable[[], Cluster]:
    """Connects, once, when a cluster is first needed. Raises ClusterError where none is up and none was named."""

    @cache
    def connect() -> Cluster:
        if kubeconfig is not None:
            return Cluster(kubeconfig, context=cluster_context)
        running = context.runtime.get(context.settings.cluster)
        if running is None:
            do = f"{PROGRAM} up, or name a cluster with --kubeconfig"
            with coming_up():
                raise ClusterError(f"cluster {context.settings.cluster} is not up", do=do)
        return Cluster(running.kubeconfig, context=cluster_context or running.context)

    return connect


@click.command()
@click.option("--output", metavar="FILE|cm://NAMESPACE/NAME", help="Where it goes.  [default: stdout]")
@which_cluster
@click.option(
    "--machine/--no-machine",
    default=None,
    help="Whether OS and SystemD of this machine belong to it.  [default: where it is a node of the cluster]",
)
@click.pass_obj
def snapshot(
    context: Context, output: str | None, kubeconfig: Path | None, cluster_context: str | None, machine: bool | None
) -> None:
    """Write what a cluster's API server tells of it: the snapshot that constraints are evaluated on."""
    connect = connecting(context, kubeconfig, cluster_context)
    if output and output.startswith(sources.SCHEME):
        sources.configmap_at(output)
    taken = _with_machine(context, capture(connect(), now=datetime.now(UTC), version=_version()), connect(), machine)
    if taken.simulated:
        context.console.note(f"this is a snapshot of a simulated cluster: {taken.simulated}")
    if output is None:
        context.console.text(dump(taken.document()).decode().rstrip())
        return
    sources.write(taken, output, connect)
    context.console.note(f"snapshot of {connect().server}: {output}")


@click.command()
@click.option("--recipe", "-r", required=True, metavar="NAME|FILE", help="A recipe, or a file with a resolved one.")
@click.option(
    "--snapshot", "-s", "place", metavar="FILE|URL|cm://NAMESPACE/NAME", help="What constraints are evaluated on."
)
@click.option(
    "--phase", "words", multiple=True, help="deployment, conformance, performance or all; repeatable.  [default: all]"
)
@click.option("--fail-fast", is_flag=True, help="Skip the phases after the first that did not pass.")
@click.option(
    "--fail-on-error", type=bool, default=True, show_default=True, help="Whether a red phase ends with code 1."
)
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
@which_cluster
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
    cluster_context: str | None,
) -> Exit:
    """Say whether a cluster meets what a recipe asks of it."""
    selected = phases.select(words)
    connect = connecting(context, kubeconfig, cluster_context)
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
            replace(output, ctrf.text(ctrf.document(report, version=_version())), mode=0o644)
        except OSError as error:
            raise HarnessError(f"cannot be written: {error.strerror}", where=str(output)) from error
    if evidence is not None:
        files = write_evidence(report, evidence)
        if len(files) == 1:
            context.console.note(f"no requirement was evaluated: {evidence} holds the summary alone")


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


def _with_machine(context: Context, taken: Snapshot, cluster: Cluster, wanted: bool | None) -> Snapshot:
    """The snapshot with what this machine tells of itself, where it belongs there; said where it does not."""
    name = node_of(cluster.list(NODES).items)
    if wanted is False or (wanted is None and not name):
        if wanted is None:
            why = "this machine is no node of the cluster (--machine takes them all the same)"
            context.console.note(f"OS and SystemD are left out: {why}")
        return taken
    metadata = {**taken.metadata, "machine": name or "not a node of the cluster"}
    return Snapshot({**taken.measurements, **measure()}, metadata)


def _version() -> str:
    from importlib.metadata import version

    return version(PROGRAM)
