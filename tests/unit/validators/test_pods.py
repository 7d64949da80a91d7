"""Pods of checks: from their creation to their end, and that none is left."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.objects import NODES, PODS, Objects
from harness.validation.declared import Declared
from harness.validators import CheckFailed
from harness.validators.context import Context
from harness.validators.pods import Ended, nvidia_smi, pod
from harness.verdict import Failed, Passed, Waiting
from tests.fakes.api import FakeApi, Fault
from tests.fakes.clock import until

GPU_NODE = {"metadata": {"name": "gpu-1"}, "status": {"allocatable": {"nvidia.com/gpu": "8"}}}
SEEN = b"NVIDIA-SMI 580 Driver Version: 580 CUDA Version: 13.0\nGPU_CHECK_SUCCESS\n"


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        fake.put(NODES, GPU_NODE)
        yield fake


def context(api: FakeApi, tmp_path: Path) -> Context:
    return Context(
        cluster=Cluster(api.kubeconfig(tmp_path)),
        declared=Declared("mine", {}, (), {}, {}, {}),
        snapshot=None,
        namespace="ns",
        phase="deployment",
        deadline=Deadline.after(30),
        say=lambda line: None,
        warn=lambda line: None,
    )


def play(api: FakeApi, status: dict[str, Any], log: bytes = SEEN) -> threading.Thread:
    """Give the pod that is made a status, as a kubelet would."""

    def kubelet() -> None:
        until(lambda: api.at(api.revision, "pods"))
        [(key, pod)] = api.at(api.revision, "pods").items()
        api.documents[f"/api/v1/namespaces/ns/pods/{key[1]}/log"] = log
        until(lambda: api.watched(PODS))
        api.put(PODS, {**pod, "status": status})

    thread = threading.Thread(target=kubelet)
    thread.start()
    return thread


def terminated(code: int) -> dict[str, Any]:
    return {"containerID": "c", "state": {"terminated": {"exitCode": code, "reason": "Error"}}}


@pytest.mark.parametrize(
    ("status", "log", "failure"),
    [
        ({"phase": "Succeeded", "containerStatuses": [{"containerID": "c"}]}, SEEN, ""),
        (
            {"phase": "Succeeded", "containerStatuses": [{"containerID": "c"}]},
            b"NVIDIA-SMI 580 Driver Version: 580\n",
            "gpu-1: the log does not have CUDA Version:, GPU_CHECK_SUCCESS",
        ),
        (
            {"phase": "Succeeded", "containerStatuses": [{}]},
            SEEN,
            "was reported as succeeded, but none of its containers ran",
        ),
        ({"phase": "Failed", "containerStatuses": [terminated(9)]}, SEEN, "failed: exit code 9 Error"),
        (
            {
                "phase": "Pending",
                "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}}}],
            },
            SEEN,
            "ImagePullBackOff: no such tag",
        ),
    ],
)
def test_nvidia_smi_has_to_see_the_gpus_of_every_node(
    api: FakeApi, tmp_path: Path, status: dict[str, Any], log: bytes, failure: str
) -> None:
    """A pod that only says so has not, and none is left whatever happened."""
    kubelet = play(api, status, log)
    if failure:
        with pytest.raises(CheckFailed) as caught:
            nvidia_smi(context(api, tmp_path), [GPU_NODE])
        assert failure in str(caught.value)
        assert str(caught.value).startswith("nvidia-smi failed on 1 of 1 GPU nodes:")
    else:
        nvidia_smi(context(api, tmp_path), [GPU_NODE])
    kubelet.join()
    assert api.at(api.revision, "pods") == {}


@pytest.mark.parametrize(
    ("pod", "answer"),
    [
        (None, Waiting),
        ({"status": {}}, Waiting),
        ({"status": {"phase": "Running"}}, Waiting),
        ({"status": {"phase": "Succeeded"}}, Passed),
        ({"status": {"phase": "Failed", "reason": "Evicted"}}, Failed),
    ],
)
def test_a_pod_has_ended_when_it_says_so(pod: dict[str, Any] | None, answer: type) -> None:
    """One that was evicted has failed."""
    objects = Objects({PODS: {("ns", "p"): {"metadata": {"name": "p"}, **pod}} if pod is not None else {}})
    assert isinstance(Ended("ns", "p")(objects), answer)


def test_a_pod_that_cannot_be_deleted_fails_its_check(api: FakeApi, tmp_path: Path) -> None:
    """It would be left; a check that has failed already keeps its own reason."""
    forbidden = Fault("status", verb="DELETE", plural="pods", status=403)
    api.fault(forbidden)
    with pytest.raises(CheckFailed, match="was not cleaned up"), pod(context(api, tmp_path), "a", {"containers": []}):
        pass
    api.fault(forbidden)
    with pytest.raises(CheckFailed, match="no GPU"), pod(context(api, tmp_path), "a", {"containers": []}):
        raise CheckFailed("no GPU")


def test_a_pod_stays_away_from_simulated_nodes(api: FakeApi, tmp_path: Path) -> None:
    """Nothing of it would run there; one that is bound to a node needs no affinity."""
    for spec, there in (({"containers": []}, True), ({"containers": [], "nodeName": "gpu-1"}, False)):
        with pod(context(api, tmp_path), "a", spec) as name:
            made = api.at(api.revision, "pods")["ns", name]
        assert ("affinity" in made["spec"]) is there
