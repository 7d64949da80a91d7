"""A run of an end-to-end suite: set-up, cases in order, what runs in any case; one record, and a verdict from it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from harness.endtoend.model import EVERYWHERE, HOST, KIND, Pods
from harness.endtoend.plan import CasePlan, Plan, StepPlan
from harness.endtoend.processes.supervised import Processes
from harness.endtoend.provenance import Begun
from harness.endtoend.setting_up import SettingUp, SetUpFailed
from harness.endtoend.witnessing import MOST, Logs, PodLogs, StepWitness
from harness.errors import HarnessError
from harness.evidence.directory import EvidenceDirectory
from harness.evidence.recorder import Recorder
from harness.excerpts import first_line
from harness.names import REAL_NODE_NAMESPACE
from harness.progress import Progress
from harness.suites.model import Block, Language, Operation, Sleep, Step, Suite, Test
from harness.suites.record import OperationRecord, RunRecord, Status, StepRecord, TestRecord, worst
from harness.suites.running.clients import Client
from harness.suites.running.operations import INTERRUPTED
from harness.suites.running.options import RunOptions
from harness.suites.running.run import Run
from harness.suites.running.situation import Carry
from harness.waiting.loop import Cancelled

SET_UP, FINALLY = "set-up", "finally"  # tests of the record that are no cases
NOT_RUN = "not run"  # how the message of a case begins that was not
NO_CASE_PASSED = "no case passed: nothing is known"
_LOOK = 0.2  # seconds between two looks whether a case has ended


@dataclass(frozen=True)
class Stage:
    """Where a suite runs: a cluster that is up, and what belongs to it on this runtime."""

    client: Client
    options: RunOptions
    progress: Progress
    artifacts: EvidenceDirectory
    processes: Processes | None
    carry: Carry
    logs: Logs
    recorder: Recorder | None = None
    died: threading.Event | None = None  # of the cluster, where no process is watched
    check: Callable[[], None] = lambda: None
    pod_logs: PodLogs = lambda since: ()


class SuiteRun:
    """One run. `interrupt` may be called from any thread, and from a signal handler."""

    def __init__(self, plan: Plan, stage: Stage, setting_up: SettingUp, cancelled: threading.Event) -> None:
        self._plan = plan
        self._stage = stage
        self._setting_up = setting_up
        self._cancelled = cancelled
        self._current: Run | None = None
        self._ended: dict[str, TestRecord] = {}
        self._death = ""
        self._begun = Begun(0.0, 0.0, 0.0)  # once it has
        self.set_up_failed: SetUpFailed | None = None
        self.seconds: dict[str, float] = {}

    def interrupt(self) -> None:
        """End what is under way; what runs in any case still does, for a bounded time."""
        self._cancelled.set()
        if (current := self._current) is not None:
            current.interrupt()

    def run(self) -> RunRecord:
        """All of it. Raises nothing that a suite can cause."""
        begun = time.time()
        with self._timed("set-up"):
            set_up = self._set_up()
        self._begun = Begun(begun, time.time(), time.time())
        with self._timed("cases"):
            cases = [self._case(case) for case in self._plan.cases]
        with self._timed("finally"):
            last = self._finally()
        problems = [*([set_up] if set_up.status.red else []), *([last] if last is not None and last.status.red else [])]
        tests = (*problems[:1], *cases, *problems[1:]) if set_up.status.red else (*cases, *problems)
        return RunRecord(
            self._plan.suite.name,
            begun,
            time.time(),
            tuple(tests),
            self._error(cases, set_up),
            self._cancelled.is_set(),
            notes=tuple(self._notes()),
        )

    def _error(self, cases: list[TestRecord], set_up: TestRecord) -> str:
        if self.set_up_failed is not None:
            return str(self.set_up_failed)
        if self._cancelled.is_set():
            return ""
        return "" if any(case.status is Status.PASSED for case in cases) else NO_CASE_PASSED

    def _notes(self) -> Iterator[str]:
        suite = self._plan.suite
        yield f"runtime {self._plan.runtime}" + (f", pods: {suite.cluster.pods}" if self._plan.runtime == HOST else "")
        if self._plan.added:
            yield f"also run, since others need them: {', '.join(self._plan.added)}"
        yield ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = time.monotonic() - begun

    # Set-up

    def _set_up(self) -> TestRecord:
        begun, steps = time.time(), []
        for step in self._plan.setup:
            if self._cancelled.is_set():
                break
            steps.append(self._recorded(step.name, str(step.place), partial(self._setting_up.carry_out, step)))
            if steps[-1].status.red:
                break
        processes = self._stage.processes
        if processes is not None and not self._cancelled.is_set() and not any(step.status.red for step in steps):
            steps.append(self._recorded("processes", str(self._plan.suite.place), lambda: _started(processes)))
        status = worst([step.status for step in steps])
        if self._cancelled.is_set():
            status = Status.ERROR
        if status.red:
            self._keep_logs()
        return self._outside(SET_UP, status, begun, steps)

    def _keep_logs(self) -> None:
        """What processes said in a set-up that failed: their own logs go with the cluster."""
        for name, file in self._stage.logs().items():
            text = file.read_text(encoding="utf-8", errors="replace")[-MOST:] if file.is_file() else ""
            place = f"artifacts/{SET_UP}/logs/{name}.log"
            if text and (problem := self._stage.artifacts.write(place, text)):
                self._stage.progress.note(f"{place} {problem}")

    def _recorded(self, name: str, place: str, act: Callable[[], str]) -> StepRecord:
        begun, status = time.time(), Status.PASSED
        task = f"set-up {name}"
        self._stage.progress.started(task)
        try:
            said = act()
            self._stage.check()  # what has died meanwhile is not silently started again
        except Cancelled:
            status, said = Status.ERROR, INTERRUPTED
        except HarnessError as error:
            failed = error if isinstance(error, SetUpFailed) else SetUpFailed(name, error)
            self.set_up_failed = failed
            status, said = Status.ERROR, str(failed)
        if status.red:
            self._stage.progress.failed(task, first_line(said))
        else:
            self._stage.progress.finished(task, said)
        record = OperationRecord("set-up", name, Block.SETUP, status, begun, time.time(), place, said)
        return StepRecord(name, status, begun, time.time(), (record,))

    def _outside(self, name: str, status: Status, begun: float, steps: list[StepRecord]) -> TestRecord:
        return TestRecord(name, self._plan.suite.name, Language.CHAINSAW, status, begun, time.time(), tuple(steps))

    # Cases

    def _case(self, plan: CasePlan) -> TestRecord:
        record = self._once(plan)
        tried = 0
        while record.status.red and tried < plan.case.retries and not self._cancelled.is_set() and not self._death:
            tried += 1
            again = self._once(plan)
            why = first_line(record.message or (record.first_failure.message if record.first_failure else ""))
            note = f"attempt {tried + 1}; attempt {tried} failed: {why}"
            record = replace(again, message="; ".join(filter(None, (again.message, note))))
        self._ended[plan.case.name] = record
        return record

    def _once(self, plan: CasePlan) -> TestRecord:
        if (why := self._why_not(plan)) is not None:
            now = time.time()
            return self._named(plan, TestRecord("", "", Language.CHAINSAW, why[0], now, now), why[1])
        witness = StepWitness(
            plan,
            self._stage.client,
            self._stage.artifacts,
            self._stage.logs,
            self._stage.pod_logs,
            begun=replace(self._begun, case=time.time()),
            held=self._plan.runtime == HOST and self._plan.suite.cluster.pods is Pods.HOLD,
            with_logs=self._plan.suite.logs,
            with_events=self._plan.suite.events,
        )
        judged = tuple(step.step for step in plan.steps if step.judged)
        if judged:
            [test] = plan.case.suite.tests
            suite = replace(plan.case.suite, tests=(self._placed(replace(test, name=plan.case.name, steps=judged)),))
            record = self._carried(suite, witness)
        else:
            now = time.time()
            record = TestRecord("", "", plan.case.suite.language, Status.SKIPPED, now, now)
        for problem in witness.problems:
            self._stage.progress.note(f"artifacts of {plan.case.name}: {problem}")
        return self._judged(plan, record)

    def _why_not(self, plan: CasePlan) -> tuple[Status, str] | None:
        if self.set_up_failed is not None:
            return Status.SKIPPED, f"{NOT_RUN}: set-up step {self.set_up_failed.step} failed"
        if self._cancelled.is_set():
            return Status.SKIPPED, f"{NOT_RUN}: the run was interrupted"
        if self._death:
            return Status.SKIPPED, f"{NOT_RUN}: {first_line(self._death)}"
        for need in plan.case.needs:
            ended = self._ended[need]
            if ended.status.red:
                return Status.SKIPPED, f"{NOT_RUN}: it needs {need}, which did not pass"
            if ended.message.startswith(NOT_RUN):
                return Status.SKIPPED, f"{NOT_RUN}: it needs {need}, which was not run"
        return None

    def _placed(self, test: Test) -> Test:
        """With a namespace of its own on the real node, where the suite has all of them there."""
        everywhere = self._plan.runtime == KIND and EVERYWHERE in self._plan.suite.cluster.real
        if not everywhere or test.namespace_template is not None:
            return test
        label, value = REAL_NODE_NAMESPACE
        return replace(test, namespace_template={"metadata": {"labels": {label: value}}})

    def _carried(self, suite: Suite, witness: StepWitness | None) -> TestRecord:
        """One test. A process that dies ends it, and is its cause."""
        stage = self._stage
        run = Run(stage.client, stage.options, stage.progress, stage.recorder, carry=stage.carry, witness=witness)
        self._current = run
        over = threading.Event()
        if witness is not None:
            if self._cancelled.is_set():  # since it was asked
                run.interrupt()
            threading.Thread(target=self._follow, args=(run, over), name="processes", daemon=True).start()
        try:
            [record] = run.run([suite]).tests
        finally:
            over.set()
            self._current = None
        if witness is not None:
            self._look_for_deaths()
        return record

    def _follow(self, run: Run, over: threading.Event) -> None:
        died = self._stage.died
        while died is not None and not over.is_set():
            if died.wait(_LOOK) and not over.is_set():
                self._look_for_deaths()
                if self._death:
                    run.interrupt()
                    return
                over.wait(_LOOK)  # what has ended was wanted, or has come back

    def _look_for_deaths(self) -> None:
        if self._death:
            return
        try:
            self._stage.check()
        except HarnessError as death:
            self._death = str(death)

    def _judged(self, plan: CasePlan, record: TestRecord) -> TestRecord:
        """The record of all the steps of a case, those that were not carried out among them, and what follows."""
        known = {step.name: step for step in record.steps}
        names = {step.name for step in plan.steps}
        of_case = [self._step(step, known.get(step.name)) for step in plan.steps]
        first = [step for step in record.steps if step.name == "setup"]
        rest = [step for step in record.steps if step.name not in names and step.name != "setup"]
        steps = [*first, *of_case, *rest]
        messages = [record.message] if record.message else []
        status = worst([step.status for step in steps])
        if Status.SIMULATED in [step.status for step in steps] and not status.red:
            status = Status.FAILED
            messages.append("an assert holds on simulated nodes only, where nothing runs: it is no proof")
        if self._death:
            status = Status.FAILED
            messages.insert(0, self._death)
        if not messages and not any(one.status.red for step in steps for one in step.operations):
            messages += [f"{step.name}: {step.message}" for step in steps if step.status.red and step.message]
        left_out = [step for step in plan.steps if not step.judged]
        if not left_out and not status.red and Status.PASSED not in [step.status for step in of_case]:
            status = Status.FAILED
            messages.append("nothing was judged, and no skip is declared")
        if left_out and not status.red:
            passed = sum(step.status is Status.PASSED for step in of_case)
            status = Status.SKIPPED
            why = "; ".join(f"{step.name}: needs-{step.why}: {step.reason}" for step in left_out)
            messages.append(f"{passed} of {len(plan.steps)} steps were judged and passed; skipped: {why}")
        if status.red and self._stage.processes is not None and (vain := self._stage.processes.undeclared()):
            asked = ", ".join(f"{name} ({count} times)" for name, count in vain.items())
            messages.append(f"processes asked for Services that no process is declared for: {asked}")
        judged = replace(record, status=status, steps=tuple(steps))
        return self._named(plan, judged, "\n".join(messages))

    def _step(self, plan: StepPlan, ran: StepRecord | None) -> StepRecord:
        now = time.time()
        if plan.problem:
            begun, ended = (ran.started, ran.ended) if ran is not None else (now, now)
            operations = ran.operations if ran is not None else ()
            return StepRecord(plan.name, Status.FAILED, begun, ended, operations, plan.problem)
        if ran is not None:
            return self._with_death(ran)
        if plan.judged:
            return StepRecord(plan.name, Status.SKIPPED, now, now, message="not begun: an earlier step failed")
        return StepRecord(plan.name, Status.SKIPPED, now, now, message=f"needs-{plan.why}: {plan.reason}")

    def _with_death(self, step: StepRecord) -> StepRecord:
        """Where a process has died, that is what the operation under way ended with, and not an interrupt."""
        if not self._death:
            return step
        operations = tuple(
            replace(each, message=f"not judged: {self._death}") if each.message == INTERRUPTED else each
            for each in step.operations
        )
        return replace(step, operations=operations)

    def _named(self, plan: CasePlan, record: TestRecord, message: str) -> TestRecord:
        case = plan.case
        [test] = case.suite.tests
        return replace(
            record,
            name=case.name,
            folder=str(self._plan.suite.name),
            language=case.suite.language,
            message=message,
            place=str(test.place),
        )

    # In any case

    def _finally(self) -> TestRecord | None:
        operations = self._plan.suite.finally_
        if not operations:
            return None
        place = self._plan.suite.place
        # In the block that runs in any case, and within a bound of its own after an interrupt; a step needs a `try`.
        step = Step(FINALLY, place, try_=(Operation(Sleep(0.0), place),), finally_=operations)
        test = Test(FINALLY, self._plan.suite.folder, place, Language.CHAINSAW, (step,), namespace="default")
        record = self._carried(Suite(Language.CHAINSAW, (test,)), None)
        steps = tuple(
            replace(each, operations=tuple(one for one in each.operations if one.block is Block.FINALLY))
            for each in record.steps
        )
        status = worst([one.status for each in steps for one in each.operations])
        return replace(record, steps=steps, status=status, folder=self._plan.suite.name)


def _started(processes: Processes) -> str:
    processes.check()
    processes.start()
    return "all processes are ready"
