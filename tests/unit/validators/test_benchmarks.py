"""Benchmarks without GPUs: what is asked, what may be used, and what a figure means."""

from typing import Any

import pytest

from harness.validators.benchmarks import Gpus, Inference, InvalidKnob, Threshold, bandwidth_workers, inference_workload


@pytest.mark.parametrize(
    ("text", "measured", "holds"),
    [
        (">= 300", 300, True),
        (">= 300", 270, True),
        (">= 300", 269.9, False),
        ("> 100", 90, False),
        ("<= 200", 220, True),
        ("<= 200", 220.1, False),
        ("< 200", 219.9, True),
    ],
)
def test_a_bandwidth_may_be_a_tenth_short(text: str, measured: float, holds: bool) -> None:
    """The tolerance is the check's, and never an operator's."""
    assert Threshold.parse("x", text).holds(measured, tolerance=0.1) is holds


@pytest.mark.parametrize("text", ["300", "== 300", ">=", ">= fast", ">= -1", ">= 0", ""])
def test_a_threshold_that_is_none_is_refused(text: str) -> None:
    """Both an operator and a figure are needed."""
    with pytest.raises(InvalidKnob, match="INVALID_REQUEST"):
        Threshold.parse("x", text)


def node(name: str, gpus: int, *, cordoned: bool = False) -> dict[str, Any]:
    spec = {"unschedulable": True} if cordoned else {}
    return {"metadata": {"name": name}, "spec": spec, "status": {"allocatable": {"nvidia.com/gpu": str(gpus)}}}


def pod(on: str, gpus: int, phase: str = "Running") -> dict[str, Any]:
    containers = [{"resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}]
    return {"metadata": {"name": "p"}, "spec": {"nodeName": on, "containers": containers}, "status": {"phase": phase}}


def test_free_gpus_are_those_that_no_pod_has_asked_for() -> None:
    """Cordoned nodes, ended pods and pods elsewhere do not count."""
    nodes = [node("a", 8), node("b", 8), node("c", 8, cordoned=True), node("d", 0)]
    pods = [pod("a", 6), pod("b", 8, "Succeeded"), pod("c", 8), pod("d", 1)]
    assert Gpus.of(nodes, pods) == Gpus(("a", "b"), 16, 10)
    assert Gpus.of(nodes, pods).per_node == 8
    assert Gpus.of([], []) == Gpus((), 0, 0)


def test_settings_come_from_constraints_then_the_catalog_then_defaults() -> None:
    """The routing mode from the recipe alone."""
    environment = {"AICR_INFERENCE_PERF_MODEL": "m", "AICR_INFERENCE_PERF_CONCURRENCY_PER_GPU": "8"}
    found = Inference.of({}, {})
    assert (found.model, found.concurrency, found.routing) == ("Qwen/Qwen3-8B", 256, "dynamo-router")
    found = Inference.of({"inference-throughput": ">= 5000"}, environment)
    assert (found.model, found.concurrency) == ("m", 8)
    constraints = {
        "inference-model": "n",
        "inference-concurrency-per-gpu": "4",
        "inference-routing-mode": "gateway-epp",
    }
    found = Inference.of(constraints, environment)
    assert (found.model, found.concurrency, found.routing) == ("n", 4, "gateway-epp")


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "²"])
def test_a_concurrency_that_is_no_positive_number_is_refused(value: str) -> None:
    """From either source."""
    with pytest.raises(InvalidKnob):
        Inference.of({"inference-concurrency-per-gpu": value}, {})
    with pytest.raises(InvalidKnob):
        Inference.of({}, {"AICR_INFERENCE_PERF_CONCURRENCY_PER_GPU": value})


def test_throughput_is_scaled_by_the_free_gpus_and_latency_is_not() -> None:
    """Half of the GPUs, half of the tokens; the first token comes as soon."""
    settings = Inference.of({"inference-throughput": ">= 10000", "inference-ttft-p99": "<= 500"}, {})
    half = Gpus(("a",), 8, 4)
    assert settings.judge(5000, 500, half) == []
    assert settings.judge(4999, 501, half) == [
        "throughput is 4999, expected >= 5000 with 4 of 8 GPUs free",
        "ttft p99 is 501 ms, expected <= 500",
    ]


def test_a_bandwidth_benchmark_has_a_worker_on_each_gpu_node_with_all_of_its_gpus() -> None:
    """Pinned by the name of the node."""
    workers = bandwidth_workers("bw", "ns", Gpus(("a", "b"), 16, 16), "i")
    assert [each["metadata"]["name"] for each in workers] == ["bw-0", "bw-1"]
    assert workers[0]["spec"]["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "8"}


@pytest.mark.parametrize("token", [True, False])
def test_the_model_is_loaded_once_beside_the_server(token: bool) -> None:
    """By a Job without a memory limit on the same node; the token is an optional Secret."""
    claim, job, server = inference_workload("inf", "ns", Inference.of({}, {}), "i", token=token)
    assert claim["kind"] == "PersistentVolumeClaim"
    assert "resources" not in job["spec"]["template"]["spec"]["containers"][0]
    pod = server["spec"]["template"]["spec"]
    [beside] = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert beside["labelSelector"]["matchLabels"] == job["spec"]["template"]["metadata"]["labels"]
    probe = pod["containers"][0]["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 120
    names = {each["name"] for each in pod["containers"][0]["env"]}
    assert ("HF_TOKEN" in names) is token
