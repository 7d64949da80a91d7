"""The operator of the sample suite: what it makes and writes, from what it sees."""

import getpass
from typing import Any

import kopf
import pytest

from kwok.suites.platform.programs import scoring_operator as operator

JOB: dict[str, Any] = {
    "apiVersion": "scoring.example.com/v1",
    "kind": "ScoringJob",
    "metadata": {"name": "tiny", "namespace": "platform", "uid": "u-1"},
    "spec": {"reference": "file:///inputs/ref.yuv", "distorted": "file:///inputs/dist.yuv", "backend": "cpu"},
}


def test_a_user_without_a_name_may_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container the user is a number, and kopf asks for a name."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "restored afterwards")
        monkeypatch.delenv(name)
    named: list[str] = []
    monkeypatch.setattr(kopf, "run", lambda **_: named.append(getpass.getuser()))
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    operator.main(["--worker-image", "x"])
    assert named == ["scoring-operator"]


def job(**spec: Any) -> dict[str, Any]:
    """The job with other fields in its spec."""
    return {**JOB, "spec": {**JOB["spec"], **spec}}


def pod(phase: str, **terminated: Any) -> dict[str, Any]:
    """A worker's Pod on node gpu-0, whose container ended with `terminated`, if anything is given."""
    statuses = [{"state": {"terminated": terminated}}] if terminated else []
    return {
        "metadata": {"name": "tiny-worker"},
        "spec": {"nodeName": "gpu-0"},
        "status": {"phase": phase, "containerStatuses": statuses},
    }


def test_pod_leads_back_to_its_job() -> None:
    """Its label names the job, and its only owner is the job as controller."""
    meta = operator.pod_of(JOB, "worker:1")["metadata"]

    assert meta["labels"]["scoring.example.com/job"] == "tiny"
    assert meta["ownerReferences"] == [
        {"apiVersion": "scoring.example.com/v1", "kind": "ScoringJob", "name": "tiny", "uid": "u-1", "controller": True}
    ]


def test_pod_runs_the_worker_on_both_clips() -> None:
    """The command has both addresses, the image is the one given, and the Pod ends with its container."""
    spec = operator.pod_of(JOB, "worker:1")["spec"]
    container = spec["containers"][0]

    assert container["command"][2:] == [
        *("--reference", "file:///inputs/ref.yuv"),
        *("--distorted", "file:///inputs/dist.yuv"),
    ]
    assert (container["image"], spec["restartPolicy"]) == ("worker:1", "Never")
    assert "volumes" not in spec
    assert "envFrom" not in container


def test_pod_mounts_what_the_job_names() -> None:
    """The ConfigMap of the inputs is at /inputs, the Secret of the storage is the environment."""
    spec = operator.pod_of(job(inputs={"configMap": "clips"}, storage={"secret": "s3"}), "worker:1")["spec"]
    container = spec["containers"][0]

    assert spec["volumes"] == [{"name": "inputs", "configMap": {"name": "clips"}}]
    assert container["volumeMounts"][0]["mountPath"] == "/inputs"
    assert container["envFrom"] == [{"secretRef": {"name": "s3"}}]


@pytest.mark.parametrize(
    ("backend", "gpu"), [("cuda", "nvidia.com/gpu"), ("hip", "amd.com/gpu"), ("sycl", "gpu.intel.com/i915")]
)
def test_backend_asks_for_its_gpu(backend: str, gpu: str) -> None:
    """A GPU backend requests one GPU of its vendor and tolerates the taint of that name."""
    spec = operator.pod_of(job(backend=backend), "worker:1")["spec"]

    assert spec["containers"][0]["resources"]["limits"][gpu] == "1"
    assert spec["tolerations"] == [{"key": gpu, "operator": "Exists"}]


def test_given_taints_are_tolerated_once() -> None:
    """Taints of the command line come first, and none is there twice."""
    spec = operator.pod_of(job(backend="cuda"), "worker:1", ["nvidia.com/gpu", "other"])["spec"]

    assert [toleration["key"] for toleration in spec["tolerations"]] == ["nvidia.com/gpu", "other"]


@pytest.mark.parametrize(
    ("phase", "expected"), [("Pending", "Pending"), ("Running", "Running"), ("Unknown", "Pending")]
)
def test_job_follows_its_pod(phase: str, expected: str) -> None:
    """Until the Pod has ended, the phase of the job is Pending or Running, with the node."""
    status = operator.job_status(pod(phase))

    assert status == {"podName": "tiny-worker", "phase": expected, "assignedNode": "gpu-0"}


def test_score_is_that_of_the_termination_message() -> None:
    """A Pod that succeeded and left a score makes the job Succeeded with that score, and with its time."""
    ended = pod("Succeeded", exitCode=0, message='{"score": 31.23}\n', finishedAt="2026-01-01T00:00:00Z")

    status = operator.job_status(ended)

    assert (status["phase"], status["score"], status["finishedAt"]) == ("Succeeded", 31.23, "2026-01-01T00:00:00Z")


