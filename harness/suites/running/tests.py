"""One test under one scenario: namespace, steps in order, and clean-up in reverse, whatever happened."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from harness.assertions.go import duration
from harness.errors import HarnessError
from harness.objects import NAMESPACES
from harness.suites.model import (
    Block,
    Language,
    ObjectReference,
    Operation,
    Scenario,
    Show,
    Sleep,
    Suite,
    Test,
    Timeouts,
)
from harness.suites.record import OperationRecord, Status, StepRecord, TestRecord, worst
from harness.suites.running import namespaces, reads
from harness.suites.running.direct import Direct
from harness.suites.running.operations import INTERRUPTED
from harness.suites.running.scope import Scope
from harness.suites.running.situation import Created, Situation
from harness.suites.running.steps import StepRun, clean_up, removed, run_step, situation_of
from harness.waiting.loop import Cancelled

_EVENTS_SECONDS = 5.0
NOT_BEGUN = "not begun"  # how the message of a test begins that was not
NO_OP = "aicr/no-op-check"  # the annotation of a test that checks nothing on purpose


@dataclass(frozen=True)
class Case:
    """One run of a test: `number` and `scenario` count from 1; `folder` is how reports call its place."""

    suite: Suite
    test: Test
    number: int
    folder: str
    scenario: Scenario | None = None
    scenario_number: int = 1

    @property
    def shown(self) -> str:
        """How it is called while it runs: with its folder, where that is wished."""
        return f"{self.folder}[{self.test.name}]" if self.suite.full_name else self.test.name


def not_run(case: Case, status: Status, why: str) -> TestRecord:
    """The record of a test that was not begun."""
    now = time.time()
    return _recorded(case, status, now, message=why)


def run(case: Case, scope: Scope, situation: Situation) -> TestRecord:
    """Run it to its end, clean-up included. Raises nothing that a suite can cause."""
    test = case.test
    if test.skip:
        return not_run(case, Status.SKIPPED, "the test has skip: true")
    if not any(step.try_ for step in test.steps):
        declared = (test.metadata.get("annotations") or {}).get(NO_OP) == "true"
        if declared:
            return not_run(case, Status.SKIPPED, f"the test is annotated as checking nothing: {NO_OP}")
        return not_run(case, Status.ERROR, "the test has no operation: nothing would be checked")
    if all(isinstance(operation.action, Sleep) for operation in _operations(test)):
        return not_run(case, Status.SKIPPED, "the test only sleeps: nothing would be checked")
    return _Run(case, scope, situation).run()


def _operations(test: Test) -> Iterator[Operation]:
    """What the test does where nothing fails."""
    return (each for step in test.steps for each in (*step.try_, *step.finally_, *step.cleanup))


def situation_in(test: Test, outer: Situation) -> Situation:
    """What a test says otherwise than its suite."""
    return replace(
        outer,
        folder=test.folder,
        timeouts=test.timeouts.over(outer.timeouts),
        clusters={**outer.clusters, **test.clusters},
        cluster=test.cluster or outer.cluster,
        propagation=test.propagation or outer.propagation,
        grace_period=outer.grace_period if test.grace_period is None else test.grace_period,
        skip_delete=outer.skip_delete if test.skip_delete is None else test.skip_delete,
        deadline=outer.deadline.within(outer.options.test_budget),
    )


class _Run:
    def __init__(self, case: Case, scope: Scope, situation: Situation) -> None:
        self._case = case
        self._test = case.test
        self._suite = case.suite
        self._situation = situation_in(case.test, situation)
        self._scope = scope.under(case.test.engine, template=case.test.template)
        self._begun = time.time()
        self._steps: list[StepRecord] = []
        self._namespace: dict[str, Any] | None = None  # where this test made it
        self._catch: tuple[Operation, ...] = (*case.suite.catch, *case.test.catch)

    def run(self) -> TestRecord:
        done: list[StepRun] = []
        try:
            if self._set_up():
                for number, step in enumerate(self._test.steps, start=1):
                    situation = situation_of(step, self._situation)
                    scope = self._scope.under(step.engine, template=step.template)
                    finished = run_step(step, number, self._catch, scope, situation, self._test.language)
                    done.append(finished)
                    self._steps.append(finished.record)
                    if finished.ends_test or finished.interrupted:
                        break
        finally:
            self._clean_up(done)
        return _recorded(
            self._case,
            worst([step.status for step in self._steps]),
            self._begun,
            steps=tuple(self._steps),
            namespace=self._situation.namespace,
        )

    # Before the first step

    def _set_up(self) -> bool:
        """Scenario, namespace, bindings of the test; whether steps may follow."""
        begun, name, status, message = time.time(), "set-up", Status.PASSED, ""
        try:
            self._scope = self._scope.with_(
                test={
                    "id": self._case.number,
                    "scenarioId": self._case.scenario_number,
                    "metadata": dict(self._test.metadata),
                },
                timeouts=_texts(self._situation.timeouts),
            )
            if self._case.scenario is not None:
                self._scope = self._scope.bound(self._case.scenario.bindings)
            self._place()
            self._scope = self._scope.bound(self._test.bindings)
            if self._namespace is not None:
                name, message = f"Namespace {self._situation.namespace}", "created"
        except Cancelled:
            status, message = Status.ERROR, INTERRUPTED
        except HarnessError as error:
            status, message = Status.ERROR, str(error)
        if status is not Status.PASSED or self._namespace is not None:
            place = str(self._test.place)
            record = OperationRecord("create", name, Block.SETUP, status, begun, time.time(), place, message)
            self._steps.append(StepRecord("setup", status, begun, time.time(), (record,)))
        return status is Status.PASSED

    def _place(self) -> None:
        """The namespace, made where it is not there."""
        situation = self._situation
        name = self._scope.text(situation.cluster)
        client = situation.client
        if name and name in situation.clusters:
            client = situation.connect(situation.clusters[name], situation.folder)
        if client is None:
            return
        self._situation = replace(situation, client=client)
        shown = Direct(client)
        self._scope = self._scope.with_(client=shown, config=shown)
        wanted = namespaces.wanted(self._test, self._suite, self._scope)
        test, suite = self._test, self._suite
        if situation.options.read_only or client.read_only:
            if test.language is Language.KUTTL:
                wanted = suite.namespace  # that of the test is one to be made, where none is given
            self._settle(wanted or "default")
            namespaces.require(client, self._situation.namespace)
            return
        template, engine = test.namespace_template, test.namespace_engine or test.engine
        if template is None:
            template, engine = suite.namespace_template, suite.namespace_engine
        item = namespaces.document(
            wanted or namespaces.generated(), template, engine, self._scope.with_(namespace=wanted)
        )
        self._namespace = namespaces.made(client, item, timeout=situation.timeouts.apply or 5.0)
        self._settle(str(item["metadata"]["name"]))
        if test.language is Language.KUTTL and self._namespace is not None:
            namespaces.with_account(client, self._situation.namespace, self._situation)

    def _settle(self, namespace: str) -> None:
        self._situation = replace(self._situation, namespace=namespace)
        self._scope = self._scope.with_(namespace=namespace)

    # After the last step

    def _with_events(self) -> None:
        """kuttl's: the events of the namespace, beside the step that ran last; none where they cannot be read."""
        situation, begun = self._situation, time.time()
        if self._test.language is not Language.KUTTL or "events" in self._suite.suppress or situation.client is None:
            return
        if situation.cancelled.is_set():
            return
        action = Show("events", ObjectReference("v1", "Event"))
        try:
            text = reads.shown(action, situation.client, self._scope, situation, _EVENTS_SECONDS)
        except HarnessError:
            return
        if text:
            name = f"events of {situation.namespace}"
            record = OperationRecord(
                "events", name, Block.CATCH, Status.PASSED, begun, time.time(), str(self._test.place), output=text
            )
            last = self._steps[-1]
            self._steps[-1] = replace(last, operations=(*last.operations, record))

    def _clean_up(self, done: list[StepRun]) -> None:
        if done:
            self._with_events()
        situation = self._situation.after_all()
        delay = self._test.delay_before_cleanup
        delay = self._suite.delay_before_cleanup if delay is None else delay
        if delay and not situation.interruption.cancelled.is_set():
            situation.clock.wait(situation.cancelled, min(delay, situation.deadline.remaining))
        for finished in reversed(done):
            if (record := clean_up(finished, self._test.language)) is not None:
                self._steps.append(record)
        if self._namespace is not None and not self._situation.skip_delete:
            self._steps.append(self._without_namespace(self._namespace))

    def _without_namespace(self, item: dict[str, Any]) -> StepRecord:
        situation, begun = self._situation.after_all(), time.time()
        fast = self._test.fast_namespace_deletion
        fast = self._suite.fast_namespace_deletion if fast is None else fast
        name, status, message = f"Namespace {item['metadata']['name']}", Status.PASSED, "deleted"
        client = situation.client
        try:
            if client is None:
                message = "no cluster"
            else:
                made = Created(client, NAMESPACES, item, "Background")
                waits = not fast and not situation.interruption.cancelled.is_set()  # who interrupts is in a hurry
                removed(made, self._situation, waits=waits)
        except HarnessError as error:
            status, message = Status.FAILED, str(error)
        record = OperationRecord("delete", name, Block.CLEANUP, status, begun, time.time(), message=message)
        return StepRecord("@cleanup", status, begun, time.time(), (record,))


def _recorded(case: Case, status: Status, begun: float, **fields: Any) -> TestRecord:
    test = case.test
    scenario = ""
    if case.scenario is not None:
        scenario = case.scenario.name or str(case.scenario_number)
    return TestRecord(
        test.name,
        case.folder,
        test.language,
        status,
        begun,
        time.time(),
        scenario=scenario,
        concurrent=test.concurrent is not False,
        place=str(test.place),
        **fields,
    )


def _texts(timeouts: Timeouts) -> dict[str, str]:
    times = {name.rstrip("_"): getattr(timeouts, name) for name in Timeouts.__slots__}
    return {name: duration.text_of(int(value * 1e9)) for name, value in times.items() if value is not None}
