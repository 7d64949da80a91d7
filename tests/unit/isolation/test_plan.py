"""What is planned for each kind of leftover: a decision table."""

from collections.abc import Mapping
from typing import Any

import pytest

from harness.isolation.inventory import Entry, Inventory, compare
from harness.isolation.plan import CLEARING, CRDS, CUSTOM, LAST, ORDINARY, Step, plan, removable, watched
from harness.objects import CONFIGMAPS, JOBS, NAMESPACES, NODES, PERSISTENT_VOLUMES, PODS, REPLICASETS, Kind, Reference

WIDGETS = Kind("example.com/v1", "widgets", "Widget")
CLAIMS = Kind("v1", "persistentvolumeclaims", "PersistentVolumeClaim")
ROLES = Kind("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", namespaced=False)
WEBHOOKS = Kind("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", "X", namespaced=False)
API_SERVICES = Kind("apiregistration.k8s.io/v1", "apiservices", "APIService", namespaced=False)

Objects = Mapping[Reference, Entry]
Planned = list[tuple[int, str, str, tuple[str, ...]]]
FOREIGN = ("example.com/hold",)


def thing(kind: Kind, name: str, namespace: str = "", uid: str = "", **fields: Any) -> Objects:
    return {Reference(str(kind), namespace, name): Entry(kind, uid or f"uid of {name}", **fields)}


STANDING = {**thing(NAMESPACES, "default"), **thing(NAMESPACES, "kube-system")}


def planned(
    before: Objects, after: Objects, *, stuck: bool = False, unread: Mapping[str, str] | None = None
) -> Planned:
    was, now = Inventory({**STANDING, **before}), Inventory({**STANDING, **after}, unread or {})
    steps = plan(was, now, compare(was, now), stuck=stuck)
    return [(step.stage, step.action, str(step.reference), step.finalizers) for step in steps]


CRD = thing(CRDS, "widgets.example.com", finalizers=("customresourcecleanup.apiextensions.k8s.io",))
CELL = thing(NAMESPACES, "cell")