def test_a_score_of_zero_is_a_score() -> None:
    """0 is written as 0, not left out."""
    status = operator.job_status(pod("Succeeded", exitCode=0, message='{"score": 0}'))

    assert (status["phase"], status["score"]) == ("Succeeded", 0)


@pytest.mark.parametrize(
    ("ended", "message"),
    [
        (pod("Succeeded"), "the worker ended with no exit code and wrote no score"),
        (pod("Succeeded", exitCode=0, message="31.23"), "the worker ended with 0 and wrote no score"),
        (pod("Succeeded", exitCode=0, message='{"score": "31.23"}'), "the worker ended with 0 and wrote no score"),
        (pod("Succeeded", exitCode=0, message='{"score": true}'), "the worker ended with 0 and wrote no score"),
        (pod("Failed", exitCode=137), "the worker ended with 137 and wrote no score"),
        (pod("Failed", exitCode=1, message='{"message": "no such bucket"}'), "no such bucket"),
        (pod("Failed", exitCode=1, message='{"score": 31.23}'), "the worker ended with 1 and wrote no score"),
    ],
)
def test_without_a_score_the_job_failed(ended: dict[str, Any], message: str) -> None:
    """A Pod that ended without a score is a failure with its reason, also if somebody set its phase to Succeeded."""
    status = operator.job_status(ended)

    assert (status["phase"], status["message"]) == ("Failed", message)
    assert "score" not in status


def test_a_pod_that_is_deleted_before_its_end_fails_its_job() -> None:
    """A job does not wait for a Pod that is gone; one that had ended keeps its result."""
    assert operator.job_status(pod("Running"), deleted=True)["phase"] == "Failed"
    ended = pod("Succeeded", exitCode=0, message='{"score": 1.5}')
    assert operator.job_status(ended, deleted=True)["phase"] == "Succeeded"


def test_only_a_healthy_probe_is_a_heartbeat() -> None:
    """A probe that failed turns healthy to false with its reason, and leaves the time of the last heartbeat."""
    assert operator.node_status("", "now") == {"healthy": True, "lastHeartbeat": "now", "message": ""}
    assert operator.node_status("refused", "now") == {"healthy": False, "message": "refused"}


@pytest.mark.parametrize(("duration", "seconds"), [("10s", 10), ("5m", 300), ("1h30m", 5400), ("1h2m3s", 3723)])
def test_interval_is_a_duration(duration: str, seconds: float) -> None:
    """Durations are those that the definition of ModelTraining admits."""
    assert operator.seconds_of(duration) == seconds


TRAINING: dict[str, Any] = {
    "metadata": {"name": "online"},
    "spec": {
        "baseModel": "psnr",
        "algorithm": "online-sgd-ema",
        "outputRegistry": "registry:5000/models",
        "checkpoint": {"interval": "10s", "minSamples": 1},
    },
}


def test_trainer_is_given_the_spec() -> None:
    """What the trainer takes is the spec, with the interval in seconds."""
    assert operator.configuration_of(TRAINING) == {
        "baseModel": "psnr",
        "algorithm": "online-sgd-ema",
        "outputRegistry": "registry:5000/models",
        "intervalSeconds": 10.0,
        "minSamples": 1,
    }


def test_status_is_that_of_the_trainer() -> None:
    """Empty fields of the trainer are left out: there is no checkpoint yet."""
    answer = {"phase": "Running", "currentSamples": 0, "message": "", "modelVersion": "", "lastCheckpoint": ""}

    assert operator.training_status(answer) == {"phase": "Running", "currentSamples": 0, "message": ""}
    assert operator.training_status({**answer, "modelVersion": "sha256:1"})["modelVersion"] == "sha256:1"


@pytest.mark.parametrize(
    ("phase", "expected"),
    [(None, "Initializing"), ("Initializing", "Initializing"), ("Running", "Failed"), ("Failed", "Failed")],
)
def test_a_trainer_that_does_not_answer(phase: str | None, expected: str) -> None:
    """A training that never ran is still initializing; one that ran has failed. The message is the reason."""
    training = {**TRAINING, "status": {"phase": phase}} if phase else TRAINING

    assert operator.unreachable(training, "refused") == {"phase": expected, "message": "refused"}


def test_samples_are_the_scores_that_the_trainer_lacks() -> None:
    """Jobs that succeeded and that the trainer has not taken; one that failed or runs is no sample."""
    jobs: list[dict[str, Any]] = [
        {"metadata": {"uid": "a"}, "status": {"phase": "Succeeded", "score": 0}},
        {"metadata": {"uid": "b"}, "status": {"phase": "Succeeded", "score": 31.23}},
        {"metadata": {"uid": "c"}, "status": {"phase": "Failed"}},
        {"metadata": {"uid": "d"}},
    ]

    assert operator.untold(jobs, {"jobs": ["b"]}) == [{"job": "a", "score": 0}]
