"""Who owns which pod: from a pod up to the workload that a person knows, and from a workload down to its pods.

Ownership goes by the uid of the controller, never by labels or names: what an object of the same name left behind is
not its own.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.gates.workloads.manifest import WORKLOADS, Identity
from harness.objects import JOBS, NODES, PODS, REPLICASETS, Object, Objects


@dataclass(frozen=True)
class Owner:
    """The outermost controller of a pod; the pod itself where it has none."""

    identity: Identity

    def __str__(self) -> str:
        kind, namespace, name = self.identity
        return f"{kind} {namespace}/{name}"


class Ownership:
    """Objects, indexed by who owns them. Needs NODES, PODS, REPLICASETS and JOBS."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.nodes: Mapping[str, Object] = {node["metadata"]["name"]: node for node in objects.all(NODES)}
        self.pods: Sequence[Object] = [pod for pod in objects.all(PODS) if not _leaving(pod)]
        self.jobs: Mapping[str, Object] = {job["metadata"]["uid"]: job for job in objects.all(JOBS)}
        self._sets: Mapping[str, Object] = {one["metadata"]["uid"]: one for one in objects.all(REPLICASETS)}
        self._pods_of = _by_controller(self.pods)
        self._sets_of = _by_controller(self._sets.values())

    def pods_of(self, uid: str) -> Sequence[Object]:
        """The pods that this controller owns directly, without those that are being deleted."""
        return self._pods_of.get(uid, ())

    def replicasets_of(self, uid: str) -> Sequence[Object]:
        """The ReplicaSets of a Deployment, oldest first."""
        return sorted(self._sets_of.get(uid, ()), key=lambda one: one["metadata"].get("creationTimestamp", ""))

    def superseded(self, uid: str) -> bool:
        """Whether it is a ReplicaSet of which its Deployment has a newer one."""
        reference = controller(self._sets[uid]) if uid in self._sets else None
        sets = self.replicasets_of(reference["uid"]) if reference else ()
        return bool(sets) and sets[-1]["metadata"]["uid"] != uid

    def owner(self, item: Object, kind: str = "Pod") -> Owner:
        """Pod → ReplicaSet → Deployment, Pod → Job → CronJob, or whatever else controls the item of that kind."""
        namespace = item["metadata"].get("namespace", "")
        reference = controller(item)
        if reference is None:
            return Owner((kind, namespace, item["metadata"]["name"]))
        between = self._sets.get(reference["uid"]) or self.jobs.get(reference["uid"])
        if between is not None:
            reference = controller(between) or reference
        group, kind = reference["apiVersion"].rpartition("/")[0], reference["kind"]
        if group and (group, kind) not in WORKLOADS:  # a Volcano Job is no Job
            kind = f"{kind}.{group}"
        return Owner((kind, namespace, reference["name"]))


def controller(item: Object) -> Mapping[str, Any] | None:
    """The owner reference that says controller: true."""
    for reference in item["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return dict(reference)
    return None


def _leaving(item: Object) -> bool:
    return "deletionTimestamp" in item["metadata"]


def _by_controller(items: Iterable[Object]) -> Mapping[str, list[Object]]:
    found: dict[str, list[Object]] = defaultdict(list)
    for item in items:
        reference = controller(item)
        if reference is not None:
            found[reference["uid"]].append(item)
    return found
