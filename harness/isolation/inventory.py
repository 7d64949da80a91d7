"""What a cluster holds, so that it can be said afterwards whether a cell left anything behind.

Every object of every kind that can be listed, by name and uid; of nodes and volumes also what a cell may change on
them. Left out is what lives by itself: what the control plane writes, renews and expires without being asked.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from harness.cluster.api import ApiError, Cluster, address
from harness.errors import ClusterError
from harness.names import SYSTEM_NAMESPACES
from harness.objects import JOBS, NODES, PERSISTENT_VOLUMES, PODS, REPLICASETS, Kind, Reference

_PARALLEL = 8
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

_TRANSIENT = frozenset(
    {
        "componentstatuses",
        "events",
        "events.events.k8s.io",
        "leases.coordination.k8s.io",
        "endpoints",  # these two follow Services and pods
        "endpointslices.discovery.k8s.io",
        "certificatesigningrequests.certificates.k8s.io",  # expire within the hour
        "storageversions.internal.apiserver.k8s.io",
    }
)
_MADE_BY_THE_CONTROL_PLANE = frozenset(
    {
        ("configmaps", "kube-root-ca.crt"),  # in every namespace, made anew when deleted
        ("serviceaccounts", "default"),
        ("configmaps", "extension-apiserver-authentication"),
        ("configmaps", "kube-apiserver-legacy-service-account-token-tracking"),
    }
)
_MADE_BY_THE_API_SERVER = (  # labels and annotations by which it marks what it keeps up to date itself
    ("labels", "kube-aggregator.kubernetes.io/automanaged"),  # APIServices of its own groups and of CRDs
    ("labels", "kubernetes.io/bootstrapping"),
    ("annotations", "apf.kubernetes.io/autoupdate-spec"),
)
# Where workloads of the cluster's own run, these come and go with each of their rollouts; their owners are counted.
_MADE_BY_WORKLOADS = frozenset({str(PODS), str(REPLICASETS), "controllerrevisions.apps"})
_CONDITION_TAINTS = "node.kubernetes.io/"  # the node controller's own


@dataclass(frozen=True)
class Entry:
    """An object as it was seen. `owned`: goes when its owner does; `expires`: goes some time after its end.

    `state` is what a cell may change on a node (labels, taints, unschedulable) or a volume (claim: the uid of the claim
    that has it).
    """

    kind: Kind
    uid: str
    owned: bool = False
    expires: bool = False
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    state: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Inventory:
    """The objects of a cluster; `unread` says by resource or group version what could not be listed, and why."""

    objects: Mapping[Reference, Entry]
    unread: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """What tells two inventories apart; `replaced` has the name of before and another uid."""

    added: tuple[Reference, ...]
    removed: tuple[Reference, ...]
    replaced: tuple[Reference, ...]
    changed: Mapping[Reference, str]
    unread: Mapping[str, str]

    @property
    def empty(self) -> bool:
        return not (self.added or self.removed or self.replaced or self.changed or self.unread)

    def lines(self) -> tuple[str, ...]:
        """For people, one line for each object."""
        return (
            *(f"left behind: {reference}" for reference in self.added),
            *(f"missing: {reference}" for reference in self.removed),
            *(f"replaced: {reference}" for reference in self.replaced),
            *(f"changed: {reference}: {what}" for reference, what in self.changed.items()),
            *(f"cannot be listed: {resource}: {why}" for resource, why in self.unread.items()),
        )


def take(cluster: Cluster, *, timeout: float = 30.0) -> Inventory:
    """List everything, metadata only; `timeout` in seconds for each request.

    Raises ClusterError where discovery fails; a kind that cannot be listed is in `unread`.
    """
    found = cluster.resources()
    kinds = [kind for kind in found.kinds if str(kind) not in _TRANSIENT]
    objects: dict[Reference, Entry] = {}
    unread = dict.fromkeys(found.unavailable, "its API server does not answer")

    def listed(kind: Kind) -> list[dict[str, Any]] | ClusterError:
        try:
            return _items(cluster, kind, timeout)
        except ApiError as error:
            return [] if error.status in (404, 405) else error  # gone since discovery, or not really listable
        except ClusterError as error:
            return error

    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="inventory") as pool:
        for kind, items in zip(kinds, pool.map(listed, kinds), strict=True):
            if isinstance(items, ClusterError):
                unread[str(kind)] = items.what
                continue
            for item in items:
                metadata = item["metadata"]
                if metadata.get("uid") and not _lives_by_itself(kind, metadata):  # metrics and the like are not stored
                    reference = Reference(str(kind), metadata.get("namespace", ""), metadata["name"])
                    objects[reference] = _entry(kind, item)
    return Inventory(objects, unread)


def compare(before: Inventory, after: Inventory) -> Difference:
    """What is there afterwards and was not before, and the other way round. What was unread before stays unknown."""
    common = sorted(before.objects.keys() & after.objects.keys())
    return Difference(
        added=tuple(sorted(after.objects.keys() - before.objects.keys())),
        removed=tuple(
            reference
            for reference in sorted(before.objects.keys() - after.objects.keys())
            if reference.resource not in after.unread and not before.objects[reference].expires
        ),
        replaced=tuple(each for each in common if before.objects[each].uid != after.objects[each].uid),
        changed={
            each: _changes(before.objects[each].state, after.objects[each].state)
            for each in common
            if before.objects[each].state != after.objects[each].state
        },
        unread={resource: why for resource, why in after.unread.items() if resource not in before.unread},
    )


def condition_taints(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The taints by which the node controller tells of a node's conditions; they come and go by themselves."""
    taints = node.get("spec", {}).get("taints") or []
    return [taint for taint in taints if taint["key"].startswith(_CONDITION_TAINTS)]


