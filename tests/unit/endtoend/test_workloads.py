"""The processes of a suite as pods: their number, their pods, and whom kubectl is to reach."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from harness.cluster.api import Cluster
from harness.endtoend import workloads
from harness.endtoend.model import StandsFor
from harness.endtoend.processes.declared import HttpStub, ObjectStore, Process, PythonFile
from harness.endtoend.processes.names import ServiceName
from harness.endtoend.workloads import Workloads
from harness.errors import DataError, HarnessError
from harness.objects import DEPLOYMENTS, PODS
from harness.processes.service import Plan, Service
from harness.processes.services import Services
from tests.fakes.api import FakeApi

STUB = Process("stub", HttpStub(), names={ServiceName("node-stub", "platform", 8080): "http"})
STORE = Process("s3", ObjectStore("key", "secret"), names={ServiceName("s3", "platform", 9000): "http"})
BARE = Process("bare", PythonFile(Path("a.py")))
DEPLOYMENT: dict[str, Any] = {
    "metadata": {"name": "node-stub", "namespace": "platform", "generation": 1},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "stub"}},
        "template": {"spec": {"terminationGracePeriodSeconds": 1}},
    },
    "status": {"observedGeneration": 1, "availableReplicas": 2},
}
POD: dict[str, Any] = {"metadata": {"name": "p", "namespace": "platform", "labels": {"app": "stub"}}, "spec": {}}


class Forwards:
    """Stands in for services: has every port that a plan asks for, and remembers the services."""

    def __init__(self) -> None:
        self.asked: list[Service] = []

    def ensure(self, plan: Plan, within: float, *, ports: tuple[str, ...]) -> tuple[str, ...]:
        self.asked += plan(self.ports(list(ports)))
        return ()

    def ports(self, names: list[str]) -> dict[str, int]:
        return {name: 40_000 + position for position, name in enumerate(sorted(names))}


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as served:
        served.put(DEPLOYMENTS, DEPLOYMENT)
        yield served


@pytest.fixture
def forwards() -> Forwards:
    return Forwards()


@pytest.fixture
def found(api: FakeApi, forwards: Forwards, tmp_path: Path) -> Workloads:
    stands = {"stub": (StandsFor("Deployment", "platform", "node-stub"),)}
    cluster = Cluster(api.kubeconfig(tmp_path))
    services = cast(Services, forwards)
    return Workloads(cluster, Path("kubectl"), Path("config"), services, (STUB, STORE, BARE), stands)


def replicas(api: FakeApi) -> list[int]:
    return [body["spec"]["replicas"] for verb, _, _, body in api.bodies if verb == "PATCH"]


def test_ports_are_those_that_kubectl_forwards(found: Workloads, forwards: Forwards) -> None:
    """By the Service that a name is; the control port of a stub is no port of a Service."""
    ports = found.ports("stub")
    assert set(ports) == {"http", "control"}
    words = {service.name: service.arguments for service in forwards.asked}
    assert words["forward-stub-http"][-2:] == ("service/node-stub", f"{ports['http']}:8080")
    assert words["forward-stub-control"][-2:] == ("deployment/node-stub", f"{ports['control']}:8081")
    assert all(
        {"--kubeconfig=config", "--namespace=platform", "--address=127.0.0.1"} <= {*each} for each in words.values()
    )


def test_a_store_is_asked_at_its_forwarded_port(found: Workloads) -> None:
    """With the keys that it is declared with."""
    store = found.store("s3")
    assert (store.access_key, store.port) == ("key", found.ports("s3")["http"])
    with pytest.raises(DataError, match="is no stand-in for S3"):
        found.store("stub")


def test_stopped_is_without_pods(api: FakeApi, found: Workloads) -> None:
    """It returns when the last pod is gone, and not before."""
    api.put(PODS, POD)
    stopping = threading.Thread(target=found.stop, args=("stub",))
    stopping.start()
    while not replicas(api):
        stopping.join(0.01)
    assert stopping.is_alive()
    api.delete(PODS, "platform", "p")
    stopping.join(10)
    assert not stopping.is_alive()
    assert replicas(api) == [0]


def test_pods_that_stay_are_named(api: FakeApi, found: Workloads, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time that they have to end by themselves, and some more."""
    monkeypatch.setattr(workloads, "_SECONDS", -0.9)
    api.put(PODS, POD)
    with pytest.raises(HarnessError, match="pods are still there: p"):
        found.stop("stub")


def test_started_again_it_has_as_many_replicas_as_before(api: FakeApi, found: Workloads) -> None:
    """Also where it was stopped twice."""
    found.stop("stub")
    api.put(DEPLOYMENTS, {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replicas": 0}})
    found.stop("stub")
    api.put(DEPLOYMENTS, DEPLOYMENT)
    found.start("stub")
    assert replicas(api) == [0, 0, 2]


def test_killed_pods_have_no_time_to_end(api: FakeApi, found: Workloads) -> None:
    """As after a crash."""
    api.put(PODS, POD)
    found.kill("stub")
    [body] = [body for verb, path, _, body in api.bodies if verb == "DELETE"]
    assert body["gracePeriodSeconds"] == 0


def test_a_process_without_a_place_in_the_cluster_is_refused(found: Workloads) -> None:
    """The remedy is in its declaration."""
    with pytest.raises(DataError, match="no name and no workload"):
        found.ports("bare")
    with pytest.raises(DataError, match="stands for no Deployment and no StatefulSet"):
        found.stop("bare")
