"""Kubernetes objects for the tests of the gates: as the API server would show them, and no larger than needed."""

from collections.abc import Iterable
from typing import Any

from harness.gates.workloads.unscheduled import KINDS
from harness.objects import (
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    NODES,
    PODS,
    REPLICASETS,
    STATEFULSETS,
    Kind,
    Objects,
    key_of,
)

KWOK = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}
TOLERATES_KWOK = {"key": "kwok.x-k8s.io/node", "operator": "Equal", "value": "fake", "effect": "NoSchedule"}
TYPE = "aicr.nvidia.com/node-type"
GPU = "nvidia.com/gpu"


def node(
    name: str,
    *,
    labels: dict[str, str] | None = None,
    taints: Iterable[dict[str, str]] = (KWOK,),
    unschedulable: bool = False,
    **allocatable: str,
) -> dict[str, Any]:
    """A ready KWOK node; its type is what its name starts with."""
    accelerated = name.startswith("gpu")
    room = {"cpu": "192", "memory": "2048Gi", "pods": "250", GPU: "8"} if accelerated else {"cpu": "16"}
    room = {"memory": "64Gi", "pods": "110", "ephemeral-storage": "100Gi", **room, **allocatable}
    base = {"type": "kwok", TYPE: "accelerated" if accelerated else "system", "kubernetes.io/hostname": name}
    base |= {"nvidia.com/gpu.present": "true"} if accelerated else {}
    return {
        "metadata": {"name": name, "labels": {**base, **(labels or {})}},
        "spec": {"taints": list(taints), **({"unschedulable": True} if unschedulable else {})},
        "status": {"allocatable": room, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def real_node(name: str = "kind-control-plane") -> dict[str, Any]:
    found = node(name, taints=())
    found["metadata"]["labels"] = {"kubernetes.io/hostname": name}
    return found


def container(**requests: str) -> dict[str, Any]:
    return {"name": "main", "resources": {"requests": {k.replace("_", "-"): v for k, v in requests.items()}}}


def spec(*, gpus: int = 0, **fields: Any) -> dict[str, Any]:
    """A pod spec that tolerates KWOK nodes."""
    resources = {"limits": {GPU: str(gpus)}} if gpus else {}
    found = {"containers": [{"name": "main", "resources": resources}], "tolerations": [TOLERATES_KWOK]}
    return {**found, **fields}


def owned_by(kind: str, name: str, uid: str | None = None, api_version: str = "apps/v1") -> list[dict[str, Any]]:
    uid = uid or f"{kind}-{name}".lower()
    return [{"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": True}]


def pod(
    name: str,
    *,
    on: str = "",
    namespace: str = "apps",
    owner: list[dict[str, Any]] | None = None,
    phase: str = "",
    labels: dict[str, str] | None = None,
    refused: str = "",
    status: dict[str, Any] | None = None,
    deleting: bool = False,
    of: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A pod `of` a pod spec: Running when it is `on` a node, else Pending; `refused` is the scheduler's message."""
    conditions = []
    if refused:
        conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": refused}]
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "uid": f"pod-{name}", "labels": labels or {}}
    metadata |= {"ownerReferences": owner} if owner else {}
    metadata |= {"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleting else {}
    return {
        "metadata": metadata,
        "spec": {**(of or spec()), **({"nodeName": on} if on else {})},
        "status": {"phase": phase or ("Running" if on else "Pending"), "conditions": conditions, **(status or {})},
    }


def live(kind: str, name: str, *, namespace: str = "apps", generation: int = 1, **fields: Any) -> dict[str, Any]:
    """A workload that its controller has observed."""
    found: dict[str, Any] = {
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"{kind}-{name}".lower(),
            "generation": generation,
        },
        "spec": {"template": {"metadata": {"labels": {"app": name}}, "spec": spec()}},
        "status": {"observedGeneration": generation},
    }
    for part in ("metadata", "spec", "status"):
        found[part] |= fields.get(part, {})
    return found


def deployment(name: str = "web", replicas: int = 1, **fields: Any) -> list[dict[str, Any]]:
    """A Deployment and its one ReplicaSet."""
    owner = live("Deployment", name, **{**fields, "spec": {"replicas": replicas, **fields.get("spec", {})}})
    template = owner["spec"]["template"]
    labelled = {**template, "metadata": {"labels": {**template["metadata"]["labels"], "pod-template-hash": "new"}}}
    replica_set = live("ReplicaSet", f"{name}-new", spec={"replicas": replicas, "template": labelled})
    replica_set["metadata"] |= {
        "ownerReferences": owned_by("Deployment", name),
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return [owner, replica_set]


def daemon_set(name: str = "agent", desired: int = 1, **fields: Any) -> dict[str, Any]:
    metadata = {"annotations": {"deprecated.daemonset.template.generation": "1"}}
    return live("DaemonSet", name, metadata=metadata, status={"desiredNumberScheduled": desired}, **fields)


def agent_pod(on: str, *, name: str = "agent", generation: str = "1", bound: bool = True, **fields: Any) -> Any:
    """A DaemonSet's pod for a node."""
    found = pod(
        f"{name}-{on}",
        on=on if bound else "",
        owner=owned_by("DaemonSet", name),
        labels={"pod-template-generation": generation},
        **fields,
    )
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [on]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    found["spec"]["affinity"] = affinity
    return found


def refused(workload: Any, message: str, *, at: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    """An Event: the controller of `workload` may not make a pod."""
    metadata = workload["metadata"]
    return {
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.1", "namespace": metadata["namespace"], "uid": f"event-{at}"},
        "involvedObject": {"uid": metadata["uid"]},
        "reason": "FailedCreate",
        "message": message,
        "lastTimestamp": at,
    }


_KINDS: dict[str, Kind] = {
    kind.kind: kind for kind in (DEPLOYMENTS, REPLICASETS, DAEMONSETS, STATEFULSETS, JOBS, *KINDS)
}


def objects_of(*objects: Any) -> Objects:
    """Nodes have allocatable resources, pods a phase; the others say their kind. Lists are taken apart."""
    found: dict[Kind, dict[tuple[str, str], Any]] = {kind: {} for kind in KINDS}
    for item in (one for entry in objects for one in (entry if isinstance(entry, list) else [entry])):
        kind = _KINDS[item["kind"]] if "kind" in item else NODES if "allocatable" in item["status"] else PODS
        found[kind][key_of(item)] = item
    return Objects(found)
