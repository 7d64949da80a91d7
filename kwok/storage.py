"""Storage that binds without a provisioner: a default StorageClass and volumes made beforehand.

Charts ask for volumes of the default class; on a control plane without nodes of its own nobody would ever make one.
Claims take these instead, since made beforehand they bind in a moment.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from harness.cluster.api import Cluster
from harness.names import volume_name
from harness.objects import PERSISTENT_VOLUMES, Kind
from harness.settings import Volumes

STORAGE_CLASSES = Kind("storage.k8s.io/v1", "storageclasses", "StorageClass", namespaced=False)
CLASS_NAME = "standard"
_UNCHANGEABLE = ("provisioner", "reclaimPolicy", "volumeBindingMode")


def storage_class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": CLASS_NAME, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner",
        "reclaimPolicy": "Retain",
        "volumeBindingMode": "Immediate",
    }


def volumes(settings: Volumes) -> list[dict[str, Any]]:
    """`settings.count` volumes; each offers every access mode, so any claim up to its size can have it."""
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume_name(index)},
            "spec": {
                "storageClassName": CLASS_NAME,
                "capacity": {"storage": settings.size},
                "accessModes": ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"],
                "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": f"/simulated/volume-{index}"},  # nothing is ever mounted
            },
        }
        for index in range(settings.count)
    ]


def furnish(cluster: Cluster, settings: Volumes) -> None:
    """Make the class and the volumes that are missing, and free those whose claim is gone.

    A class of that name which others have made is replaced: none of what it says can be changed.
    """
    wanted = storage_class()
    found = cluster.get(STORAGE_CLASSES, "", CLASS_NAME)
    if found is not None and any(found.get(key) != wanted[key] for key in _UNCHANGEABLE):
        cluster.delete(STORAGE_CLASSES, "", CLASS_NAME)
    cluster.apply(STORAGE_CLASSES, wanted)
    there = {item["metadata"]["name"]: item for item in cluster.list(PERSISTENT_VOLUMES).items}

    def ensure(volume: dict[str, Any]) -> None:
        name = volume["metadata"]["name"]
        if name not in there:
            cluster.apply(PERSISTENT_VOLUMES, volume)
        elif there[name].get("status", {}).get("phase") == "Released":
            cluster.patch_merge(PERSISTENT_VOLUMES, "", name, {"spec": {"claimRef": None}})

    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="volumes") as pool:
        for done in [pool.submit(ensure, volume) for volume in volumes(settings)]:
            done.result()
