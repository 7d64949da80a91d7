"""What only a cluster shows on which something runs: what is a pass, what a failure, and what was not seen."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.errors import ClusterError
from harness.objects import NODES
from harness.validation.declared import Declared
from harness.validators import CheckFailed
from harness.validators.conformance import _CONTROLLERS
from harness.validators.context import Context
from harness.validators.real_nodes import gpu_metrics, prometheus_answers, refuses_invalid, sees_no_device
from tests.fakes.api import FakeApi, Fault

SERVICE = {"metadata": {"name": "s", "namespace": "ns"}, "spec": {"ports": [{"port": 9400}]}}
PROMETHEUS = {"metadata": {"name": "p", "namespace": "ns"}, "spec": {"ports": [{"port": 80}, {"port": 9090}]}}
QUERY = "/api/v1/namespaces/ns/services/p%3A9090/proxy/api/v1/query"
METRICS = "/api/v1/namespaces/ns/services/s%3A9400/proxy/metrics"


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        fake.put(NODES, {"metadata": {"name": "real"}})
        yield fake


@pytest.fixture
def make(api: FakeApi, tmp_path: Path) -> Callable[[], Context]:
    return lambda: Context(
        cluster=Cluster(api.kubeconfig(tmp_path)),
        declared=Declared("mine", {}, (), {}, {}, {}),
        snapshot=None,
        namespace="ns",
        phase="conformance",
        deadline=Deadline.after(30),
        say=lambda line: None,
        warn=lambda line: None,
    )


def test_an_exporter_serves_metrics_of_gpus(api: FakeApi, make: Callable[[], Context]) -> None:
    """One that answers with others, or not at all, is a failure."""
    with pytest.raises(CheckFailed, match="Service ns/s does not answer"):
        gpu_metrics(make(), SERVICE)
    api.documents[METRICS] = b"go_threads 7\n# DCGM_FI_DEV_GPU_UTIL is a comment\n"
    with pytest.raises(CheckFailed, match="serves no metric of a GPU"):
        gpu_metrics(make(), SERVICE)
    api.documents[METRICS] = b'DCGM_FI_DEV_GPU_UTIL{gpu="0"} 3\n'
    gpu_metrics(make(), SERVICE)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ({"data": {"result": [{"value": [0, "0"]}, {"value": [0, "1"]}]}}, ""),
        ({"data": {"result": [{"value": [0, "0"]}]}}, "none of the 1 targets of Prometheus is up"),
        ({"data": {"result": []}}, "none of the 0 targets"),
        ({"status": "error"}, "does not answer as Prometheus"),
        (b"<html>", "does not answer as Prometheus"),
    ],
)
def test_prometheus_has_a_target_that_is_up(
    api: FakeApi, make: Callable[[], Context], answer: Any, failure: str
) -> None:
    """By the port that is its own, and an answer of its own."""
    api.documents[QUERY] = answer
    if not failure:
        prometheus_answers(make(), [SERVICE, PROMETHEUS])
        return
    with pytest.raises(CheckFailed, match=failure):
        prometheus_answers(make(), [SERVICE, PROMETHEUS])


def test_an_invalid_object_is_refused_by_the_webhook(api: FakeApi, make: Callable[[], Context]) -> None:
    """One that is accepted is a failure; one that its schema refuses has not shown the webhook; 403 is an error."""
    kind = _CONTROLLERS["kubeflow-trainer"]
    with pytest.raises(CheckFailed, match="an invalid trainjobs"):
        refuses_invalid(make(), kind)
    assert [query for verb, plural, query in api.requests if verb == "POST"] == [{"dryRun": "All"}]
    api.fault(Fault("status", verb="POST", plural="trainjobs", status=422))
    context = make()
    refuses_invalid(context, kind)
    assert "its schema did so first" in context.not_judged
    api.fault(Fault("status", verb="POST", plural="trainjobs", status=403))
    with pytest.raises(ClusterError, match="403"):
        refuses_invalid(make(), kind)


def test_without_a_gpu_on_a_real_node_no_container_can_see_one(make: Callable[[], Context]) -> None:
    """So that is not judged, and the reason says why."""
    context = make()
    sees_no_device(context)
    assert context.not_judged.endswith("no real node offers nvidia.com/gpu")


def test_the_real_node_of_a_kind_cluster_is_none_beside_simulated_ones(
    api: FakeApi, make: Callable[[], Context]
) -> None:
    """Workloads go to those; without any, they run on it."""
    api.put(NODES, {"metadata": {"name": "real", "labels": {"kwok-harness.io/node": "infrastructure"}}})
    assert [node["metadata"]["name"] for node in make().real_nodes] == ["real"]
    api.put(NODES, {"metadata": {"name": "gpu-1", "labels": {"type": "kwok"}}})
    assert make().real_nodes == []
    api.put(NODES, {"metadata": {"name": "other"}})
    assert len(make().real_nodes) == 2
