"""Volumes made to measure, by the rules of their class, and the classes that come with a provider's nodes."""

from typing import Any, cast

import pytest

from harness.cluster.api import Cluster, Listing
from harness.isolation.classes import apply_classes
from harness.names import BELL
from harness.objects import CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES, Kind, Object, Objects, key_of
from kwok.storage import KINDS, PROVISIONER, bell, volumes_due, volumes_spent

WAITS, AT_ONCE = "WaitForFirstConsumer", "Immediate"
CHOSEN = {"volume.kubernetes.io/selected-node": "system-0"}


def storage_class(name: str = "fast", binding: str = WAITS, **parts: Any) -> dict[str, Any]:
    item = {"kind": "StorageClass", "metadata": {"name": name}, "provisioner": "driver.example.com"}
    return {**item, "volumeBindingMode": binding, "reclaimPolicy": "Delete", **parts}


def claim(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    asked = {
        "storageClassName": "fast",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "2Ti"}},
    }
    metadata = {"namespace": "store", "name": "data", "uid": "u-1", "annotations": annotations or {}}
    return {"metadata": metadata, "spec": {**asked, **spec}, "status": {"phase": "Pending"}}


def volume(phase: str, *, by: str = PROVISIONER, policy: str = "Delete") -> dict[str, Any]:
    metadata = {"name": "pvc-u-1", "annotations": {"pv.kubernetes.io/provisioned-by": by}}
    return {"metadata": metadata, "spec": {"persistentVolumeReclaimPolicy": policy}, "status": {"phase": phase}}


def seen(**objects: Object) -> Objects:
    """Objects over KINDS: `of`, `claim` and `volume`, as far as they are there."""
    kinds = {"of": STORAGE_CLASSES, "claim": CLAIMS, "volume": PERSISTENT_VOLUMES}
    found: dict[Kind, dict[Any, Any]] = {kind: {} for kind in KINDS}
    for name, item in objects.items():
        found[kinds[name]][key_of(item)] = item
    return Objects(found)


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({"accessModes": ["ReadWriteOncePod"]}, {"accessModes": ["ReadWriteOncePod"]}),
        ({"accessModes": ["ReadWriteMany"]}, {"accessModes": ["ReadWriteMany"], "capacity": {"storage": "2Ti"}}),
        ({"volumeMode": "Block"}, {"volumeMode": "Block"}),
        ({"resources": {"requests": {"storage": "900Ti"}}}, {"capacity": {"storage": "900Ti"}}),
    ],
    ids=["ReadWriteOncePod", "ReadWriteMany", "Block", "900Ti"],
)
def test_a_volume_is_made_to_measure(asked: dict[str, Any], kept: dict[str, Any]) -> None:
    """Whatever size, access mode and volume mode a claim wants, bound to that claim and no other."""
    [made] = volumes_due(seen(of=storage_class(), claim=claim(CHOSEN, **asked)))
    assert {key: made["spec"][key] for key in kept} == kept
    assert made["spec"]["claimRef"]["uid"] == "u-1"
    assert made["spec"]["storageClassName"] == "fast"


@pytest.mark.parametrize(
    ("binding", "annotations", "due"),
    [(WAITS, {}, 0), (WAITS, CHOSEN, 1), (AT_ONCE, {}, 1)],
    ids=["no consumer", "a consumer has a node", "at once"],
)
def test_the_class_says_when_a_claim_is_bound(binding: str, annotations: dict[str, str], due: int) -> None:
    """One that waits for its consumer waits until the scheduler has chosen a node."""
    assert len(list(volumes_due(seen(of=storage_class(binding=binding), claim=claim(annotations))))) == due


@pytest.mark.parametrize(
    "objects",
    [
        {"claim": claim(CHOSEN)},
        {"of": storage_class(), "claim": claim(CHOSEN, volumeName="taken")},
        {"of": storage_class(), "claim": claim(CHOSEN, selector={"matchLabels": {"a": "b"}})},
        {"of": storage_class(provisioner="kubernetes.io/no-provisioner"), "claim": claim(CHOSEN)},
        {"of": storage_class(), "claim": claim(CHOSEN), "volume": volume("Available")},
    ],
    ids=["no such class", "has a volume", "selects volumes", "no provisioner", "made already"],
)
def test_a_claim_that_no_driver_would_serve_gets_nothing(objects: dict[str, Any]) -> None:
    """A class that is not there, volumes that somebody else makes, and what is done already."""
    assert list(volumes_due(seen(**objects))) == []


@pytest.mark.parametrize(
    ("there", "spent"),
    [
        (volume("Released"), ["pvc-u-1"]),
        (volume("Bound"), []),
        (volume("Released", policy="Retain"), []),
        (volume("Released", by="driver.example.com"), []),
    ],
    ids=["released", "in use", "retained", "of somebody else"],
)
def test_a_volume_goes_with_its_claim(there: dict[str, Any], spent: list[str]) -> None:
    """Where its class says so, and only what was made here."""
    assert list(volumes_spent(seen(volume=there))) == spent


def test_nobody_can_claim_the_bell() -> None:
    """It is promised to a claim that does not exist."""
    assert bell()["metadata"]["name"] == bell()["spec"]["claimRef"]["name"] == BELL


class Recording:
    """A cluster with some classes, that records what is written."""

    def __init__(self, *there: dict[str, Any]) -> None:
        self.there = list(there)
        self.applied: list[dict[str, Any]] = []
        self.deleted: list[str] = []

    def list(self, kind: Kind) -> Listing:
        assert kind == STORAGE_CLASSES
        return Listing(self.there, "1")

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        assert not self.applied
        self.deleted.append(name)

    def apply(self, kind: Kind, obj: dict[str, Any]) -> None:
        self.applied.append(obj)


OURS = {"labels": {"kwok-harness/storage-class": "provider"}}


@pytest.mark.parametrize(
    ("there", "deleted"),
    [
        (storage_class(metadata={"name": "fast", **OURS}), []),
        (storage_class(metadata={"name": "fast"}, volumeBindingMode=AT_ONCE), ["fast"]),
        (storage_class(metadata={"name": "slow", **OURS}), ["slow"]),
        (storage_class(metadata={"name": "of-a-recipe"}), []),
    ],
    ids=["as planned", "says something else", "of another provider", "of a recipe"],
)
def test_a_cluster_has_the_classes_of_its_provider(there: dict[str, Any], deleted: list[str]) -> None:
    """What a class says cannot be changed, so it is replaced; a recipe's own are left alone."""
    cluster = Recording(there)
    apply_classes(cast(Cluster, cluster), [storage_class()])
    assert cluster.deleted == deleted
    assert [each["metadata"] for each in cluster.applied] == [{"name": "fast", **OURS}]
