"""A run of suites: tests one by one or side by side, until the first failure where that is wished, then one record."""

import os
import queue
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.cluster.api import Cluster
from harness.deadline import MONOTONIC, Clock, Deadline
from harness.errors import HarnessError
from harness.evidence.recorder import Recorder
from harness.excerpts import first_line
from harness.objects import NAMESPACES
from harness.processes.threads import Background
from harness.progress import Progress
from harness.suites.model import Block, ClusterReference, Language, Operation, Program, Suite, Test
from harness.suites.record import RunRecord, Status, TestRecord
from harness.suites.running import namespaces, tests
from harness.suites.running.clients import Client
from harness.suites.running.direct import Direct
from harness.suites.running.failures import NotJudged
from harness.suites.running.operations import perform
from harness.suites.running.options import RunOptions
from harness.suites.running.scope import Scope
from harness.suites.running.situation import Carry, Created, Interruption, Journal, Situation
from harness.suites.running.steps import removed
from harness.suites.running.tests import NOT_BEGUN, Case, not_run
from harness.suites.running.witness import Witness


class Run:
    """One run; `interrupt` may be called from any thread, and from a signal handler.

    `client` is the cluster of the run, None for none. `recorder` gets every wait, `witness` every step; `carry` carries
    out operations that suites do not have by themselves.
    """

    def __init__(
        self,
        client: Client | None,
        options: RunOptions,
        progress: Progress,
        recorder: Recorder | None = None,
        clock: Clock = MONOTONIC,
        carry: Carry | None = None,
        witness: Witness | None = None,
    ) -> None:
        self._client = client
        self._options = options
        self._progress = progress
        self._recorder = recorder
        self._clock = clock
        self._carry = carry
        self._witness = witness
        self._interruption = Interruption()
        self._journal = Journal()
        self._deadline = Deadline.after(options.run_budget, clock=clock)
        self._others: dict[tuple[str, str], Client] = {}
        self._lock = threading.Lock()
        self._error = ""

    def interrupt(self) -> None:
        """End what is under way; finally blocks and clean-up still run, for a bounded time."""
        self._interruption.begin(self._clock)

    def run(self, suites: Iterable[Suite], name: str = "kwok-harness") -> RunRecord:
        """Run the tests of all suites, and say what became of each."""
        begun = time.time()
        found = [record for suite in suites for record in self._suite(suite)]
        return RunRecord(
            name,
            begun,
            time.time(),
            tuple(found),
            self._error or _nothing_judged(found),
            self._interruption.cancelled.is_set(),
            tuple(self._journal.changed),
        )

    def _suite(self, suite: Suite) -> list[TestRecord]:
        situation, scope = self._situation(suite), self._scope(suite)
        background: list[Background[Any]] = []
        made: Created | None = None
        try:
            made = self._namespace(suite, scope, situation)
            background = self._set_up(suite, scope, situation)
            return _Tests(self, suite, scope, situation, self._progress).run()
        except HarnessError as error:
            self._error = self._error or f"set-up of the suite failed: {error}"
            return [
                not_run(case, Status.ERROR, f"{NOT_BEGUN}: the set-up of the suite failed") for case in _cases(suite)
            ]
        finally:
            if background:
                situation.programs.stop()
                situation.programs.reopen()
            for each in [*reversed(situation.created), *([made] if made is not None else [])]:
                self._removed(each, situation)

    def _removed(self, made: Created, situation: Situation) -> None:
        try:
            removed(made, situation, waits=True)
        except HarnessError as error:
            self._error = self._error or f"clean-up of the suite failed: {error}"

    def _situation(self, suite: Suite) -> Situation:
        return Situation(
            options=self._options,
            folder=suite.place.file.parent if suite.place is not None else Path(),
            namespace="",
            timeouts=suite.timeouts,
            deadline=self._deadline,
            interruption=self._interruption,
            cancelled=self._interruption.cancelled,
            programs=self._interruption.programs,
            journal=self._journal,
            created=[],
            client=self._client,
            connect=self._connect,
            recorder=self._recorder,
            carry=self._carry,
            witness=self._witness,
            clusters=suite.clusters,
            propagation=suite.propagation or "Background",
            grace_period=suite.grace_period,
            skip_delete=suite.skip_delete,
        )

    def _scope(self, suite: Suite) -> Scope:
        shown = {"client": Direct(self._client), "config": Direct(self._client)} if self._client else {}
        return Scope(
            {"values": dict(self._options.values), **shown},
            self._options.variables,
            suite.engine,
            suite.template,
            self._options.strict,
        )

    def _namespace(self, suite: Suite, scope: Scope, situation: Situation) -> Created | None:
        """The one namespace for all tests of chainsaw, made before them and deleted after them."""
        client = self._client
        if not suite.namespace or client is None or client.read_only or suite.language is Language.KUTTL:
            return None
        item = namespaces.document(scope.text(suite.namespace), suite.namespace_template, suite.namespace_engine, scope)
        made = namespaces.made(client, item, timeout=suite.timeouts.apply or 5.0)
        return Created(client, NAMESPACES, made, "Background") if made is not None and not suite.skip_delete else None

    def _set_up(self, suite: Suite, scope: Scope, situation: Situation) -> list[Background[Any]]:
        """kuttl's: definitions, manifests, commands. Raises NotJudged where one fails."""
        situation.namespace = "default"
        background: list[Background[Any]] = []
        for number, operation in enumerate(suite.setup, start=1):
            if isinstance(operation.action, Program) and operation.action.background:
                background.append(_beside(operation, number, scope, situation))
                continue
            done = perform(operation, number, Block.SETUP, scope, situation)
            if failed := [record for record in done.records if record.status.red]:
                raise NotJudged(f"{failed[0].place}: {failed[0].message}")
        situation.namespace = ""
        return background

    def _connect(self, reference: ClusterReference, folder: Path) -> Client:
        """Another cluster; it is only read, unless its context may be written to."""
        if not reference.kubeconfig and self._client is not None:
            file = self._client.cluster.kubeconfig
        else:
            file = folder / Path(reference.kubeconfig).expanduser()
        key = (str(file.resolve()), reference.context)
        with self._lock:
            if key not in self._others:
                if not file.is_file():
                    raise NotJudged(f"kubeconfig {reference.kubeconfig}: file not found in {folder}")
                cluster = Cluster(file, context=reference.context or None, clock=self._clock)
                mine = self._client is not None and cluster.server == self._client.cluster.server
                writable = cluster.context_name in self._options.writable_contexts
                read_only = self._client.read_only if mine and self._client is not None else not writable
                self._others[key] = Client(cluster, read_only=read_only)
            return self._others[key]


