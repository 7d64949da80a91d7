"""What the pod of a Job says of how its check ended. Pure: from objects to an end, each cause told apart.

Executed needs proof: a container with an id, on a node that is not simulated. KWOK completes the pods of Jobs with exit
code 0, and nothing of them ran.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from harness.objects import Object, condition
from harness.validation.checks.verdict import Ended

CONTAINER = "validator"  # results are read only from it
JOB_LABEL = "batch.kubernetes.io/job-name"
_UNPULLABLE = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
)


def pods_of(pods: Iterable[Object], namespace: str, job: str) -> list[Object]:
    """The pods of a Job among others."""
    return [
        pod
        for pod in pods
        if pod["metadata"].get("namespace") == namespace and (pod["metadata"].get("labels") or {}).get(JOB_LABEL) == job
    ]


def ended_of(job: Object | None, pods: Sequence[Object], simulated: Collection[str], timeout: str) -> Ended:
    """How the check of a Job ended, by its newest pod. `simulated` are names of nodes, `timeout` is for messages."""
    name = job["metadata"]["name"] if job else "?"
    # FailureTarget comes at the deadline, Failed when the pod has ended: as late as it takes it to.
    overdue = job is not None and any(
        condition(job, name).get("reason") == "DeadlineExceeded" for name in ("FailureTarget", "Failed")
    )
    late = f"timeout: validator did not complete within {timeout}"
    if not pods:
        if overdue:
            return Ended(1, late)
        why = condition(job, "Failed").get("message") if job else "the Job was deleted"
        return Ended(-1, f"pod not found for Job {name}: {why or 'none was created'}")
    pod = max(pods, key=lambda each: str(each["metadata"].get("creationTimestamp", "")))
    node = str((pod.get("spec") or {}).get("nodeName") or "")
    if node in simulated:
        return Ended(-1, f"not executed: simulated node {node}")
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    status = next((each for each in statuses if each.get("name") == CONTAINER), None)
    if status is None:
        if statuses or not _has(pod):
            return Ended(-1, f'container "{CONTAINER}" not found (validator package contract)')
        return (
            Ended(1, late) if overdue else Ended(-1, f"pod never reached running state: {unplaced(pod) or 'unknown'}")
        )
    state = status.get("state") or {}
    if ended := state.get("terminated"):
        if not status.get("containerID") and not ended.get("containerID"):
            return Ended(-1, f"not executed: the container on node {node or '?'} has no id")
        message = "Container OOMKilled" if ended.get("reason") == "OOMKilled" else str(ended.get("message") or "")
        if overdue and ended.get("exitCode") not in (0, 1, 2):
            return Ended(1, late, _seconds(ended))
        return Ended(int(ended.get("exitCode", -1)), message, _seconds(ended))
    if waiting := state.get("waiting"):
        return Ended(-1, f"{waiting.get('reason', 'waiting')}: {waiting.get('message', '')}".rstrip(": "))
    return Ended(1, late) if overdue else Ended(-1, "container still running after wait completed")


def doomed(pod: Object) -> str:
    """Why a pod will not run, should it stay as it is; empty where nothing says so."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        waiting = (status.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _UNPULLABLE:
            return f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    return unplaced(pod)


def started(pod: Object) -> bool:
    """Whether a container of a pod has been made."""
    return any(status.get("containerID") for status in (pod.get("status") or {}).get("containerStatuses") or ())


def refused(events: Iterable[Object], namespace: str, job: str) -> str:
    """Why the API server refuses the pod of a Job, by the newest event that says so: a quota, a policy, say."""
    of_job = [
        event
        for event in events
        if event["metadata"].get("namespace") == namespace
        and (event.get("involvedObject") or {}).get("kind") == "Job"
        and event["involvedObject"].get("name") == job
    ]
    newest = max(of_job, key=lambda event: str(event.get("lastTimestamp") or ""), default={})
    return str(newest.get("message") or "")


def unplaced(pod: Object) -> str:
    """What the scheduler says of a pod that it has not placed."""
    placed = condition(pod, "PodScheduled")
    return str(placed.get("message") or "") if placed.get("status") == "False" else ""


def _has(pod: Object) -> bool:
    return any(each.get("name") == CONTAINER for each in (pod.get("spec") or {}).get("containers") or ())


def _seconds(ended: Mapping[str, Any]) -> float:
    times = [str(ended.get(key) or "").replace("Z", "+00:00") for key in ("startedAt", "finishedAt")]
    try:
        started, finished = map(datetime.fromisoformat, times)
    except ValueError:
        return 0.0
    return max(0.0, (finished - started).total_seconds())
