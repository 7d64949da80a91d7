"""StorageClasses of a provider, put into a cluster with its nodes."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.cluster.api import Cluster
from harness.objects import STORAGE_CLASSES, Object

_UNCHANGEABLE = ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode")


_OURS = ("kwok-harness/storage-class", "provider")  # label of the classes that come with the nodes


def _says(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    defaults = {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}
    return all((found.get(each) or None) == (wanted.get(each) or defaults.get(each)) for each in _UNCHANGEABLE)


def apply_classes(cluster: Cluster, classes: Sequence[Object]) -> None:
    """Make these the classes that the cluster comes with; those of another provider go, a recipe's are left alone.

    One that says something else is replaced: none of what it says can be changed.
    """
    planned = {each["metadata"]["name"]: each for each in classes}
    key, value = _OURS
    for found in cluster.list(STORAGE_CLASSES).items:
        name = found["metadata"]["name"]
        ours = (found["metadata"].get("labels") or {}).get(key) == value
        if (ours and name not in planned) or (name in planned and not _says(found, planned[name])):
            cluster.delete(STORAGE_CLASSES, "", name)
    for name, item in planned.items():
        labels = {**(item["metadata"].get("labels") or {}), key: value}
        cluster.apply(STORAGE_CLASSES, {**item, "metadata": {**item["metadata"], "name": name, "labels": labels}})
