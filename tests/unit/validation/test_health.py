"""Health checks on a server: what becomes of what is not there, how long they wait, and what is told apart."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.api import Cluster
from harness.evidence.recorder import Recorder
from harness.evidence.replay import replay
from harness.gates.findings import Gate
from harness.gates.health import Healthy, Look
from harness.names import KWOK_NODE_ANNOTATION
from harness.objects import DEPLOYMENTS, NODES, PODS, Kind, Objects, key_of
from harness.processes.threads import Background
from harness.validation.health import (
    Checked,
    Checking,
    Health,
    Remembering,
    Unhealthy,
    plan,
    require_healthy,
    simulated,
    told,
)
from harness.validation.health_checks import HealthCheck, Operation
from harness.validation.health_objects import looked_at_once, narrowed
from harness.verdict import Waiting
from harness.waiting.loop import Observe
from tests.fakes.api import FakeApi, Fault
from tests.fakes.clock import ManualClock, until
from tests.fakes.suite_runs import SECRETS

POLICIES = Kind("gpu.example.com/v1", "clusterpolicies", "ClusterPolicy", namespaced=False)


def resource(kind: Kind) -> dict[str, Any]:
    scope = "Namespaced" if kind.namespaced else "Cluster"
    return {"resource": kind.plural, "responseKind": {"kind": kind.kind}, "scope": scope, "verbs": ["list"]}


def serve(api: FakeApi, *kinds: Kind) -> None:
    """What discovery says of the kinds."""
    groups: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        group = groups.setdefault(kind.group, {"metadata": {"name": kind.group}, "versions": []})
        version = kind.api_version.rpartition("/")[2]
        group["versions"].append({"version": version, "resources": [resource(kind)]})
    api.documents["/api"] = {"items": [group for name, group in groups.items() if not name]}
    api.documents["/apis"] = {"items": [group for name, group in groups.items() if name]}


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        serve(fake, PODS, DEPLOYMENTS)
        yield fake


@pytest.fixture
def cluster(api: FakeApi, tmp_path: Path) -> Cluster:
    return Cluster(api.kubeconfig(tmp_path))


def operation(kind: Kind = DEPLOYMENTS, *, wanted: bool = True, **fields: Any) -> Operation:
    metadata = {"name": "d"} | ({"namespace": "n"} if kind.namespaced else {})
    document = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
    return Operation("s", wanted, document | fields, "checks/c.yaml:1")


AVAILABLE: dict[str, Any] = {"status": {"(availableReplicas > `0`)": True}}


def check(*operations: Operation, name: str = "c", seconds: float | None = None) -> HealthCheck:
    return HealthCheck(name, f"{name}-check", operations, seconds)


def deploy(api: FakeApi, available: int = 1, name: str = "d") -> None:
    api.put(DEPLOYMENTS, {"status": {"availableReplicas": available}}, namespace="n", name=name)


def test_a_check_that_holds_passes(api: FakeApi, cluster: Cluster) -> None:
    """On nodes that run what they are given, it is a pass."""
    deploy(api)
    (result,) = Checking(cluster, False, 360, 30).all([check(operation(**AVAILABLE))])
    assert (result.health, result.message) == (Health.PASSED, "1 asserts hold")
    assert str(result) == "[chainsaw] c: health check passed: 1 asserts hold"


def test_what_needs_pods_that_run_is_simulated_on_simulated_nodes(api: FakeApi, cluster: Cluster) -> None:
    """The same check on KWOK's nodes is no pass; one about the object alone is."""
    deploy(api)
    checks = [check(operation(**AVAILABLE)), check(operation(), name="e")]
    first, second = Checking(cluster, True, 360, 30).all(checks)
    assert (first.health, second.health) == (Health.SIMULATED, Health.PASSED)
    assert told([first, second]) == ["c: healthy on simulated nodes only, which does not prove that anything runs"]


def test_a_status_that_nobody_writes_is_not_waited_for(api: FakeApi, cluster: Cluster) -> None:
    """A custom resource's controller does not run on simulated nodes: skipped, with the reason; on real ones judged."""
    ready = operation(POLICIES, status={"state": "ready"})
    kept, skipped = plan([operation(), ready], simulated=True)
    assert (len(kept), skipped) == (
        1,
        ['step "s": the controller of ClusterPolicy (gpu.example.com/v1) does not run on simulated nodes'],
    )
    assert plan([ready], simulated=False) == ([ready], [])
    deploy(api)
    both, only = Checking(cluster, True, 360, 30).all([check(operation(), ready), check(ready)])
    assert (both.health, only.health) == (Health.SIMULATED, Health.SKIPPED)
    with pytest.raises(Unhealthy, match="no health check was judged"):
        require_healthy([only])
    assert require_healthy([both, only]) == "1 simulated, 1 skipped"


