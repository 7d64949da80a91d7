"""`suite`: end-to-end suites of a platform, planned and run on a cluster of their own."""

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from harness.cli.context import Context, as_json
from harness.cli.images import have_images_of
from harness.cli.suite_results import require_writable, show, verdict, write_reports
from harness.cli.test import PASSED_ON
from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.endtoend import reading
from harness.endtoend.acting import Acting
from harness.endtoend.model import HOST, KIND, RUNTIMES, ChartInstalled, EndToEndSuite, Pods
from harness.endtoend.plan import Plan, StepPlan, plan
from harness.endtoend.pod_logs import pod_logs
from harness.endtoend.processes.declared import ObjectStore, Registry, Tool
from harness.endtoend.processes.supervised import Processes
from harness.endtoend.run import Stage, SuiteRun
from harness.endtoend.setting_up import Means, SettingUp
from harness.endtoend.workloads import Workloads
from harness.errors import Terminated, UsageError, coming_up
from harness.evidence import recorder as recording
from harness.evidence import recordings
from harness.evidence.directory import EvidenceDirectory, new_run_id
from harness.evidence.recorder import Recorder
from harness.exits import Exit
from harness.helm.client import Helm
from harness.installers.in_cluster.infrastructure import KindInfrastructure
from harness.installers.on_host import HostInfrastructure
from harness.isolation.marks import Marks, sweep_abandoned
from harness.isolation.reservation import Stay
from harness.processes.commands import ALL, Scope, stop_children
from harness.processes.services import Services
from harness.processes.signals import handed
from harness.processes.threads import Background
from harness.recipes.model import ANY, Criteria
from harness.reports.suites import Format, telling
from harness.reports.suites import summary as step_summary
from harness.results.journal import Journal
from harness.suites.record import RunRecord
from harness.suites.running.clients import Client
from harness.suites.running.options import RunOptions
from kwok.engine.client import Engine, EngineMissing
from kwok.kind import gpus
from kwok.kind.config import node_container

REPORTS = [each.value for each in Format]
DEFAULT_REPORTS = (Format.JUNIT_STEP, Format.CTRF, Format.HTML, Format.SUMMARY)
_CANCELLED_TEXT = "interrupted: what always runs still does, for at most 30 s; once more ends at once"


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
        context.data([_document(each) for each in plans])
    else:
        for each in plans:
            _show_plan(context, each)
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
    record, code = _Running(context, planned, gpus_, artifacts, run_id, keep=keep).carry_out()
    for note in record.notes:
        context.console.note(note)
    show(context, record)
    wanted = [Format(each) for each in reports] or list(DEFAULT_REPORTS)
    try:
        write_reports(context, record, [(wanted, report_path or artifacts.path / "reports", report_name, "step")])
        _announce(context, record)
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


