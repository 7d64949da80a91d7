"""Pods that are not bound to a node, each with what keeps it from one: as long as it waits, or for good."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from harness.gates.findings import Finding, Level
from harness.gates.workloads import claims, refusals
from harness.gates.workloads.arrivals import Arrivals
from harness.gates.workloads.manifest import REPLICATIONCONTROLLERS
from harness.gates.workloads.ownership import Owner, Ownership
from harness.names import DEFAULT_SCHEDULER
from harness.objects import (
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    NODES,
    PODS,
    REPLICASETS,
    STATEFULSETS,
    Kind,
    Object,
    condition,
    phase,
)
from harness.verdict import CauseKind

KINDS: tuple[Kind, ...] = (
    *(NODES, PODS, REPLICASETS, JOBS),
    *(DEPLOYMENTS, DAEMONSETS, STATEFULSETS, REPLICATIONCONTROLLERS),
    *claims.KINDS,
    *refusals.KINDS,
)

_REFUSED = ("Unschedulable", "SchedulingGated", "SchedulerError")


def owned(ownership: Ownership) -> Iterator[tuple[Object, Owner]]:
    return ((pod, ownership.owner(pod)) for pod in ownership.pods)


def unscheduled(pods: Iterable[tuple[Object, Owner]], ownership: Ownership, arrivals: Arrivals) -> Iterator[Finding]:
    """Pods that are not bound, together by owner; one that the scheduler refused speaks for the others."""
    by_owner: dict[Owner, list[Object]] = defaultdict(list)
    for pod, owner in pods:
        if not pod["spec"].get("nodeName") and phase(pod) not in ("Succeeded", "Failed"):
            by_owner[owner].append(pod)
    for owner, members in sorted(by_owner.items(), key=lambda each: str(each[0])):
        doomed = next((pod for pod in members if _refused(pod)), None)
        name = (doomed or members[0])["metadata"]["name"]
        text = f"pod {name} is not scheduled" if len(members) == 1 else f"{len(members)} pods are not scheduled"
        if owner.identity[0] == "Pod":
            text = "is not scheduled"
        if doomed is not None and (left := claims.unbound(doomed, ownership.objects, arrivals, owner.identity)):
            levels = {claim.level for claim in left}
            level = next(each for each in (Level.CERTAIN, Level.WAITING, Level.DOOMED) if each in levels)
            why = "\n  ".join(claim.text for claim in left)
            yield Finding(level, str(owner), f"{text}: {why}", kind=CauseKind.APPLY)
            continue
        yield Finding(Level.DOOMED if doomed else Level.WAITING, str(owner), text, doomed)


def _refused(pod: Object) -> bool:
    """Whether nothing will bind the pod as things are. One that preempts others is on its way."""
    scheduled = condition(pod, "PodScheduled")
    if (pod.get("status") or {}).get("nominatedNodeName"):
        return False
    foreign = (pod["spec"].get("schedulerName") or DEFAULT_SCHEDULER) != DEFAULT_SCHEDULER
    return (
        bool(pod["spec"].get("schedulingGates")) or scheduled.get("reason") in _REFUSED or (foreign and not scheduled)
    )
