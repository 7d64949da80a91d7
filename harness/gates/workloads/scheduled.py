"""The verdict that is the product: every expected workload has its pods, each scheduled where it was meant to be.

"Scheduled" is bound to a node (spec.nodeName). A bound pod that is still Pending counts: no kubelet runs here, and when
KWOK calls it Running proves nothing more. What decides, per expected workload and then for every pod in scope:

| seen                                                             | verdict                         |
|------------------------------------------------------------------|---------------------------------|
| no workload expected at all; or pods expected and none there     | Failed                          |
| the object is absent, leaving, or not yet seen by its controller | Waiting                         |
| replicas in the cluster are not those of the manifest            | Waiting, doomed                 |
| too few pods of the current revision, too many, or older ones    | Waiting (a note: older ones     |
|                                                                  | that OnDelete or a partition    |
|                                                                  | keeps)                          |
| too few pods, and the controller says that it cannot make them   | see `refusals`                  |
| Deployment paused in its manifest, without pods of its template  | Waiting, certain                |
| an autoscaler and self-heal that undo each other's replicas      | Waiting, certain                |
| DaemonSet matches no node (unless declared empty: a note)        | Failed; doomed if nodes are ill |
| DaemonSet counts other nodes than its manifest matches           | Waiting, doomed                 |
| DaemonSet of an accelerated-only component matches other nodes   | Failed                          |
| CronJob whose template fits no node, even an empty one           | Failed                          |
| pod not bound, the scheduler has not spoken                      | Waiting                         |
| pod not bound, refused, gated, or for a scheduler that is absent | Waiting, doomed                 |
| pod not bound, for a claim that nobody will give a volume        | Waiting, certain                |
| pod that asked for a scheduler which the recipe does not install | Failed                          |
| pod Failed (of a Job: as the Job fares); Job Failed              | Failed                          |
| pod on a real node, on the wrong type; GPUs beyond capacity      | Failed                          |
| pod on a node that is not there                                  | Waiting, doomed                 |

In scope are pods outside the system namespaces, whoever made them (operators, hooks, people), and within those the pods
of expected workloads and of the releases' hooks. Unlike the bash harness, pods of Jobs are not excused: a hook that
cannot be scheduled blocks its release for real. Left to the objects themselves: whether containers would run.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.gates.findings import Finding, Level, listed
from harness.gates.workloads import controllers, placement
from harness.gates.workloads.arrivals import Arrivals
from harness.gates.workloads.explanation import worst_of
from harness.gates.workloads.manifest import Expected
from harness.gates.workloads.ownership import Owner, Ownership, controller
from harness.gates.workloads.refusals import Refusals
from harness.gates.workloads.revisions import left_behind
from harness.gates.workloads.unscheduled import KINDS, owned, unscheduled
from harness.names import SCHEDULER_ANNOTATION, SYSTEM_NAMESPACES
from harness.objects import (
    CRONJOBS,
    DAEMONSETS,
    Kind,
    Object,
    Objects,
    condition,
    holds,
    phase,
)
from harness.verdict import CauseKind, Failed, Passed, Verdict


@dataclass(frozen=True)
class ScheduledAsIntended:
    """Every workload of `expected` has its pods where they belong.

    `empty_allowed` names DaemonSets (namespace/name) that may match no node.
    """

    kinds: ClassVar[tuple[Kind, ...]] = KINDS

    expected: Expected
    empty_allowed: frozenset[str] = frozenset()

    def __call__(self, objects: Objects) -> Verdict:
        expected = self.expected
        if not expected.workloads:
            return Failed("nothing to verify: no release renders a workload", kind=CauseKind.RENDER)
        ownership = Ownership(objects)
        pods = [(pod, owner) for pod, owner in owned(ownership) if _in_scope(owner, expected)]
        refused = Refusals(ownership)
        findings = [
            finding
            for want in expected.workloads
            for finding in controllers.judge(want, ownership, self.empty_allowed, refused)
        ]
        findings += unscheduled(pods, ownership, Arrivals())
        findings += _stood_in(pods, expected)
        findings += _failed(pods, ownership, expected)
        findings += _misplaced(pods, ownership, expected)
        if findings:
            return worst_of(findings, ownership)
        return _passed([pod for pod, owner in pods if owner.identity in expected.by_identity], expected)


def notes(objects: Objects, expected: Expected, *, empty_allowed: Collection[str] = ()) -> tuple[str, ...]:
    """What a pass does not cover, for the report: sentences."""
    ownership = Ownership(objects)
    found: list[str] = []
    for want in expected.workloads:
        empty = want.kind == DAEMONSETS and not controllers.matching(want, ownership)
        if empty and f"{want.namespace}/{want.name}" in empty_allowed:
            found.append(f"{want} matches no node, as declared: nothing of it was verified")
        if want.transient and objects.get(want.kind, want.namespace, want.name) is None:
            found.append(f"{want} is gone (ttlSecondsAfterFinished): how it ended was not seen")
        if want.kind != DAEMONSETS and want.replicas == 0:
            why = "suspended" if want.suspended else "a schedule" if want.kind == CRONJOBS else "0 replicas"
            found.append(f"{want} has no pods now ({why})")
        if left := left_behind(want, ownership):
            why = "OnDelete" if want.on_delete else f"a partition of {want.partition}"
            found.append(f"{want}: {left} pods are of an older revision until somebody deletes them ({why})")
    return (*found, *_standing_in(ownership), *placement.by_chance(ownership, expected))


def _standing_in(ownership: Ownership) -> Iterator[str]:
    """By scheduler, the owners of pods that the default one has placed in its stead."""
    owners: dict[str, set[str]] = defaultdict(set)
    for pod, owner in owned(ownership):
        if scheduler := _asked(pod):
            owners[scheduler].add(str(owner))
    for scheduler, found in sorted(owners.items()):
        yield (
            f"scheduler {scheduler} does not run here; the default one placed the pods of {listed(found)} "
            "(schedulers: stand-in): they fit, and what else it would decide was not verified"
        )


def facts(objects: Objects, expected: Expected) -> dict[str, Any]:
    """The placement table, as JSON-ready data."""
    return placement.table(Ownership(objects), expected)


def _in_scope(owner: Owner, expected: Expected) -> bool:
    known = owner.identity in expected.by_identity or owner.identity in expected.hooks
    return known or owner.identity[1] not in SYSTEM_NAMESPACES


def _stood_in(pods: Iterable[tuple[Object, Owner]], expected: Expected) -> Iterator[Finding]:
    """Pods that the default scheduler was given in place of one that nobody brings: really nobody would place them."""
    asked = {(str(owner), _asked(pod)) for pod, owner in pods if _asked(pod)}
    for subject, scheduler in sorted(asked):
        if scheduler not in expected.schedulers:
            text = f"asks for scheduler {scheduler}, which no component of the recipe installs"
            yield Finding(Level.FAILED, subject, text)


def _asked(pod: Object) -> str:
    """The scheduler that a pod asked for, where another stands in for it; empty otherwise."""
    return str((pod["metadata"].get("annotations") or {}).get(SCHEDULER_ANNOTATION, ""))


def _failed(pods: Iterable[tuple[Object, Owner]], ownership: Ownership, expected: Expected) -> Iterator[Finding]:
    """Failed Jobs, and Failed pods of anything else. A pod that a Job has made good for is forgiven."""
    for job in ownership.jobs.values():
        if holds(job, "Failed") and _in_scope(ownership.owner(job, "Job"), expected):
            why = condition(job, "Failed")
            subject = f"Job {job['metadata']['namespace']}/{job['metadata']['name']}"
            text = f"failed: {why.get('reason')}: {why.get('message')}"
            yield Finding(Level.FAILED, subject, text, kind=CauseKind.RECONCILE)
    for pod, owner in pods:
        if phase(pod) != "Failed":
            continue
        reference = controller(pod)
        if reference is None or (reference["kind"], reference["apiVersion"]) != ("Job", "batch/v1"):
            text = f"pod {pod['metadata']['name']} failed: {_end(pod)}"
            yield Finding(Level.FAILED, str(owner), text, kind=CauseKind.RECONCILE)
            continue
        job = ownership.jobs.get(reference["uid"], {"metadata": {}})
        if not holds(job, "Complete") and not holds(job, "Failed"):
            text = f"pod {pod['metadata']['name']} failed ({_end(pod)}); the Job has neither succeeded nor given up"
            yield Finding(Level.WAITING, str(owner), text, kind=CauseKind.RECONCILE)


def _misplaced(pods: Iterable[tuple[Object, Owner]], ownership: Ownership, expected: Expected) -> Iterator[Finding]:
    for pod, owner in pods:
        where = pod["spec"].get("nodeName")
        if not where:
            continue
        node = ownership.nodes.get(where)
        if node is None:
            text = f"pod {pod['metadata']['name']} is bound to node {where}, which does not exist"
            yield Finding(Level.DOOMED, str(owner), text)
        elif wrong := placement.misplaced(pod, owner, node, expected.by_identity.get(owner.identity)):
            yield Finding(Level.FAILED, str(owner), wrong)
    for subject, wrong in placement.over_capacity(ownership):
        yield Finding(Level.FAILED, subject, wrong)


def _end(pod: Object) -> str:
    """How a pod came to fail: its own reason, else that of the first container that did not end well."""
    status = pod.get("status") or {}
    parts = [status.get("reason"), status.get("message")]
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        ended = (container.get("state") or {}).get("terminated") or {}
        if not any(parts) and ended.get("exitCode"):
            parts = [ended.get("reason"), f"exit code {ended['exitCode']}", ended.get("message")]
    return ": ".join(str(part) for part in parts if part) or "no reason given"


def _passed(pods: Collection[Object], expected: Expected) -> Verdict:
    """Green is earned: with no pod at all, only manifests that ask for none may say so."""
    asked = [want for want in expected.workloads if want.kind == DAEMONSETS or want.replicas]
    if asked and not pods:
        return Failed("nothing was scheduled, though pods are expected", str(asked[0]), kind=CauseKind.SCHEDULE)
    nodes = len({pod["spec"]["nodeName"] for pod in pods})
    return Passed(f"{len(pods)} pods of {len(expected.workloads)} workloads are where they belong, on {nodes} nodes")
