"""`suite`: end-to-end suites of a platform, planned and run on a cluster of their own."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from harness.cli.context import Context, as_json
from harness.cli.suite_plan import plan_document, show_plan
from harness.cli.suite_results import require_writable, show, verdict, write_reports
from harness.cli.suite_running import Running
from harness.endtoend import reading
from harness.endtoend.model import HOST, RUNTIMES, EndToEndSuite
from harness.endtoend.plan import plan
from harness.errors import UsageError
from harness.evidence.directory import EvidenceDirectory, new_run_id
from harness.exits import Exit
from harness.reports.announcing import append_summary
from harness.reports.suites import Format
from harness.reports.suites import summary as step_summary
from kwok.engine.client import Engine, EngineMissing
from kwok.kind import gpus

REPORTS = [each.value for each in Format]
DEFAULT_REPORTS = (Format.JUNIT_STEP, Format.CTRF, Format.HTML, Format.SUMMARY)


@click.group()
def suite() -> None:
    """Plan and run end-to-end suites: set-up, processes under test, and cases in order."""


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR"),
        click.option("--case", "pattern", default="", metavar="PATTERN", help="Only cases whose name matches: '03-*'."),
        click.option("--from", "begin", default="", metavar="CASE", help="Begin with this case."),
        click.option("--gpu", type=click.Choice(reading.GPUS), help="Which GPUs the nodes have."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@suite.command("plan")
@_options
@click.option("--runtime", type=click.Choice(RUNTIMES), help="Only this runtime.")
@as_json
@click.pass_obj
def plan_(
    context: Context, folder: Path, pattern: str, begin: str, gpu: str | None, runtime: str | None, as_json: bool
) -> Exit:
    """Print the steps of the suite in DIR, what is judged on which runtime, and why the rest is not.

    Exit code 10 when the file or a case is wrong, 1 when a case would be red by its declarations alone.
    """
    found, warnings = reading.load(folder)
    for warning in warnings:
        context.console.note(f"warning: {warning}")
    plans = [
        plan(found, each, pattern=pattern, begin=begin, gpu=_gpu(found, gpu, each).kind)
        for each in RUNTIMES
        if runtime in (None, each)
    ]
    if as_json:
        context.data([plan_document(each) for each in plans])
    else:
        for each in plans:
            show_plan(context, each)
    red = any(step.problem for each in plans for case in each.cases for step in case.steps)
    return Exit.FAILURE if red else Exit.OK


@suite.command("run")
@_options
@click.option("--runtime", type=click.Choice(RUNTIMES), help="Where the cluster runs.  [default: as the suite says]")
@click.option("--keep", is_flag=True, help="Leave the cluster and its processes up afterwards.")
@click.option("--report", "reports", multiple=True, type=click.Choice(REPORTS), help="Write this report.")
@click.option("--report-path", type=click.Path(file_okay=False, path_type=Path), help="The folder of the reports.")
@click.option("--report-name", default="e2e", show_default=True)
@click.pass_obj
def run(
    context: Context,
    folder: Path,
    pattern: str,
    begin: str,
    gpu: str | None,
    runtime: str | None,
    keep: bool,
    reports: tuple[str, ...],
    report_path: Path | None,
    report_name: str,
) -> Exit:
    """Run the suite in DIR on a cluster of its own.

    Exit code 0 when no case is red and at least one passed, 1 otherwise; 12 when the set-up failed, so that no case was
    run; 10 when the file or a case is wrong, or an image is missing; 11 when the cluster did not come up.
    """
    found, warnings = reading.load(folder)
    for warning in warnings:
        context.console.note(f"warning: {warning}")
    _settle(context, found, runtime)
    gpus_ = _gpu(found, gpu, context.choice.runtime)
    planned = plan(found, context.choice.runtime, pattern=pattern, begin=begin, gpu=gpus_.kind)
    if report_path is not None:
        require_writable(report_path)
    run_id = new_run_id()
    artifacts = EvidenceDirectory(context.settings.artifacts, "suite", found.name, run_id)
    record, code = Running(context, planned, gpus_, artifacts, run_id, keep=keep).carry_out()
    for note in record.notes:
        context.console.note(note)
    show(context, record)
    wanted = [Format(each) for each in reports] or list(DEFAULT_REPORTS)
    try:
        write_reports(context, record, [(wanted, report_path or artifacts.path / "reports", report_name, "step")])
        if trouble := append_summary(os.environ, partial(step_summary.document, record)):
            context.console.note(trouble)
    finally:
        verdict(context, record)
        context.console.note(f"artifacts: {artifacts.path}")
    return code


def _gpu(found: EndToEndSuite, said: str | None, runtime: str) -> gpus.Choice:
    """Which GPUs there are. Raises UsageError for real ones where there are no real nodes."""
    wanted: Any = said or found.cluster.gpu
    if runtime == HOST:
        if said == "real":
            raise UsageError("there is no real node on the host runtime", where="--gpu real", do="add --runtime kind")
        return gpus.Choice("simulated", "nothing runs on the nodes of the host runtime")
    try:
        return gpus.choose(wanted, Engine.connect().runtimes)
    except EngineMissing:
        return gpus.choose(wanted, ())  # a plan for another machine; a run says it when it begins


def _settle(context: Context, found: EndToEndSuite, runtime: str | None) -> None:
    """The settings that the suite and the options decide; before they are first asked for."""
    wanted = found.cluster
    context.override("runtime", runtime or (wanted.runtime if wanted.runtime != "auto" else None))
    for key, value in (("system", wanted.system), ("accelerated", wanted.accelerated)):
        context.override(f"nodes.{key}", None if value is None else str(value))
    context.override("pods", str(wanted.pods))
    if any(process.webhooks is not None for process in found.processes):
        context.override("webhooks", "refuse")  # they are called, and an object that they refuse is refused