class Beside:
    """A check that is judged beside the test, which moves its clock once something was judged."""

    def __init__(self, cluster: Cluster, check: HealthCheck, *, within: float = 360) -> None:
        self.clock = ManualClock()
        self._judged = threading.Event()
        checking = Checking(cluster, False, within, 30, recorded=self._recorded, clock=self.clock)
        self._work = Background(lambda: checking.all([check]), "check")

    @contextmanager
    def _recorded(self, gate: Gate, within: float) -> Iterator[Observe]:
        yield lambda judged: self._judged.set()

    def pass_until_done(self) -> tuple[Checked, float]:
        """The result, and the second in which it came."""
        until(self._judged.is_set)
        while not self._work.wait(0.01):
            self.clock.advance(5)
        (result,) = self._work.result()
        return result, self.clock()


def test_what_was_never_there_fails_after_its_grace(cluster: Cluster) -> None:
    """An absent object does not use up the time of the check; the message names it."""
    result, seconds = Beside(cluster, check(operation(**AVAILABLE))).pass_until_done()
    assert result.health is Health.FAILED
    assert 'Deployment n/d: step "s" assert: actual resource not found' in result.message
    assert 30 <= seconds < 60


def test_what_is_there_keeps_the_time_of_the_check(api: FakeApi, cluster: Cluster) -> None:
    """One that does not hold yet is waited for until its own time, and never longer than the caller says."""
    deploy(api, available=0)
    result, seconds = Beside(cluster, check(operation(**AVAILABLE), seconds=100)).pass_until_done()
    assert result.health is Health.FAILED
    assert "after 100" in result.message
    assert "(availableReplicas > `0`): Invalid value: false" in result.message
    assert 100 <= seconds < 130
    _, seconds = Beside(cluster, check(operation(**AVAILABLE), seconds=900), within=50).pass_until_done()
    assert 50 <= seconds < 80


def test_a_kind_that_the_server_does_not_know_fails_after_the_grace(cluster: Cluster) -> None:
    """As an object that is not there."""
    result, seconds = Beside(cluster, check(operation(POLICIES))).pass_until_done()
    assert "the server does not serve the kind ClusterPolicy of gpu.example.com/v1" in result.message
    assert 30 <= seconds < 60


def test_what_was_there_and_is_gone_is_not_doomed() -> None:
    """Only what was never seen fails early."""
    look = Look("s", True, operation().document, DEPLOYMENTS)
    step = Remembering(Healthy((look,)))
    empty = Objects({DEPLOYMENTS: {}})
    doomed = step(empty)
    assert isinstance(doomed, Waiting)
    assert doomed.doomed
    item = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n"}}
    step(Objects({DEPLOYMENTS: {key_of(item): item}}))
    again = step(empty)
    assert isinstance(again, Waiting)
    assert not again.doomed
    assert isinstance(step.said, Waiting)
    assert step.said.doomed  # the gate itself remembers nothing


def test_checks_keep_their_order_and_one_failure_fails_all(api: FakeApi, cluster: Cluster) -> None:
    """Results come in the order of the checks, whichever ends first; the error names each that failed."""
    deploy(api)
    text = {"status": {"availableReplicas": "one"}}  # a number is there, which ends the check at once
    fields = [AVAILABLE, text] * 3
    checks = [check(operation(**each), name=f"c{number}") for number, each in enumerate(fields)]
    results = Checking(cluster, False, 360, 30).all(checks)
    assert [each.component for each in results] == [f"c{number}" for number in range(6)]
    with pytest.raises(Unhealthy, match="3 of 6 health checks failed") as caught:
        require_healthy(results)
    assert str(caught.value).count("[chainsaw]") == 3


def test_checks_that_look_at_nothing_are_no_pass(api: FakeApi, cluster: Cluster) -> None:
    """A check that is empty on purpose is skipped: beside another it fails nothing, alone it says nothing."""
    deploy(api)
    one, other = Checking(cluster, False, 360, 30).all([check(), check(operation(**AVAILABLE))])
    assert (one.health, other.health) == (Health.SKIPPED, Health.PASSED)
    assert require_healthy([one, other]) == "1 passed, 1 skipped"
    with pytest.raises(Unhealthy, match="no health check was judged"):
        require_healthy([one])


def test_no_check_is_no_pass() -> None:
    """Nothing to look at says nothing about a recipe."""
    with pytest.raises(Unhealthy, match="no component has a health check"):
        require_healthy([])


def test_only_what_a_check_is_about_is_watched() -> None:
    """A namespace, or one object, where all of its looks say the same; else all of the kind."""

    def look(name: str, namespace: str = "n") -> Look:
        metadata = {"namespace": namespace} | ({"name": name} if name else {})
        return Look("s", True, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}, DEPLOYMENTS)

    def narrow(*looks: Look) -> tuple[str, str]:
        found = narrowed(looks)[DEPLOYMENTS]
        return found.namespace, found.name

    assert narrow(look("a"), look("a")) == ("n", "a")
    assert narrow(look("a"), look("b")) == ("n", "")
    assert narrow(look("a"), look("")) == ("n", "")
    assert narrow(look("a"), look("a", "m")) == ("", "")


