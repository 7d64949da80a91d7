"""A validation from its inputs to its report: gate, names, phases, and nothing of it left on the cluster.

Before the gate has passed, and the declared checks are known to exist, nothing is made. What has been evaluated when
somebody interrupts is kept.
"""

import secrets
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.objects import NODES
from harness.processes import commands
from harness.processes.commands import Scope
from harness.progress import Progress
from harness.validation import phases
from harness.validation.capture import simulated, simulated_node
from harness.validation.checks.access import NAMESPACE, Account
from harness.validation.checks.catalog import Catalog, Entry
from harness.validation.checks.contract import Inputs
from harness.validation.checks.images import Images
from harness.validation.checks.job import JobExecutor
from harness.validation.checks.process import ProcessExecutor
from harness.validation.constraints import Evaluated, require_ready
from harness.validation.declared import Declared, findings, require_known
from harness.validation.measurements import Snapshot
from harness.validation.phases import PhasePlan
from harness.validation.results import CheckResult, PhaseReport, Report, Status
from harness.validation.same_cluster import require_same

AUTO, JOB, PROCESS = "auto", "job", "process"
EXECUTORS = (AUTO, JOB, PROCESS)
CLEANUP_SECONDS = 30.0


def new_run_id(moment: datetime) -> str:
    """YYYYMMDD-HHMMSS-<16 hex>, in UTC."""
    return f"{moment.astimezone(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(8)}"


@dataclass
class Validation:
    """One validation. `connect` gives the cluster when one is needed, None means that none may be asked.

    `executor` is auto, job or process; `selected` are the phases that run, in their order. `report` is what is known so
    far, from the moment that the gate has passed.
    """

    declared: Declared
    snapshot: Snapshot | None
    catalog: Catalog
    selected: Sequence[str]
    connect: Callable[[], Cluster] | None
    progress: Progress
    executor: str = AUTO
    fail_fast: bool = False
    namespace: str = NAMESPACE
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: tuple[str, ...] = ()
    pull_secrets: tuple[str, ...] = ()
    images: Images = field(default_factory=Images)
    scope: Scope = field(default_factory=Scope)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _constraints: tuple[Evaluated, ...] | None = None
    _done: list[PhaseReport] = field(default_factory=list)
    _tests: list[CheckResult] = field(default_factory=list)  # of the phase under way
    _notes: list[str] = field(default_factory=list)
    _simulated: str = ""
    _real: bool = True  # whether something runs on a node of the cluster

    def __post_init__(self) -> None:
        self.started = self.now()
        self.run_id = new_run_id(self.started)

    @property
    def plans(self) -> tuple[PhasePlan, ...]:
        """What each phase will run. Raises DataError for declared checks that the catalog does not have."""
        require_known(self.declared, self.catalog, self.selected)
        return phases.plan(self.declared, self.catalog, self.selected)

    def carry_out(self) -> Report:
        """Run it to its end. Raises NotReady, DataError or ClusterError where it does not come to checks."""
        self._constraints = require_ready(self.declared.constraints, self.snapshot)
        plans = self.plans
        if self.connect is None:
            moment = self.now()
            self._done = [phases.skipped(each, phases.NO_CLUSTER, moment) for each in plans]
            return self._report()
        cluster = self.connect()
        nodes = cluster.list(NODES).items
        if self.snapshot is not None:
            self._notes += require_same(self.snapshot, cluster, nodes)
        self._simulated = simulated(cluster, nodes)
        account = Account(cluster, self.run_id, self.namespace)
        inputs = Inputs(self.run_id, self.snapshot, self.declared, self.node_selector, self.tolerations)
        self._real = any(not simulated_node(node) for node in nodes)
        jobs = JobExecutor(account, inputs, self.images, nodes, self.progress, self.pull_secrets)
        with tempfile.TemporaryDirectory(prefix="kwok-harness-", ignore_cleanup_errors=True) as directory:
            processes = ProcessExecutor(account, inputs, Path(directory), self.progress, self.scope)
            left: list[str] = []
            if self.executor != PROCESS and jobs.possible:
                jobs.require_fits()
            try:
                if any(each.entries for each in plans):
                    account.create()
                    processes.prepare()
                    if self.executor != PROCESS and jobs.possible:
                        jobs.prepare()
                    self._run(plans, self._choice(jobs, processes))
            finally:
                self._notes += account.notes
                with commands.undisturbed():
                    deadline = Deadline.after(CLEANUP_SECONDS)
                    if account.made and jobs.possible:
                        left += jobs.remove(deadline)
                    left += account.remove(deadline)
                self._notes += [f"not cleaned up: {each}" for each in left]
        report = self._report()
        if left:
            raise HarnessError(
                "the run was not cleaned up:\n  " + "\n  ".join(left),
                where=cluster.server,
                do=f"delete what has the label aicr.nvidia.com/run-id={self.run_id}",
            )
        return report

    @property
    def report(self) -> Report | None:
        """What is known so far; None before the gate has passed."""
        return None if self._constraints is None else self._report()

    def _run(self, plans: Sequence[PhasePlan], carry_out: Callable[[Entry], CheckResult]) -> None:
        def kept(entry: Entry) -> CheckResult:
            self.progress.started(entry.name, f"{entry.phase}, {entry.timeout:g} s at most")
            test = carry_out(entry)
            if not self._real:
                test = replace(test, extra={**test.extra, "simulated": True})
            end = self.progress.failed if test.status in (Status.FAILED, Status.OTHER) else self.progress.finished
            end(entry.name, f"{test.status.value}: {test.message}" if test.message else test.status.value)
            self._tests.append(test)
            return test

        for report in phases.run(
            plans, self.declared, kept, fail_fast=self.fail_fast, progress=self.progress, now=self.now
        ):
            self._done.append(report)
            self._tests.clear()

    def _choice(self, jobs: JobExecutor, processes: ProcessExecutor) -> Callable[[Entry], CheckResult]:
        """Chooses for each entry how it is carried out."""

        def carry_out(entry: Entry) -> CheckResult:
            if self.executor == JOB or (self.executor == AUTO and jobs.possible and jobs.has_image(entry)):
                return jobs.carry_out(entry)
            if entry.local_command:
                return processes.carry_out(entry)
            why = "a process was asked for" if self.executor == PROCESS else "no real node has its image"
            message = f"not run: {why}, and the catalog entry names no local command"
            return CheckResult(entry.name, entry.phase, Status.SKIPPED, message=message)

        return carry_out

    def _report(self) -> Report:
        done = list(self._done)
        if self._tests:  # interrupted within a phase
            phase = self._tests[0].phase
            count = len(self.declared.checks(phase))
            done.append(PhaseReport(phase, tuple(self._tests), count, self.started, self.now()))
        return Report(
            run_id=self.run_id,
            recipe=self.declared.name,
            started=self.started,
            ended=self.now(),
            constraints=self._constraints or (),
            phases=tuple(done),
            snapshot=self.snapshot.source if self.snapshot else "",
            simulated=self._simulated or (self.snapshot.simulated if self.snapshot and self.connect is None else ""),
            without_cluster=self.connect is None,
            findings=findings(self.declared, self.catalog),
            notes=tuple(self._notes),
        )
