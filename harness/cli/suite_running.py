"""A run of an end-to-end suite: its cluster, put together with what the suite needs there."""

import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.cli.context import Context
from harness.cli.images import have_images_of
from harness.cli.interruptible import interruptible
from harness.cli.test import PASSED_ON
from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.endtoend.acting import Acting
from harness.endtoend.model import HOST, KIND, ChartInstalled, Pods
from harness.endtoend.plan import Plan
from harness.endtoend.pod_logs import pod_logs
from harness.endtoend.processes.declared import ObjectStore, Registry, Tool
from harness.endtoend.processes.supervised import Processes
from harness.endtoend.run import Stage, SuiteRun
from harness.endtoend.setting_up import Means, SettingUp
from harness.endtoend.workloads import Workloads
from harness.errors import UsageError, coming_up
from harness.evidence import recorder as recording
from harness.evidence import recordings
from harness.evidence.directory import EvidenceDirectory
from harness.evidence.recorder import Recorder
from harness.exits import Exit
from harness.helm.client import Helm
from harness.installers.in_cluster.infrastructure import KindInfrastructure
from harness.installers.on_host import HostInfrastructure
from harness.isolation.marks import Marks, sweep_abandoned
from harness.isolation.reservation import Stay
from harness.processes.commands import ALL, Scope
from harness.processes.services import Services
from harness.recipes.model import ANY, Criteria
from harness.reports.suites import telling
from harness.results.journal import Journal
from harness.suites.record import RunRecord
from harness.suites.running.clients import Client
from harness.suites.running.options import RunOptions
from kwok.kind import gpus
from kwok.kind.config import node_container

_CANCELLED_TEXT = "interrupted: what always runs still does, for at most 30 s; once more ends at once"


@dataclass
class Running:
    """One run: its cluster, what belongs to it there, and the record of it."""

    context: Context
    plan: Plan
    gpus: gpus.Choice
    artifacts: EvidenceDirectory
    run_id: str
    keep: bool

    def carry_out(self) -> tuple[RunRecord, Exit]:
        """The record, and the exit code that follows from it. Nothing is left, unless it is to be kept."""
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

        record, code = interruptible(run_.run, interrupted, "suite")
        if code is not None:
            return record, code
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