TABLE: dict[str, tuple[Objects, bool, Planned]] = {
    "cluster-scoped object": (thing(ROLES, "x"), False, [(ORDINARY, "delete", f"{ROLES} x", ())]),
    "object in a standing namespace": (
        thing(CONFIGMAPS, "x", "kube-system"),
        False,
        [(ORDINARY, "delete", "configmaps kube-system/x", ())],
    ),
    "what blocks others goes first": (
        {**thing(ROLES, "x"), **thing(WEBHOOKS, "w"), **thing(API_SERVICES, "v1.x")},
        False,
        [
            (CLEARING, "delete", f"{API_SERVICES} v1.x", ()),
            (CLEARING, "delete", f"{WEBHOOKS} w", ()),
            (ORDINARY, "delete", f"{ROLES} x", ()),
        ],
    ),
    "namespace goes after what it holds, pods after what makes them": (
        {
            **CELL,
            **thing(CONFIGMAPS, "x", "cell"),
            **thing(PODS, "p", "cell", owned=True),
            **thing(REPLICASETS, "r", "cell", owned=True),
        },
        False,
        [
            (ORDINARY, "delete", "configmaps cell/x", ()),
            (ORDINARY, "delete", "replicasets.apps cell/r", ()),
            (LAST, "delete", "namespaces cell", ()),
            (LAST, "delete", "pods cell/p", ()),
        ],
    ),
    "foreign finalizer in a new namespace": (
        {**CELL, **thing(CONFIGMAPS, "x", "cell", finalizers=(*FOREIGN, "orphan"))},
        False,
        [
            (CUSTOM, "strip", "configmaps cell/x", ("orphan",)),
            (ORDINARY, "delete", "configmaps cell/x", ()),
            (LAST, "delete", "namespaces cell", ()),
        ],
    ),
    "custom resource before its definition": (
        {**CRD, **thing(WIDGETS, "w", "default", finalizers=FOREIGN)},
        False,
        [
            (CUSTOM, "strip", f"{WIDGETS} default/w", ()),
            (CUSTOM, "delete", f"{WIDGETS} default/w", ()),
            (LAST, "delete", f"{CRDS} widgets.example.com", ()),
        ],
    ),
    "owned object goes with its owner": (thing(PODS, "x", "default", owned=True), False, []),
    "owned object that stays is helped": (
        thing(PODS, "x", "default", owned=True, finalizers=("batch.kubernetes.io/job-tracking",)),
        True,
        [(CUSTOM, "strip", "pods default/x", ()), (LAST, "delete", "pods default/x", ())],
    ),
    "deleting object is left to itself": (
        thing(CLAIMS, "x", "default", deleting=True, finalizers=("kubernetes.io/pvc-protection",)),
        False,
        [],
    ),
    "deleting object that stays is stripped": (
        thing(CLAIMS, "x", "default", deleting=True, finalizers=("kubernetes.io/pvc-protection",)),
        True,
        [(CUSTOM, "strip", f"{CLAIMS} default/x", ())],
    ),
    "deleting object of an absent operator is stripped at once": (
        thing(JOBS, "x", "default", deleting=True, finalizers=FOREIGN),
        False,
        [(CUSTOM, "strip", f"{JOBS} default/x", ())],
    ),
    "empty namespace is left to itself first": (thing(NAMESPACES, "cell", deleting=True), False, []),
    "empty namespace that stays is finalized": (
        thing(NAMESPACES, "cell", deleting=True),
        True,
        [(LAST, "finalize", "namespaces cell", ())],
    ),
    "namespace that holds something is not finalized": (
        {**thing(NAMESPACES, "cell", deleting=True), **thing(CONFIGMAPS, "x", "cell", deleting=True)},
        True,
        [],
    ),
    "new node and new volume go last": (
        {**thing(NODES, "n"), **thing(PERSISTENT_VOLUMES, "v"), **thing(ROLES, "x")},
        False,
        [
            (ORDINARY, "delete", f"{ROLES} x", ()),
            (LAST, "delete", "nodes n", ()),
            (LAST, "delete", "persistentvolumes v", ()),
        ],
    ),
    "infrastructure that was not there before": (
        {**thing(NAMESPACES, "argocd"), **thing(CONFIGMAPS, "x", "argocd", finalizers=FOREIGN)},
        True,
        [],
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_step_for_each_leftover(name: str) -> None:
    """Each kind of leftover gets the request that takes it away, in the stage in which that works."""
    after, stuck, steps = TABLE[name]
    assert planned({}, after, stuck=stuck) == steps


def test_new_object_in_infrastructure_that_stood_before_goes() -> None:
    """A protected namespace that stood before keeps what it had and loses what the cell put there."""
    before = {**thing(NAMESPACES, "flux-system"), **thing(CONFIGMAPS, "old", "flux-system")}
    after = {**before, **thing(CONFIGMAPS, "new", "flux-system")}
    assert planned(before, after) == [(ORDINARY, "delete", "configmaps flux-system/new", ())]


@pytest.mark.parametrize("stuck", [False, True])
def test_what_was_there_before_is_never_touched(stuck: bool) -> None:
    """Whatever became of it: deleting, with finalizers, or another object under its name."""
    before = {
        **thing(NAMESPACES, "user"),
        **thing(CONFIGMAPS, "x", "user", uid="1"),
        **CRD,
        **thing(WIDGETS, "w", "user", uid="1"),
    }
    after = {
        **thing(NAMESPACES, "user", deleting=True, finalizers=FOREIGN),
        **thing(CONFIGMAPS, "x", "user", uid="2", finalizers=FOREIGN),
        **CRD,
        **thing(WIDGETS, "w", "user", uid="1", deleting=True, finalizers=FOREIGN),
    }
    assert planned(before, after, stuck=stuck) == []


@pytest.mark.parametrize("unread", ["configmaps", "v1"])
def test_what_could_not_be_read_before_is_never_touched(unread: str) -> None:
    """An object may be old where nobody could look at its kind before; it is not taken for new."""
    before, after = Inventory(STANDING, {unread: "500"}), Inventory({**STANDING, **thing(CONFIGMAPS, "x", "default")})
    assert plan(before, after, compare(before, after), stuck=True) == []


def test_conversion_that_nobody_serves_is_switched_off_for_new_definitions_only() -> None:
    """Objects that cannot be listed because their conversion webhook is gone become listable; others' are left."""
    unread = {"widgets.example.com": "500"}
    assert (CLEARING, "convert-nothing", f"{CRDS} widgets.example.com", ()) in planned({}, CRD, unread=unread)
    assert planned(CRD, CRD, unread=unread) == []


@pytest.mark.parametrize(
    ("was", "now", "claims", "action"),
    [
        ("", "u1", {}, "release"),
        ("", "u1", thing(CLAIMS, "c", "standing", uid="u1", deleting=True), None),
        ("u0", "u1", {}, None),
    ],
    ids=["claim is gone", "claim is still there", "was another's"],
)
def test_volume_is_freed_once_its_claim_is_gone(was: str, now: str, claims: Objects, action: str | None) -> None:
    """A volume that was free is freed of a claim that is gone, not of one that still exists."""
    standing = thing(NAMESPACES, "standing")
    before = {**standing, **thing(PERSISTENT_VOLUMES, "v", state={"claim": was})}
    after = {**standing, **thing(PERSISTENT_VOLUMES, "v", state={"claim": now}), **claims}
    assert [each[1] for each in planned(before, after)] == ([action] if action else [])


def test_changed_node_becomes_what_it_was() -> None:
    """A node that stood before is not deleted: the step carries the labels and taints of before."""
    was: dict[str, Any] = {"labels": {"a": "1"}, "taints": [], "unschedulable": False}
    before = Inventory(thing(NODES, "n", state=was))
    after = Inventory(thing(NODES, "n", state={**was, "labels": {"a": "2"}}))
    (step,) = plan(before, after, compare(before, after), stuck=False)
    assert isinstance(step, Step)
    assert (step.action, step.entry.state) == ("relabel", was)


def test_only_what_does_not_go_with_something_else_is_watched() -> None:
    """Objects of new namespaces and of new definitions need no watching, and their kinds may vanish meanwhile."""
    before = Inventory(STANDING)
    objects = {
        **STANDING,
        **CELL,
        **thing(CONFIGMAPS, "inside", "cell"),
        **thing(CONFIGMAPS, "outside", "default"),
        **CRD,
        **thing(WIDGETS, "w", "default"),
    }
    after = Inventory(objects)
    gone = removable(before, after, compare(before, after))
    assert {str(reference) for reference in watched(gone)} == {
        "namespaces cell",
        "configmaps default/outside",
        f"{CRDS} widgets.example.com",
    }
