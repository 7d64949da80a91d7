"""From the pod of a Job to how its check ended: each cause told apart, and nothing passes that did not run."""

from typing import Any

import pytest

from harness.objects import Object
from harness.validation.checks.pods import doomed, ended_of

JOB = {"metadata": {"name": "aicr-a-1"}}
OVERDUE = {**JOB, "status": {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}}
ENDING = {**JOB, "status": {"conditions": [{"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"}]}}
TIMES = {"startedAt": "2026-06-20T08:15:00Z", "finishedAt": "2026-06-20T08:15:07Z"}


def pod(state: dict[str, Any] | None, *, node: str = "real", container: str = "validator", **more: Any) -> Object:
    status = {"name": container, "state": state, "containerID": more.pop("identity", "containerd://1")}
    conditions = more.pop("conditions", [])
    return {
        "metadata": {"name": "p", "creationTimestamp": more.pop("created", "")},
        "spec": {"nodeName": node, "containers": [{"name": container}]},
        "status": {"conditions": conditions, **({"containerStatuses": [status]} if state is not None else {})},
    }


def terminated(code: int, **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, **TIMES, **more}}


@pytest.mark.parametrize(
    ("job", "pods", "code", "message"),
    [
        (JOB, [pod(terminated(0))], 0, ""),
        (JOB, [pod(terminated(1, message="no pod"))], 1, "no pod"),
        (JOB, [pod(terminated(2, message="no GPU"))], 2, "no GPU"),
        (JOB, [pod(terminated(137, reason="OOMKilled"))], 137, "Container OOMKilled"),
        (JOB, [pod(terminated(0), node="simulated")], -1, "not executed: simulated node simulated"),
        (JOB, [pod(terminated(0), identity="")], -1, "not executed: the container on node real has no id"),
        (JOB, [pod(terminated(0), container="other")], -1, 'container "validator" not found'),
        (
            JOB,
            [pod({"waiting": {"reason": "ErrImagePull", "message": "no such tag"}})],
            -1,
            "ErrImagePull: no such tag",
        ),
        (JOB, [pod({"running": {}})], -1, "container still running after wait completed"),
        (JOB, [pod(None)], -1, "pod never reached running state"),
        (JOB, [], -1, "pod not found for Job aicr-a-1"),
        (None, [], -1, "the Job was deleted"),
        (OVERDUE, [], 1, "timeout: validator did not complete within 5m0s"),
        (OVERDUE, [pod({"running": {}})], 1, "timeout: validator did not complete within 5m0s"),
        (OVERDUE, [pod(terminated(143))], 1, "timeout: validator did not complete within 5m0s"),
        (OVERDUE, [pod(terminated(1, message="seen"))], 1, "seen"),
        (ENDING, [pod({"running": {}})], 1, "timeout: validator did not complete within 5m0s"),
    ],
)
def test_how_a_pod_ended(job: Object | None, pods: list[Object], code: int, message: str) -> None:
    """A pod that KWOK completed is not executed, whatever exit code it has."""
    found = ended_of(job, pods, ["simulated"], "5m0s")
    assert (found.code, message in found.message) == (code, True), found
    assert bool(found.message) == bool(message)


def test_the_newest_pod_counts_and_tells_the_seconds() -> None:
    """A pod that was evicted earlier is not the one that ended."""
    old = pod(terminated(1), created="2026-06-20T08:14:00Z")
    found = ended_of(JOB, [pod(terminated(0), created="2026-06-20T08:15:00Z"), old], [], "5m0s")
    assert (found.code, found.seconds) == (0, 7.0)


def test_a_pod_that_will_not_run_is_known_before_the_deadline() -> None:
    """An image that cannot be pulled, and a place that does not exist."""
    assert doomed(pod({"waiting": {"reason": "ImagePullBackOff", "message": "m"}})) == "ImagePullBackOff: m"
    assert doomed(pod({"waiting": {"reason": "ContainerCreating"}})) == ""
    refused = {"type": "PodScheduled", "status": "False", "message": "0/6 nodes are available"}
    assert doomed(pod(None, conditions=[refused])) == "0/6 nodes are available"
