"""Claims that nobody will give a volume: which, and what they ask for."""

from typing import Any

import pytest

from harness.gates.findings import Level
from harness.gates.workloads.arrivals import Arrivals, arrivals
from harness.gates.workloads.claims import unbound
from harness.gates.workloads.installing import NothingUnschedulable
from harness.gates.workloads.manifest import Declared, Expected, ExpectedWorkload, Rendered
from harness.gates.workloads.scheduled import ScheduledAsIntended
from harness.objects import PODS
from harness.verdict import CauseKind, Waiting
from tests.fakes.objects import node, objects_of, pod, spec

POD = ("Pod", "apps", "store")
GP2 = {"kind": "StorageClass", "metadata": {"name": "gp2"}, "provisioner": "kubernetes.io/aws-ebs"}
DEFAULT = {
    **GP2,
    "metadata": {"name": "gp2", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
}
LOCAL = {"kind": "StorageClass", "metadata": {"name": "local"}, "provisioner": "kubernetes.io/no-provisioner"}


def claim(name: str = "data", *, phase: str = "Pending", **fields: Any) -> dict[str, Any]:
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}, **fields}
    metadata = {"name": name, "namespace": "apps"}
    return {"kind": "PersistentVolumeClaim", "metadata": metadata, "spec": asked, "status": {"phase": phase}}


def store(**volume: Any) -> dict[str, Any]:
    asked = {"name": "data", **(volume or {"persistentVolumeClaim": {"claimName": "data"}})}
    return pod("store", of=spec(volumes=[asked]), refused="pod has unbound immediate PersistentVolumeClaims")


def found(*objects: Any, coming: Arrivals | None = None, of: Any = None) -> list[tuple[str, Level]]:
    who = of or store()
    left = unbound(who, objects_of(who, *objects), coming or Arrivals(), POD)
    return [(each.text, each.level) for each in left]


def test_a_class_that_is_not_there_is_named_with_the_claim_and_those_that_are() -> None:
    """Size, access mode, volume mode, class; what to do about it."""
    ((text, level),) = found(GP2, claim(storageClassName="gp3"))
    assert level is Level.CERTAIN
    assert text.startswith(
        "PersistentVolumeClaim apps/data (5Gi, ReadWriteOnce, Filesystem) asks for StorageClass gp3, which is not "
        "here; there is gp2: name one of these"
    )


def test_a_class_that_a_release_may_still_bring_is_not_certain() -> None:
    """Only once nothing more is to come, or for a hook that holds that release back."""
    brought = {"kind": "StorageClass", "metadata": {"name": "gp3"}}
    coming = arrivals([Rendered("storage", "kube-system", [brought])], {"storage": ()})
    assert found(claim(storageClassName="gp3"), coming=coming)[0][1] is Level.WAITING


@pytest.mark.parametrize(
    ("objects", "says", "level"),
    [
        ([], "PersistentVolumeClaim apps/data does not exist", Level.CERTAIN),
        ([claim()], "names no StorageClass, and none is the default; there are none", Level.CERTAIN),
        ([claim(storageClassName="")], "asks for no StorageClass, and no volume is there for it", Level.DOOMED),
        ([LOCAL, claim(storageClassName="local")], "StorageClass local has no provisioner", Level.DOOMED),
        ([GP2, claim(storageClassName="gp2", selector={})], "", Level.DOOMED),
        (
            [GP2, claim(storageClassName="gp2", selector={"matchLabels": {}})],
            "selects a volume by its labels",
            Level.DOOMED,
        ),
    ],
)
def test_what_keeps_a_claim_from_its_volume(objects: list[Any], says: str, level: Level) -> None:
    """Volumes that somebody makes by hand may come; a class and a claim that nobody brings do not."""
    left = found(*objects)
    assert bool(left) is bool(says)
    for text, how in left:
        assert says in text
        assert how is level


def test_a_claim_that_is_bound_or_only_waits_for_its_pod_is_no_reason() -> None:
    """The scheduler has refused the pod for something else then."""
    assert found(claim(storageClassName="gp3", phase="Bound")) == []
    assert found(GP2, claim(storageClassName="gp2")) == []
    assert found(DEFAULT, claim()) == []


def test_claims_of_ephemeral_volumes_have_the_name_of_pod_and_volume() -> None:
    """As the controller makes them."""
    ((text, _),) = found(claim("store-data", storageClassName="gp3"), of=store(ephemeral={"volumeClaimTemplate": {}}))
    assert text.startswith("PersistentVolumeClaim apps/store-data (5Gi")


def test_while_a_class_may_come_the_watch_over_an_install_is_patient() -> None:
    """The pod is refused for as long as the release that brings its class is not there."""
    brought = {"kind": "StorageClass", "metadata": {"name": "gp3"}}
    coming = arrivals([Rendered("storage", "kube-system", [brought])], {"storage": ()})
    world = objects_of(node("system-0"), store(), GP2, claim(storageClassName="gp3"))
    assert NothingUnschedulable(frozenset({"apps"}), coming)(world) == Waiting("no pod is unschedulable")
    nothing = NothingUnschedulable(frozenset({"apps"}))(world)
    assert isinstance(nothing, Waiting)
    assert nothing.certain


def test_a_pod_that_waits_for_such_a_claim_ends_the_wait() -> None:
    """The claim is the reason, and not the nodes that would do by their labels."""
    want = ExpectedWorkload(PODS, "apps", "store", "rel", Declared(), spec())
    world = objects_of(node("system-0"), store(), GP2, claim(storageClassName="gp3"))
    verdict = ScheduledAsIntended(Expected((want,)))(world)
    assert isinstance(verdict, Waiting)
    assert (verdict.certain, verdict.kind) == (True, CauseKind.APPLY)
    assert "asks for StorageClass gp3" in verdict.doomed
    assert "would do by labels" not in verdict.doomed