def test_simulated_nodes_are_known_by_their_annotation(api: FakeApi, cluster: Cluster) -> None:
    """One of KWOK's nodes makes a cluster simulated."""
    api.put(NODES, {"metadata": {"annotations": {}}}, name="real")
    assert not simulated(cluster)
    api.put(NODES, {"metadata": {"annotations": {KWOK_NODE_ANNOTATION: "fake"}}}, name="fake")
    assert simulated(cluster)


def test_a_recorded_check_is_judged_again(api: FakeApi, cluster: Cluster, tmp_path: Path) -> None:
    """The recording of a check leads to the same verdicts offline."""
    deploy(api)
    recorder = Recorder(tmp_path / "run.jsonl", run_id="r", recipe="x", deployer="helm", cluster="c")
    checking = Checking(
        cluster, False, 360, 30, recorded=lambda gate, within: recorder.wait(gate.kinds, gate, within=within)
    )
    checking.all([check(operation(**AVAILABLE), operation(wanted=False, status={"availableReplicas": 0}))])
    recorder.close()
    again = replay(tmp_path)
    assert [wait.name for wait in again.waits] == ["health.healthy"]
    assert again.differences == ()


def in_namespace(namespace: str, available: int = 1) -> HealthCheck:
    document = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": namespace}}
    wanted = {"status": {"availableReplicas": available}}
    return HealthCheck(namespace, f"{namespace}-check", (Operation("s", True, document | wanted, "c.yaml:1"),))


def test_checks_that_hold_are_judged_on_one_listing(api: FakeApi, cluster: Cluster) -> None:
    """Ten checks in ten namespaces: the revision, and one LIST of the kind; nothing is watched."""
    for number in range(10):
        api.put(DEPLOYMENTS, {"status": {"availableReplicas": 1}}, namespace=f"n{number}", name="d")
    results = Checking(cluster, False, 360, 30).all(in_namespace(f"n{number}") for number in range(10))
    assert {each.health for each in results} == {Health.PASSED}
    assert (api.seen("LIST"), api.seen("WATCH")) == (2, 0)


def test_a_kind_that_is_more_than_a_page_is_looked_at_by_namespace(cluster: Cluster, api: FakeApi) -> None:
    """Nobody reads all pods of a large cluster for the few that a check is about."""
    api.page = 3
    for number in range(5):
        api.put(DEPLOYMENTS, {"status": {"availableReplicas": 1}}, namespace=f"n{number}", name="d")
    first = looked_at_once(cluster, looks_of(in_namespace("n0"), in_namespace("n1")))
    assert first.listings == {}
    results = Checking(cluster, False, 360, 30).all([in_namespace("n0"), in_namespace("n1")])
    assert {each.health for each in results} == {Health.PASSED}


def looks_of(*checks: HealthCheck) -> list[Look]:
    return [Look(o.step, o.wanted, o.document, DEPLOYMENTS) for check in checks for o in check.operations]


def test_what_may_not_be_listed_as_a_whole_is_looked_at_by_namespace(api: FakeApi, cluster: Cluster) -> None:
    """Who may read two namespaces only is not refused for a cluster that was not needed."""
    for name in ("n0", "n1"):
        api.put(DEPLOYMENTS, {"status": {"availableReplicas": 1}}, namespace=name, name="d")
    api.fault(Fault("status", "LIST", "deployments", status=403))
    results = Checking(cluster, False, 360, 30).all([in_namespace("n0"), in_namespace("n1")])
    assert {each.health for each in results} == {Health.PASSED}


def test_checks_that_wait_share_a_stream(api: FakeApi, cluster: Cluster) -> None:
    """Three checks, one WATCH; each is confirmed on a LIST of its own part."""
    for number in range(3):
        api.put(DEPLOYMENTS, {"status": {"availableReplicas": 0}}, namespace=f"n{number}", name="d")
    checking = Checking(cluster, False, 360, 30)
    work = Background(lambda: checking.all(in_namespace(f"n{number}") for number in range(3)), "checks")
    until(lambda: api.watched(DEPLOYMENTS))
    for number in range(3):
        api.put(DEPLOYMENTS, {"status": {"availableReplicas": 1}}, namespace=f"n{number}", name="d")
    assert {each.health for each in work.result(30)} == {Health.PASSED}
    assert api.seen("WATCH") == 1
    assert api.seen("LIST") == 2 + 3


def test_secrets_of_several_namespaces_are_not_listed_as_a_whole(api: FakeApi, cluster: Cluster) -> None:
    """A check reads those that it names, and no other."""
    serve(api, SECRETS)
    looks = [
        Look("s", True, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": n}}, SECRETS)
        for n in ("a", "b")
    ]
    assert looked_at_once(cluster, looks).listings == {}
    assert api.seen("LIST", "secrets") == 0
