"""A run of an end-to-end suite against a fake API server: set-up, order, skips, deaths, interrupts, artifacts."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree as ET

import pytest

from harness.cluster.api import Cluster
from harness.endtoend.acting import Acting
from harness.endtoend.model import HOST
from harness.endtoend.plan import plan
from harness.endtoend.run import NO_CASE_PASSED, Stage, SuiteRun
from harness.endtoend.setting_up import Means, SettingUp
from harness.errors import ClusterError
from harness.evidence.directory import EvidenceDirectory
from harness.exits import Exit
from harness.helm.client import Helm
from harness.names import KWOK_NODE_ANNOTATION
from harness.objects import CONFIGMAPS, NODES, PODS
from harness.progress import Silent
from harness.reports.suites import Format, telling, text
from harness.settings import Retries
from harness.suites.model import Own
from harness.suites.record import RunRecord, Status
from harness.suites.running.clients import Client
from harness.suites.running.options import RunOptions
from harness.suites.running.scope import Scope
from harness.suites.running.situation import Situation
from tests.fakes.api import FakeApi
from tests.fakes.endtoend import GOOD, RUNS, loaded
from tests.fakes.suite_runs import KINDS, WIDGETS, serve

ABSENT = (
    "  - {name: absent, try: [{assert: {timeout: 300s, resource: "
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: no, namespace: default}}}}]}\n"
)
FAILS = ABSENT.replace("300s", "300ms")
KILL = "  - {name: kill, try: [{kill: {process: stub}}]}\n"
STUB = "processes: [{name: stub, run: {standIn: http}}]\n"


@dataclass
class Cast:
    """A suite in a folder, and what it runs with."""

    api: FakeApi
    folder: Path
    died: threading.Event = field(default_factory=threading.Event)
    death: str = ""
    loaded: int = 0
    carried: list[str] = field(default_factory=list)
    on_carry: Callable[["Cast"], None] = lambda _: None
    running: SuiteRun | None = None
    on_real_nodes: bool = False

    def carry(self, own: Own, scope: Scope, situation: Situation, timeout: float) -> str:
        self.carried.append(own.verb)
        self.on_carry(self)
        return "done"

    def load(self, names: tuple[str, ...]) -> None:
        self.loaded += 1
        raise ClusterError("the node has no such image")

    def check(self) -> None:
        if self.death:
            raise ClusterError(self.death)

    def prepared(self, body: str = "", *, pattern: str = "", **cases: str) -> SuiteRun:
        suite, cancelled = loaded(self.folder / "suite", body, **cases), threading.Event()
        client = Client(Cluster(self.api.kubeconfig(self.folder)))
        self.artifacts = EvidenceDirectory(self.folder, "suite", "small", "1")
        fixtures = self.folder / "fixtures"
        fixtures.mkdir(exist_ok=True)
        acting = Acting(suite.processes, None, cast(Retries, None))
        means = Means(client, acting, None, lambda: cast(Helm, None), self.load, fixtures, cancelled, self.folder)
        stage = Stage(
            client,
            RunOptions(scripts=True, simulated=True, controllers=("",)),
            Silent(),
            self.artifacts,
            None,
            self.carry,
            lambda: {"stub": self.folder / "log"},
            None,
            self.died,
            self.check,
            lambda since: [("platform.p.main", "from a pod\n")] if self.on_real_nodes else [],
        )
        planned = plan(suite, HOST, pattern=pattern)
        self.running = SuiteRun(planned, stage, SettingUp(planned, means), cancelled)
        return self.running

    def run(self, body: str = "", **cases: str) -> RunRecord:
        (self.folder / "suite").mkdir(exist_ok=True)
        return self.prepared(body, **cases).run()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Cast]:
    with FakeApi() as api:
        serve(api, *KINDS)
        (tmp_path / "suite").mkdir()
        yield Cast(api, tmp_path)


def statuses(record: RunRecord) -> dict[str, Status]:
    return {test.name: test.status for test in record.tests}


def message(record: RunRecord, name: str) -> str:
    return next(test.message for test in record.tests if test.name == name)


def test_a_case_that_passes_is_green(stage: Cast) -> None:
    """All that it takes is one case whose steps all pass."""
    record = stage.run(**{"01-a": GOOD})
    assert statuses(record) == {"01-a": Status.PASSED}
    assert telling.green(record)


def test_a_failed_set_up_runs_no_case(stage: Cast) -> None:
    """It has a code of its own, and every case says why it was not run."""
    body = (
        "setup:\n  - {name: wait, timeout: 50ms, wait: {apiVersion: v1, kind: ConfigMap, name: none}}\n"
        "  - {name: never, wait: {apiVersion: v1, kind: ConfigMap, name: none}}\n"
    )
    record = stage.run(body, a=GOOD)
    assert stage.running is not None
    assert stage.running.set_up_failed is not None
    assert stage.running.set_up_failed.exit is Exit.SUITE_SET_UP
    assert statuses(record) == {"set-up": Status.ERROR, "a": Status.SKIPPED}
    assert message(record, "a") == "not run: set-up step wait failed"
    assert "set-up step wait failed: " in record.error
    assert "there is no such ConfigMap" in record.error
    assert not telling.green(record)
    assert stage.api.seen("POST", "configmaps") == 0


@pytest.mark.parametrize(("more", "attempts"), [("", 1), (", retries: 1", 2)])
def test_a_set_up_step_is_tried_again_only_where_that_is_declared(stage: Cast, more: str, attempts: int) -> None:
    """`retries: 1` are two attempts; without it there is one."""
    record = stage.run(f"setup: [{{name: i, images: [x]{more}}}]\n", a=GOOD)
    assert stage.loaded == attempts
    assert "set-up step i failed: the node has no such image" in record.error


def test_a_case_that_only_sleeps_is_red(stage: Cast) -> None:
    """It judged nothing, and no skip is declared; another case that passed does not make up for it."""
    record = stage.run("", a="  - {name: s, try: [{sleep: {duration: 1ms}}]}\n", b=GOOD)
    assert statuses(record) == {"a": Status.FAILED, "b": Status.PASSED}
    assert "nothing was judged" in message(record, "a")
    assert not telling.green(record)


def test_a_death_during_the_set_up_ends_it(stage: Cast) -> None:
    """Nothing starts again what has died unasked; what it said is kept."""
    (stage.folder / "log").write_text("last words\n")
    stage.death = "operator ended with status 3"
    body = "setup:\n  - {name: m, timeout: 5s, manifests: m.yaml}\n"
    (stage.folder / "suite" / "m.yaml").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}\n")
    record = stage.run(body, a=GOOD)
    assert "set-up step m failed: operator ended with status 3" in record.error
    kept = stage.artifacts.path / "artifacts" / "set-up" / "logs" / "stub.log"
    assert kept.read_text() == "last words\n"


def test_cases_whose_need_failed_are_not_run(stage: Cast) -> None:
    """They say which; those that need nothing run."""
    body = (
        "cases:\n  - {name: a, path: cases/a}\n  - {name: b, path: cases/b, needs: [a]}\n"
        "  - {name: c, path: cases/b, needs: [b]}\n  - {name: d, path: cases/b}\n"
    )
    record = stage.run(body, a=FAILS, b=GOOD)
    assert statuses(record) == {
        "a": Status.FAILED,
        "b": Status.SKIPPED,
        "c": Status.SKIPPED,
        "d": Status.PASSED,
    }
    assert message(record, "b") == "not run: it needs a, which did not pass"
    assert message(record, "c") == "not run: it needs b, which was not run"


SKIPPED = "cases: [{name: a, path: cases/a, skips: {host: [{step: runs, class: execution, why: nothing runs}]}}]\n"


def test_only_skips_are_red(stage: Cast) -> None:
    """A declared skip is no failure; a run with nothing else proves nothing."""
    record = stage.run(SKIPPED, a=GOOD + RUNS)
    assert statuses(record) == {"a": Status.SKIPPED}
    assert "1 of 2 steps were judged and passed; skipped: runs: needs-execution: nothing runs" in message(record, "a")
    assert record.error == NO_CASE_PASSED
    assert not telling.green(record)


def test_a_skipped_case_keeps_its_steps_in_junit(stage: Cast) -> None:
    """A testcase for each step: what passed did, and what is skipped says why."""
    record = stage.run(SKIPPED, a=GOOD + RUNS)
    root = ET.fromstring(text(record, Format.JUNIT_STEP))  # noqa: S314 - our own text
    [suite] = [each for each in root.iter("testsuite") if each.get("name") == "a"]
    cases = {each.get("name"): each for each in suite.findall("testcase")}
    assert cases["make"].find("skipped") is None
    skipped = cases["runs"].find("skipped")
    assert skipped is not None
    assert "needs-execution: nothing runs" in str(skipped.get("message"))


def test_a_declared_skip_beside_a_passed_case_is_green(stage: Cast) -> None:
    """What is skipped is told, what passed counts."""
    record = stage.run(SKIPPED.rstrip("]\n") + ", {name: b, path: cases/b}]\n", a=GOOD + RUNS, b=GOOD)
    assert statuses(record) == {"a": Status.SKIPPED, "b": Status.PASSED}
    assert telling.green(record)


def test_a_failure_beats_a_declared_skip(stage: Cast) -> None:
    """A case with both is red."""
    record = stage.run(SKIPPED, a=FAILS + RUNS)
    assert statuses(record) == {"a": Status.FAILED}


def test_an_undeclared_skip_is_red(stage: Cast) -> None:
    """Though everything else passes; and it does not wait for its timeout."""
    record = stage.run(a=GOOD + RUNS, b=GOOD)
    assert statuses(record) == {"a": Status.FAILED, "b": Status.PASSED}
    assert "no skip is declared for it on the runtime host" in message(record, "a")
    assert not telling.green(record)
    assert stage.api.seen("WATCH", "pods") == 0


def test_a_death_is_the_cause_of_what_was_under_way(stage: Cast) -> None:
    """Without waiting for the timeout of 300 s; with the last words; and nothing is begun after it."""

    def die(cast_: Cast) -> None:
        cast_.death = "operator was killed by SIGKILL. Its last words:\nbye"
        cast_.died.set()

    stage.on_carry = die
    record = stage.run(STUB, a=KILL + ABSENT, b=GOOD)
    assert statuses(record) == {"a": Status.FAILED, "b": Status.SKIPPED}
    assert message(record, "a") == stage.death
    assert "not run: operator was killed by SIGKILL" in message(record, "b")
    assert not telling.green(record)


def test_a_death_at_the_very_end_of_a_case_is_red(stage: Cast) -> None:
    """All steps have passed, and what was under test is gone."""

    def die(cast_: Cast) -> None:
        cast_.death = "operator ended with status 1"

    stage.on_carry = die
    record = stage.run(STUB, a=GOOD + KILL)
    assert statuses(record) == {"a": Status.FAILED}


LAST = "finally: [{kill: {process: stub}}, {sleep: {duration: 1ms}}, {stop: {process: stub}}]\n"


def test_what_always_runs_runs_after_a_failure(stage: Cast) -> None:
    """Of the cases."""
    stage.run(STUB + LAST, a=FAILS)
    assert stage.carried == ["kill", "stop"]


def test_what_always_runs_runs_after_a_failed_set_up(stage: Cast) -> None:
    """Something may have been made."""
    body = "setup: [{name: w, timeout: 20ms, wait: {apiVersion: v1, kind: ConfigMap, name: none}}]\n"
    stage.run(STUB + body + LAST, a=GOOD)
    assert stage.carried == ["kill", "stop"]


def interrupted(stage: Cast, *places: str) -> Callable[..., RunRecord]:
    """A run that is interrupted as soon as the cluster is asked to watch ConfigMaps."""

    def run(body: str, **cases: str) -> RunRecord:
        run_ = stage.prepared(body, **cases)
        found: list[RunRecord] = []
        thread = threading.Thread(target=lambda: found.append(run_.run()))
        thread.start()
        while not stage.api.seen("WATCH", "configmaps") and thread.is_alive():
            thread.join(0.01)
        run_.interrupt()
        thread.join(20)
        assert found, "it went on"
        return found[0]

    return run


def test_an_interrupt_in_set_up_begins_no_case(stage: Cast) -> None:
    """And what always runs does."""
    body = "setup: [{name: w, timeout: 300s, wait: {apiVersion: v1, kind: ConfigMap, name: none}}]\n"
    record = interrupted(stage)(STUB + body + LAST, a=GOOD)
    assert record.interrupted
    assert message(record, "a") == "not run: the run was interrupted"
    assert stage.carried == ["kill", "stop"]


def test_an_interrupt_in_a_step_ends_it(stage: Cast) -> None:
    """And what always runs does."""
    record = interrupted(stage)(STUB + LAST, a=ABSENT, b=GOOD)
    assert record.interrupted
    assert not telling.green(record)
    assert message(record, "b") == "not run: the run was interrupted"
    assert stage.carried == ["kill", "stop"]


def test_an_interrupt_in_what_always_runs_leaves_nothing_out(stage: Cast) -> None:
    """It has a bound of its own then, and the rest of it is done."""

    def interrupt(cast_: Cast) -> None:
        if cast_.carried == ["kill"] and cast_.running is not None:
            cast_.running.interrupt()

    stage.on_carry = interrupt
    record = stage.run(STUB + LAST, a=GOOD)
    assert record.interrupted
    assert stage.carried == ["kill", "stop"]


def test_retries_are_told(stage: Cast) -> None:
    """A case that passes at the second attempt is green, and says what the first one failed of."""

    def put(cast_: Cast) -> None:
        if len(cast_.carried) == 2:
            item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "no", "namespace": "default"}}
            cast_.api.put(CONFIGMAPS, item)

    stage.on_carry = put
    body = STUB + "cases: [{name: a, path: cases/a, retries: 1}]\n"
    record = stage.run(body, a=KILL + FAILS.replace("300ms", "200ms"))
    assert statuses(record) == {"a": Status.PASSED}
    assert message(record, "a").startswith("attempt 2; attempt 1 failed: timed out")


WIDGET = (
    "  - {name: done, try: [{assert: {timeout: 300ms, resource: "
    "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w, namespace: default}, status: {phase: Done}}}}]}\n"
)


def widget(manager: str, time: str = "2999-01-01T00:00:00Z") -> dict[str, Any]:
    managed = [{"manager": manager, "time": time, "fieldsV1": {"f:status": {"f:phase": {}}}}]
    metadata = {"name": "w", "namespace": "default", "managedFields": managed}
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata, "status": {"phase": "Done"}}


def test_a_status_that_a_controller_wrote_is_a_proof(stage: Cast) -> None:
    """In the case."""
    stage.api.put(WIDGETS, widget("operator"))
    assert statuses(stage.run(a=WIDGET)) == {"a": Status.PASSED}


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (widget("kwok"), "was written by kwok, which is no controller of it"),
        (widget("operator", "2001-01-01T00:00:00Z"), "before the case began"),
    ],
)
def test_another_status_is_none(stage: Cast, item: dict[str, Any], said: str) -> None:
    """Written by KWOK, or before."""
    stage.api.put(WIDGETS, item)
    record = stage.run(a=WIDGET)
    assert statuses(record) == {"a": Status.FAILED}
    failure = record.tests[0].first_failure
    assert failure is not None
    assert said in failure.message


def test_a_pod_that_moved_on_a_simulated_node_is_red(stage: Cast) -> None:
    """Whoever set it to Succeeded: nothing ran."""
    stage.api.put(NODES, {"metadata": {"name": "n", "annotations": {KWOK_NODE_ANNOTATION: "fake"}}})
    pod = {"metadata": {"name": "p", "namespace": "default"}, "spec": {"nodeName": "n"}}
    stage.api.put(PODS, {**pod, "status": {"phase": "Succeeded"}})
    record = stage.run(a=GOOD)
    assert statuses(record) == {"a": Status.FAILED}
    [made] = [step for step in record.tests[0].steps if step.name == "make"]
    assert "Pod default/p is Succeeded: nothing runs on simulated nodes" in made.message


def test_artifacts_are_kept_by_step(stage: Cast) -> None:
    """What was applied, what was asserted, the output, and what processes said since the step began."""
    (stage.folder / "log").write_text("before\n")

    def say(cast_: Cast) -> None:
        with (cast_.folder / "log").open("a") as log:
            log.write("during\n")

    stage.on_carry = say
    holds = ABSENT.replace("name: no", "name: m").replace("name: absent", "name: holds")
    stage.run(STUB, a=GOOD + KILL + holds + FAILS)
    folder = stage.artifacts.path / "artifacts" / "a"
    assert "name: m" in (folder / "make" / "applied.yaml").read_text()
    assert "name: m" in (folder / "holds" / "asserted-after.yaml").read_text()
    assert (folder / "kill" / "logs" / "stub.log").read_text() == "during\n"
    assert "failed assert" in (folder / "absent" / "output.txt").read_text()
    assert not (folder / "make" / "logs").exists()


def test_pods_on_real_nodes_are_kept_beside_processes(stage: Cast) -> None:
    """What they said during the step."""
    stage.on_real_nodes = True
    stage.run(STUB, a=GOOD)
    folder = stage.artifacts.path / "artifacts" / "a"
    assert (folder / "make" / "logs" / "platform.p.main.log").read_text() == "from a pod\n"