def _items(cluster: Cluster, kind: Kind, timeout: float) -> list[dict[str, Any]]:
    if kind in (NODES, PERSISTENT_VOLUMES, JOBS):
        return cluster.list(kind, timeout=timeout, attempts=2).items
    answer = cluster.request("GET", address(kind), accept=_METADATA, timeout=timeout, attempts=2)
    items: list[dict[str, Any]] = answer.get("items") or []
    return items


def _lives_by_itself(kind: Kind, metadata: Mapping[str, Any]) -> bool:
    if (str(kind), metadata["name"]) in _MADE_BY_THE_CONTROL_PLANE:
        return True
    if str(kind) in _MADE_BY_WORKLOADS and metadata.get("namespace") in SYSTEM_NAMESPACES:
        return any(each.get("controller") for each in metadata.get("ownerReferences") or ())
    return any(mark in (metadata.get(where) or {}) for where, mark in _MADE_BY_THE_API_SERVER)


def _entry(kind: Kind, item: Mapping[str, Any]) -> Entry:
    metadata = item["metadata"]
    follows_service = "ipaddress.kubernetes.io/managed-by" in (metadata.get("labels") or {})
    return Entry(
        kind=kind,
        uid=metadata["uid"],
        owned=bool(metadata.get("ownerReferences")) or follows_service,
        expires=kind == JOBS and "ttlSecondsAfterFinished" in item["spec"],
        deleting="deletionTimestamp" in metadata,
        finalizers=tuple(metadata.get("finalizers") or ()),
        state=_state(kind, item),
    )


def _state(kind: Kind, item: Mapping[str, Any]) -> dict[str, Any]:
    spec = item.get("spec") or {}
    if kind == NODES:
        taints = [taint for taint in spec.get("taints") or [] if taint not in condition_taints(item)]
        return {
            "labels": dict(item["metadata"].get("labels") or {}),
            "taints": sorted(
                ({key: taint[key] for key in ("key", "value", "effect") if key in taint} for taint in taints),
                key=lambda taint: (taint["key"], taint["effect"]),
            ),
            "unschedulable": bool(spec.get("unschedulable")),
        }
    if kind == PERSISTENT_VOLUMES:
        return {"claim": (spec.get("claimRef") or {}).get("uid", "")}
    return {}


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Which parts of a state differ; of labels only those that do."""
    told = []
    for part in before:
        old, new = before[part], after.get(part)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
            told.append(", ".join(f"{part[:-1]} {key}: {old.get(key)!r} -> {new.get(key)!r}" for key in keys))
        else:
            told.append(f"{part}: {old!r} -> {new!r}")
    return "; ".join(told)