@dataclass
class _Running:
    context: Context
    plan: Plan
    gpus: gpus.Choice
    artifacts: EvidenceDirectory
    run_id: str
    keep: bool

    def carry_out(self) -> tuple[RunRecord, Exit]:
        context, suite_ = self.context, self.plan.suite
        with context.console as console, context.toolbox as tools:
            journal = Journal(console)
            context.settle_runtime(console)
            marks = Marks(context.platform.state)
            sweep_abandoned(context.runtime, marks, journal)
            images = have_images_of(context, suite_) if self.plan.runtime == KIND else ()
            tools.prepare(tuple(dict.fromkeys((*context.platform.tools(()), *self._tools()))))
            stay = Stay(
                context.runtime,
                marks,
                journal,
                context.settings.deadlines,
                cell=f"suite {suite_.name}",
                name=f"{context.settings.cluster}-{self.run_id.rpartition('-')[2]}",
                reuse=False,
            )
            infrastructure: Any = None
            try:
                with coming_up():
                    profile = suite_.cluster.profile
                    criteria = Criteria(profile.get("service", ANY), profile.get("accelerator", ANY))
                    running, cluster = stay.begin(context.nodes(criteria))
                infrastructure = context.platform.infrastructure(running, cluster, tools.path, console)
                if self.plan.runtime == KIND:
                    self._furnish_real_node(infrastructure, cluster, criteria, images)
                with self._recorder(running.name) as recorder:
                    return self._on(Client(cluster), infrastructure, running.kubeconfig, recorder)
            finally:
                if infrastructure is not None:
                    infrastructure.close()
                console.note(stay.end(lambda kept: self._helm(kept.kubeconfig), keep=self.keep, hurried=True))

    def _furnish_real_node(
        self, infrastructure: KindInfrastructure, cluster: Cluster, criteria: Criteria, images: tuple[str, ...]
    ) -> None:
        """Its images and its GPUs, before anything of the suite is made."""
        with coming_up():
            if images:
                infrastructure.site.images(images)
            self.context.console.note(f"GPUs of the real node: {self.gpus.kind or 'none'}, {self.gpus.why}")
            gpu = self.context.profiles.of(criteria.service, criteria.accelerator).accelerated.spec.gpu
            if self.gpus.kind == "simulated" and self.plan.suite.cluster.real and gpu is not None:
                name = node_container(infrastructure.site.running.name)
                gpus.advertise(cluster, name, gpu, Deadline.after(self.context.settings.deadlines.nodes_ready))

    def _tools(self) -> Iterator[str]:
        yield "kubectl"
        if any(isinstance(step.action, ChartInstalled) for step in self.plan.setup):
            yield "helm"
        if self.plan.runtime != HOST:
            return
        for process in self.plan.suite.processes:
            match process.run:
                case Registry():
                    yield "registry"
                case Tool(name=name):
                    yield name
                case ObjectStore():
                    yield "s3"

    def _helm(self, kubeconfig: Path, scope: Scope = ALL) -> Helm:
        home = self.artifacts.path / ".helm"
        home.mkdir(mode=0o700, exist_ok=True)
        return Helm(self.context.toolbox.path("helm"), home, kubeconfig, scope=scope)

    def _on(self, client: Client, infrastructure: Any, kubeconfig: Path, recorder: Recorder) -> tuple[RunRecord, Exit]:
        context, suite_, cancelled, scope = self.context, self.plan.suite, threading.Event(), Scope()
        processes: Processes | None = None
        if isinstance(infrastructure, HostInfrastructure) and suite_.processes:
            processes = Processes(infrastructure.site, suite_.folder, suite_.processes)
        with tempfile.TemporaryDirectory(prefix="kwok-suite-") as directory, ExitStack() as open_:
            workloads: Workloads | None = None
            if isinstance(infrastructure, KindInfrastructure) and suite_.processes:
                forwards = Services(Path(directory))
                kubectl = context.toolbox.path("kubectl")
                workloads = Workloads(
                    client.cluster, kubectl, kubeconfig, forwards, suite_.processes, suite_.stands_for
                )
                open_.callback(workloads.close)
            acting = Acting(suite_.processes, processes or workloads, context.settings.retries)
            means = Means(
                client,
                acting,
                processes,
                lambda: self._helm(kubeconfig, scope),
                lambda names: _images(infrastructure, names),
                Path(directory),
                cancelled,
                _authority(infrastructure),
                recorder,
                scope,
            )
            stage = Stage(
                client,
                self._run_options(),
                context.console,
                self.artifacts,
                processes,
                acting.carry,
                lambda: _logs(infrastructure),
                recorder,
                infrastructure.died,
                infrastructure.check,
                lambda since: pod_logs(client.cluster, suite_.cluster.real, since) if self.plan.runtime == KIND else (),
            )
            run_ = SuiteRun(self.plan, stage, SettingUp(self.plan, means), cancelled)
            return self._handed(run_)

    def _handed(self, run_: SuiteRun) -> tuple[RunRecord, Exit]:
        def interrupted() -> None:
            run_.interrupt()
            self.context.console.note(_CANCELLED_TEXT)

        # Not in the main thread: a second signal ends the program, whatever the cases do then.
        with handed(interrupted) as signals:
            work = Background(run_.run, "suite")
            try:
                record = work.result()
            except (KeyboardInterrupt, Terminated):
                stop_children(grace=0.2)
                raise
        if signals.exit is not None:
            return record, signals.exit
        if run_.set_up_failed is not None:
            return record, run_.set_up_failed.exit
        return record, Exit.OK if telling.green(record) else Exit.FAILURE

    def _run_options(self) -> RunOptions:
        cluster = self.plan.suite.cluster
        held = self.plan.runtime == HOST and cluster.pods is Pods.HOLD
        simulated = self.plan.runtime == HOST or not cluster.real
        return RunOptions(
            scripts=True,
            simulated=simulated,
            controllers=("",) if held or self.plan.runtime == KIND else RunOptions().controllers,
            variables={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            path=(self.context.toolbox.path("kubectl").parent,),
        )

    @contextmanager
    def _recorder(self, cluster: str) -> Iterator[Recorder]:
        """A recording of every wait, in the run's directory."""
        with tempfile.TemporaryDirectory(prefix="kwok-suites-") as directory:
            file = Path(directory) / recording.FILE
            recorder = Recorder(file, run_id=self.run_id, recipe="suites", deployer="suite", cluster=cluster)
            try:
                yield recorder
            finally:
                problem = recorder.close()
                redactor = self.artifacts.redactor
                problem = problem or recording.copy(file, self.artifacts.path / recording.FILE, redactor)
                if problem:
                    self.context.console.note(problem)
                recordings.prune(self.context.settings.artifacts)


def _logs(infrastructure: Any) -> Mapping[str, Path]:
    return infrastructure.site.services.logs() if isinstance(infrastructure, HostInfrastructure) else {}


def _authority(infrastructure: Any) -> Path:
    """Where the authority of certificates is kept; processes use the same one."""
    if isinstance(infrastructure, HostInfrastructure):
        return infrastructure.site.services.directory
    directory: Path = infrastructure.site.running.directory
    return directory


def _images(infrastructure: Any, names: tuple[str, ...]) -> object:
    if not isinstance(infrastructure, KindInfrastructure):
        raise UsageError("images are only loaded on the Kind runtime", do="add runtimes: [kind] to the step")
    return infrastructure.site.images(names)


def _announce(context: Context, record: RunRecord) -> None:
    """Append to the file that GITHUB_STEP_SUMMARY names."""
    if named := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(named).open("a", encoding="utf-8", errors="replace") as stream:
                stream.write(step_summary.document(record))
        except OSError as error:
            context.console.note(f"the step summary {named} cannot be written: {error.strerror}")


def _show_plan(context: Context, found: Plan) -> None:
    context.console.text(f"{found.suite.name} on the runtime {found.runtime}")
    for step in found.setup:
        context.console.text(f"  set-up {step.name}: {_action(step.action)}, within {step.timeout:g} s")
    if found.runtime == HOST:
        for process in found.suite.processes:
            after = f", after {', '.join(process.after)}" if process.after else ""
            context.console.text(f"  process {process.name}: {type(process.run).__name__}{after}")
    for case in found.cases:
        needs = f", needs {', '.join(case.case.needs)}" if case.case.needs else ""
        context.console.text(f"  case {case.case.name}: {case.judged} of {len(case.steps)} steps are judged{needs}")
        for each in case.steps:
            context.console.text(f"    {_step_line(each)}")


def _step_line(step: StepPlan) -> str:
    if step.problem:
        return f"✗ {step.name}: {step.problem}"
    return f"✓ {step.name}" if step.judged else f"– {step.name}: needs-{step.why}: {step.reason}"


def _action(action: object) -> str:
    return {"ChartInstalled": "chart", "Awaited": "wait", "Started": "processes"}.get(
        type(action).__name__, type(action).__name__.lower()
    )


def _document(found: Plan) -> dict[str, Any]:
    return {
        "suite": found.suite.name,
        "runtime": found.runtime,
        "setup": [{"name": each.name, "action": _action(each.action), "timeout": each.timeout} for each in found.setup],
        "cases": [
            {
                "name": case.case.name,
                "needs": case.case.needs,
                "steps": [
                    {"name": each.name, "judged": each.judged, "class": each.why, "why": each.reason or each.problem}
                    for each in case.steps
                ],
            }
            for case in found.cases
        ],
    }
