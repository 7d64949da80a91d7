"""Real workloads: whether those that were asked for run, and what keeps one from it.

Unlike the workloads of a recipe, whose pods run nowhere, these are the infrastructure of a cluster with real nodes:
their images must be had, their containers must start, stay and answer.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.gates.findings import Finding, Level, named, overall, shortened
from harness.gates.scheduling.fit import Fit
from harness.objects import DEPLOYMENTS, NODES, PODS, STATEFULSETS, Key, Kind, Object, Objects, condition, holds
from harness.verdict import Passed, Verdict

KINDS = (DEPLOYMENTS, STATEFULSETS, PODS, NODES)

# Why the kubelet has not started a container, where trying again rarely changes that.
_IMAGE = frozenset({"ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "ImageInspectError", "InvalidImageName"})
_START = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"})
_CRASH = "CrashLoopBackOff"
_CRASHES = 2  # endings of one container that are no accident any more


@dataclass(frozen=True)
class Workload:
    """A Deployment or a StatefulSet."""

    kind: Kind
    namespace: str
    name: str

    @property
    def key(self) -> Key:
        return (self.namespace, self.name)

    def __str__(self) -> str:
        return named(self.kind, self.key)


@dataclass(frozen=True)
class Crash:
    """A container that ended by itself. `previous`: it has been started again since, what it said is kept apart."""

    namespace: str
    pod: str
    container: str
    how: str
    previous: bool

    def __str__(self) -> str:
        return f"{self.namespace}/{self.pod} ({self.container}) {self.how}"


@dataclass(frozen=True)
class RolledOut:
    """Each has all its pods, of its newest template, available. None is asked for more than once its controller has
    seen its last change.
    """

    kinds: ClassVar[tuple[Kind, ...]] = KINDS

    workloads: Sequence[Workload]

    def __post_init__(self) -> None:
        if not self.workloads:
            raise ValueError("no workloads: nothing would ever be asked")

    def __call__(self, objects: Objects) -> Verdict:
        findings = [finding for each in self.workloads for finding in _findings(each, objects)]
        if findings:
            return overall(findings)
        return Passed(f"{', '.join(each.name for each in self.workloads)} available")


@dataclass(frozen=True)
class Withdrawn:
    """None of them has a pod any more, nor one on its way out."""

    kinds: ClassVar[tuple[Kind, ...]] = KINDS

    workloads: Sequence[Workload]

    def __call__(self, objects: Objects) -> Verdict:
        findings = []
        for each in self.workloads:
            found = objects.get(each.kind, *each.key)
            left = [] if found is None else _pods(found, objects)
            if found is not None and (not _observed(found) or found.get("status", {}).get("replicas")):
                findings.append(Finding(Level.WAITING, str(each), "still has its pods"))
            elif left:
                findings.append(Finding(Level.WAITING, str(each), f"pod {left[0]['metadata']['name']} is still there"))
        return overall(findings) if findings else Passed("no pod is left")


def pods_of(workloads: Sequence[Workload], objects: Objects) -> dict[Workload, list[Object]]:
    """The pods of each, as their selectors say; none where the workload is not there."""
    found = {each: objects.get(each.kind, *each.key) for each in workloads}
    return {each: [] if item is None else _pods(item, objects) for each, item in found.items()}


def crashes(pod: Object) -> Iterator[Crash]:
    """Containers of the pod that are down after they ended, or have been started again since."""
    metadata = pod["metadata"]
    for status in _unfinished(pod):
        ended = (status.get("state") or {}).get("terminated")
        before = (status.get("lastState") or {}).get("terminated")
        if ended or before:
            how = _ended(ended or before or {})
            yield Crash(metadata["namespace"], metadata["name"], status["name"], how, previous=not ended)


def ended_since(before: Object, now: Object) -> str:
    """How a pod that was ready has ended since, in a word or two of its container; empty where it has not."""
    if now["status"].get("phase") in ("Failed", "Succeeded") and now["status"].get("reason"):
        return f"has ended ({now['status']['reason']}): {shortened(now['status'].get('message'))}"
    starts = {each["name"]: each.get("restartCount", 0) for each in before["status"].get("containerStatuses") or ()}
    for status in now["status"].get("containerStatuses") or ():
        ended = (status.get("state") or {}).get("terminated")
        last = (status.get("lastState") or {}).get("terminated")
        if ended or status.get("restartCount", 0) > starts.get(status["name"], 0):
            return _ended(ended or last or {})
    return ""


def _findings(workload: Workload, objects: Objects) -> Iterator[Finding]:
    found = objects.get(workload.kind, *workload.key)
    if found is None:
        yield Finding(Level.WAITING, str(workload), "is not there")
        return
    if not _observed(found):
        yield Finding(Level.WAITING, str(workload), "its controller has not looked at its last change yet")
        return
    status, wanted = found.get("status") or {}, found["spec"].get("replicas", 1)
    counts = {name: status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    if wanted and all(count == wanted for count in counts.values()):
        return
    level, text = _obstacle(found, _pods(found, objects), list(objects.all(NODES)))
    yield Finding(level, str(workload), f"{counts['availableReplicas']} of {wanted} available: {text}")


def _obstacle(workload: Object, pods: Sequence[Object], nodes: Collection[Object]) -> tuple[Level, str]:
    """What keeps a workload from being available: the worst that its pods say, or its controller where it has none."""
    if not workload["spec"].get("replicas", 1):
        return Level.WAITING, "it is scaled to nothing"
    staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    if not staying:
        if holds(workload, "ReplicaFailure"):
            why = condition(workload, "ReplicaFailure").get("message")
            return Level.DOOMED, f"no pod can be made: {shortened(why)}"
        leaving = "its old pod is still ending" if pods else "it has no pod yet"
        return Level.WAITING, leaving
    alive = [pod for pod in staying if pod["status"].get("phase") != "Failed"]  # an evicted pod is replaced by another
    told = [(*_told(pod, nodes), pod["metadata"]["name"]) for pod in alive or staying]
    level, text, name = max(told, key=lambda each: each[0])
    evicted = [pod for pod in staying if alive and pod["status"].get("reason") == "Evicted"]
    before = f"; before it, {_told(evicted[-1], nodes)[1]}" if evicted else ""
    return level, f"pod {name} {text}{before}"


def _told(pod: Object, nodes: Collection[Object]) -> tuple[Level, str]:
    """What a pod that is not available does instead, and whether that heals."""
    status = pod["status"]
    if status.get("phase") == "Failed":
        reason = "was evicted" if status.get("reason") == "Evicted" else f"has failed ({status.get('reason', '')})"
        return Level.DOOMED, f"{reason}: {shortened(status.get('message'))}"
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        level = Level.DOOMED if scheduled.get("reason") == "Unschedulable" else Level.WAITING
        return level, f"has no node: {_unfit(pod, nodes)}{shortened(scheduled.get('message'))}"
    return max(
        (_container(each, pod) for each in _unfinished(pod)),
        key=lambda each: each[0],
        default=(Level.WAITING, "is about to be started" if pod["spec"].get("nodeName") else "is about to get a node"),
    )


def _unfit(pod: Object, nodes: Collection[Object]) -> str:
    """What is wrong with the nodes that the pod selects, which the scheduler counts and does not name."""
    selected, fit = (pod["spec"].get("nodeSelector") or {}).items(), Fit(pod["spec"])
    told = [
        f"node {node['metadata']['name']} {', '.join(map(str, obstacles))}; "
        for node in nodes
        if selected <= (node["metadata"].get("labels") or {}).items() and (obstacles := fit.obstacles(node))
    ]
    return told[0] if selected and told else ""


def _container(status: Mapping[str, Any], pod: Object) -> tuple[Level, str]:
    name, state = status["name"], status.get("state") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    reason, restarts = waiting.get("reason", ""), status.get("restartCount", 0)
    last = ended or (status.get("lastState") or {}).get("terminated") or {}
    if reason in _IMAGE:
        image = next((each["image"] for each in _containers(pod) if each["name"] == name), status.get("image", ""))
        return Level.DOOMED, f"cannot have the image {image}: {reason}: {shortened(waiting.get('message'))}"
    if reason in _START:
        return Level.DOOMED, f"cannot start {name}: {reason}: {shortened(waiting.get('message'))}"
    if not status.get("ready") and last and (reason == _CRASH or restarts >= _CRASHES):
        return Level.DOOMED, f"does not stay: {name} {_ended(last)}"
    if ended:
        return Level.WAITING, f"{name} {_ended(ended)}"
    if reason:
        return Level.WAITING, f"{name} is not started yet ({reason})"
    return Level.WAITING, f"{name} runs and is not ready" if "running" in state else f"{name} is not started yet"


def _ended(terminated: Mapping[str, Any]) -> str:
    reason = terminated.get("reason") or ""
    told = f" ({reason})" if reason not in ("", "Error", "Completed") else ""
    message = f": {shortened(terminated['message'])}" if terminated.get("message") else ""
    return f"ended with status {terminated.get('exitCode')}{told}{message}"


def _observed(workload: Object) -> bool:
    seen = (workload.get("status") or {}).get("observedGeneration", 0)
    return bool(seen >= workload["metadata"].get("generation", 1))


def _pods(workload: Object, objects: Objects) -> list[Object]:
    wanted = (workload["spec"].get("selector") or {}).get("matchLabels") or {}
    namespace = workload["metadata"]["namespace"]
    return [
        pod
        for pod in objects.all(PODS)
        if pod["metadata"].get("namespace") == namespace
        and wanted  # what selects by nothing but expressions is not ours, and would have every pod
        and wanted.items() <= (pod["metadata"].get("labels") or {}).items()
    ]


def _unfinished(pod: Object) -> list[Mapping[str, Any]]:
    """The statuses of its containers, without those of init containers that have done what they were for."""
    status = pod.get("status") or {}
    first = [each for each in status.get("initContainerStatuses") or () if not each.get("ready")]
    return [*first, *(status.get("containerStatuses") or ())]


def _containers(pod: Object) -> list[Mapping[str, Any]]:
    return [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
