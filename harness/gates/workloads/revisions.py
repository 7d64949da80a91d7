"""Pods of the current revision of a workload and of older ones, and which of those stay by its own strategy.

Which revision is current: for a StatefulSet its update revision, for a DaemonSet the generation of its template.
"""

from collections.abc import Sequence

from harness.gates.workloads.manifest import ExpectedWorkload
from harness.gates.workloads.ownership import Ownership
from harness.objects import DAEMONSETS, STATEFULSETS, Kind, Object

_REVISION = "controller-revision-hash"
_GENERATION = "pod-template-generation"
_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def revisions(live: Object, kind: Kind, ownership: Ownership) -> tuple[list[Object], list[Object]]:
    """The pods of a StatefulSet or DaemonSet that are of its current revision, and the others."""
    label, current = _GENERATION, (live["metadata"].get("annotations") or {}).get(_TEMPLATE_GENERATION)
    if kind == STATEFULSETS:
        label, current = _REVISION, (live.get("status") or {}).get("updateRevision")
    return _split(ownership.pods_of(live["metadata"]["uid"]), label, current)


def stays(want: ExpectedWorkload, pod: Object) -> bool:
    """Whether a pod of an older revision stays as it is, by the strategy that its workload asks for."""
    ordinal = pod["metadata"]["name"].rpartition("-")[2]
    return want.on_delete or (ordinal.isdecimal() and int(ordinal) < want.partition)


def left_behind(want: ExpectedWorkload, ownership: Ownership) -> int:
    """How many pods of an older revision stay, as their workload asks for."""
    if want.kind not in (DAEMONSETS, STATEFULSETS):
        return 0
    live = ownership.objects.get(want.kind, want.namespace, want.name)
    _, older = revisions(live, want.kind, ownership) if live is not None else ([], [])
    return sum(stays(want, pod) for pod in older)


def _split(pods: Sequence[Object], label: str, current: str | None) -> tuple[list[Object], list[Object]]:
    """Pods of the current revision, and the others; without a known revision none is current."""
    now: list[Object] = []
    others: list[Object] = []
    for pod in pods:
        is_current = current and (pod["metadata"].get("labels") or {}).get(label) == current
        (now if is_current else others).append(pod)
    return now, others