class _Tests:
    """The tests of one suite: those that may not be concurrent first and alone, then the others side by side."""

    def __init__(self, run: Run, suite: Suite, scope: Scope, situation: Situation, progress: Progress) -> None:
        self._suite = suite
        self._scope = scope
        self._situation = situation
        self._progress = progress
        self._cancelled = situation.interruption.cancelled
        self._failed = threading.Event()

    def run(self) -> list[TestRecord]:
        cases = _cases(self._suite)
        found: dict[int, TestRecord] = {}
        alone = [number for number, case in enumerate(cases) if case.test.concurrent is False]
        beside = [number for number in range(len(cases)) if number not in set(alone)]
        for number in alone:
            found[number] = self._case(cases[number])
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in beside:
            waiting.put(number)

        def work() -> None:
            while True:
                try:
                    number = waiting.get_nowait()
                except queue.Empty:
                    return
                found[number] = self._case(cases[number])

        workers = min(self._suite.parallel or os.cpu_count() or 1, len(beside))
        threads = [Background(work, f"tests {number}") for number in range(workers)]
        for thread in threads:
            thread.result()
        return [found[number] for number in sorted(found)]

    def _case(self, case: Case) -> TestRecord:
        if self._cancelled.is_set():
            return not_run(case, Status.SKIPPED, f"{NOT_BEGUN}: the run was interrupted")
        if self._failed.is_set():
            return not_run(case, Status.SKIPPED, f"{NOT_BEGUN}: an earlier test failed (failFast)")
        if self._situation.deadline.expired:
            return not_run(case, Status.FAILED, f"{NOT_BEGUN}: the time budget of the run is used up")
        task = f"test {case.shown}" + (f" {case.number}" if _several(self._suite, case.test) else "")
        self._progress.started(task, str(case.test.folder))
        record = tests.run(case, self._scope, self._situation)
        if record.status.red:
            if self._suite.fail_fast:
                self._failed.set()
            failure = record.first_failure
            self._progress.failed(task, first_line(failure.message if failure else record.message))
        else:
            self._progress.finished(task, record.status.value)
        return record


def _cases(suite: Suite) -> list[Case]:
    """Every test, under each of its scenarios, as often as it is to be repeated."""
    found: list[Case] = []
    for test in suite.tests:
        folder = os.path.relpath(test.folder) if test.folder.is_absolute() else str(test.folder)
        for _ in range(max(1, suite.repeat)):
            number = len(found) + 1
            if not test.scenarios:
                found.append(Case(suite, test, number, folder))
            found += [
                Case(suite, test, number, folder, scenario, position)
                for position, scenario in enumerate(test.scenarios, start=1)
            ]
    return found


def _several(suite: Suite, test: Test) -> bool:
    return suite.repeat > 1 or len(test.scenarios) > 1 or sum(each.name == test.name for each in suite.tests) > 1


def _beside(operation: Operation, number: int, scope: Scope, situation: Situation) -> Background[Any]:
    return Background(lambda: perform(operation, number, Block.SETUP, scope, situation), f"command {number}")


def _nothing_judged(found: list[TestRecord]) -> str:
    """Why a run is not green although nothing is red: it looked at nothing."""
    if not found:
        return "no test was found: nothing was judged"
    if all(record.status is Status.SKIPPED for record in found):
        return "all tests were skipped: nothing was judged"
    return ""
