"""Workloads of the infrastructure brought to run, and stopped: what keeps one from it is told with its last words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.errors import ClusterError
from harness.gates import rollouts
from harness.gates.rollouts import Crash, Workload
from harness.installers import manifests
from harness.installers.installer import KindSite
from harness.objects import PODS, Object, Objects, key_of
from harness.waiting.loop import Expired, GateFailed, wait

LAST_WORDS = 10  # lines
_LOG_SECONDS = 3.0


def rolled_out(site: KindSite, objects: Sequence[Mapping[str, Any]], deadline: Deadline) -> None:
    """Apply Deployments and StatefulSets, and wait until the pods of each are available.

    Raises ClusterError: at the deadline, or as soon as what does not heal by itself has lasted, with the pod that is in
    the way, its state and the last lines that it wrote.
    """
    manifests.apply(site.cluster, objects)
    available(site, [workload_of(each) for each in objects], deadline)


def available(site: KindSite, workloads: Sequence[Workload], deadline: Deadline) -> None:
    """Wait until the pods of each are available. Raises ClusterError, as `rolled_out` does."""
    seen: list[Objects] = []
    try:
        wait(
            site.cluster,
            rollouts.KINDS,
            rollouts.RolledOut(workloads),
            deadline,
            patience=site.settings.deadlines.unschedulable,
            observe=lambda judged: seen.__setitem__(slice(None), [judged.objects]),
            cancelled=site.lost,
        )
    except (GateFailed, Expired) as error:
        pods = [pod for each in rollouts.pods_of(workloads, seen[-1]).values() for pod in each] if seen else []
        words = last_words(site.cluster, pods)
        raise ClusterError(error.what, where=error.where, do="\n  ".join(filter(None, (words, error.do)))) from error


def stop(cluster: Cluster, workloads: Iterable[Workload], deadline: Deadline) -> None:
    """Scale to nothing those that are there, and wait until their pods are gone. Raises ClusterError."""
    found = [each for each in workloads if cluster.get(each.kind, *each.key) is not None]
    for each in found:
        cluster.patch_merge(each.kind, *each.key, {"spec": {"replicas": 0}})
    if found:
        try:
            wait(cluster, rollouts.KINDS, rollouts.Withdrawn(found), deadline)
        except Expired as error:
            raise ClusterError(error.what, where=error.where) from error


def workload_of(manifest: Mapping[str, Any]) -> Workload:
    metadata = manifest["metadata"]
    return Workload(manifests.KINDS[manifest["kind"]], metadata["namespace"], metadata["name"])


def last_words(cluster: Cluster, pods: Iterable[Object]) -> str:
    """What the first of these that has crashed wrote last; empty where none has, or nobody knows."""
    for crash in (crash for pod in pods for crash in rollouts.crashes(pod)):
        words = words_of(cluster, crash)
        if words:
            return f"its last words ({crash.container}):\n    " + words.replace("\n", "\n    ")
    return ""


def words_of(cluster: Cluster, crash: Crash, lines: int = LAST_WORDS) -> str:
    """The last lines that a container wrote before it ended; empty where the kubelet has them no more."""
    place = (crash.namespace, crash.pod, crash.container)
    try:
        return cluster.log(*place, lines=lines, previous=crash.previous, timeout=_LOG_SECONDS).strip()
    except ClusterError:
        return ""


def pods(cluster: Cluster, workload: Workload) -> list[Object]:
    """The pods of a workload; none where it is not there. Raises ClusterError."""
    found = cluster.get(workload.kind, *workload.key)
    if found is None:
        return []
    listed = cluster.list(PODS, namespace=workload.namespace).items
    objects = Objects({workload.kind: {workload.key: found}, PODS: {key_of(each): each for each in listed}})
    return rollouts.pods_of([workload], objects)[workload]


def log(cluster: Cluster, workload: Workload, lines: int) -> str:
    """The end of what each container of a workload wrote, and before it was started again. Raises ClusterError."""
    found = pods(cluster, workload)
    if not found:
        raise ClusterError("has no pod", where=str(workload))
    parts: list[str] = []
    for pod in found:
        before = [crash for crash in rollouts.crashes(pod) if crash.previous]
        parts += [f"--- {crash}\n{words_of(cluster, crash, lines)}\n" for crash in before]
        for container in pod["spec"]["containers"]:
            name = pod["metadata"]["name"]
            if len(found) > 1 or parts:
                parts.append(f"--- {name} ({container['name']})\n")
            parts.append(cluster.log(workload.namespace, name, container["name"], lines=lines))
    return "".join(parts)
