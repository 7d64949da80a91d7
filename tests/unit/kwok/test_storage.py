"""Storage that binds: a default class, and volumes that fit any claim up to their size."""

from typing import Any, cast

import pytest

from harness.cluster.api import Cluster, Listing
from harness.objects import PERSISTENT_VOLUMES, Kind
from harness.settings import Volumes
from kwok.storage import CLASS_NAME, STORAGE_CLASSES, furnish, storage_class, volumes


class Recording:
    """A cluster with some volumes, that records what is written."""

    def __init__(self, *phases: str) -> None:
        self.there = [
            {"metadata": {"name": f"volume-{index}"}, "status": {"phase": phase}} for index, phase in enumerate(phases)
        ]
        self.applied: list[tuple[Kind, str]] = []
        self.patched: list[tuple[str, Any]] = []
        self.deleted: list[str] = []
        self.storage_class: dict[str, Any] | None = None

    def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        assert (kind, namespace, name) == (STORAGE_CLASSES, "", CLASS_NAME)
        return self.storage_class

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        assert not self.applied
        self.deleted.append(name)

    def apply(self, kind: Kind, obj: dict[str, Any]) -> None:
        self.applied.append((kind, obj["metadata"]["name"]))

    def list(self, kind: Kind) -> Listing:
        assert kind == PERSISTENT_VOLUMES
        return Listing(self.there, "1")

    def patch_merge(self, kind: Kind, namespace: str, name: str, patch: Any) -> None:
        assert (kind, namespace) == (PERSISTENT_VOLUMES, "")
        self.patched.append((name, patch))


def test_the_class_is_the_default_and_provisions_nothing() -> None:
    """A claim that names no class gets this one."""
    found = storage_class()
    assert found["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}
    assert found["provisioner"] == "kubernetes.io/no-provisioner"


def test_each_volume_takes_every_access_mode_and_survives_its_claim() -> None:
    """As many and as big as settings say."""
    found = volumes(Volumes(count=3, size="1Ti"))
    assert len({volume["metadata"]["name"] for volume in found}) == 3
    for volume in found:
        assert volume["spec"]["capacity"] == {"storage": "1Ti"}
        assert volume["spec"]["accessModes"] == ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"]
        assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
        assert volume["spec"]["storageClassName"] == CLASS_NAME


def test_a_reused_cluster_gets_what_is_missing_and_its_released_volumes_back() -> None:
    """A volume in use is left alone; a Retain volume would otherwise stay Released for ever."""
    cluster = Recording("Bound", "Released", "Available")
    furnish(cast(Cluster, cluster), Volumes(count=4, size="1Ti"))
    assert cluster.applied == [(STORAGE_CLASSES, CLASS_NAME), (PERSISTENT_VOLUMES, "volume-3")]
    assert cluster.patched == [("volume-1", {"spec": {"claimRef": None}})]


@pytest.mark.parametrize(
    ("there", "deleted"),
    [
        ({"provisioner": "rancher.io/local-path"}, [CLASS_NAME]),
        ({"volumeBindingMode": "WaitForFirstConsumer"}, [CLASS_NAME]),
        ({}, []),
    ],
)
def test_a_class_of_others_is_replaced(there: dict[str, Any], deleted: list[str]) -> None:
    """What a class says cannot be changed; ours stays."""
    cluster = Recording()
    cluster.storage_class = storage_class() | there
    furnish(cast(Cluster, cluster), Volumes(count=0, size="1Ti"))
    assert cluster.deleted == deleted
    assert cluster.applied == [(STORAGE_CLASSES, CLASS_NAME)]
