"""Storage as a provider's drivers give it: volumes made to measure for claims, by the rules of their class.

A claim of a class that binds at once gets its volume at once; one of a class that waits for its consumer gets it when
the scheduler has chosen a node for a pod that uses it. Any size, access mode and volume mode: what a driver would
refuse is not known here. Claims of a class without a provisioner (`kubernetes.io/no-provisioner`) are left to whoever
makes volumes for them.
"""

from collections.abc import Iterator
from typing import Any

from harness.names import BELL
from harness.objects import CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES, Object, Objects

KINDS = (STORAGE_CLASSES, CLAIMS, PERSISTENT_VOLUMES)

PROVISIONER = "simulated.kwok-harness"  # what the volumes say made them: the volume controller leaves those alone
_NO_PROVISIONER = "kubernetes.io/no-provisioner"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_SELECTED_NODE = "volume.kubernetes.io/selected-node"  # by the scheduler, for a claim that waits for its consumer


def volumes_due(objects: Objects) -> Iterator[dict[str, Any]]:
    """The volumes that are missing: one for each claim that is to have its own now. `objects` is over KINDS."""
    classes = {each["metadata"]["name"]: each for each in objects.all(STORAGE_CLASSES)}
    for claim in objects.all(CLAIMS):
        spec, metadata = claim["spec"], claim["metadata"]
        of = classes.get(spec.get("storageClassName") or "")
        if of is None or spec.get("volumeName") or "deletionTimestamp" in metadata or spec.get("selector"):
            continue
        waits = of.get("volumeBindingMode") == "WaitForFirstConsumer"
        chosen = _SELECTED_NODE in (metadata.get("annotations") or {})
        if of["provisioner"] != _NO_PROVISIONER and (chosen or not waits):
            volume = _volume(claim, of)
            if objects.get(PERSISTENT_VOLUMES, "", volume["metadata"]["name"]) is None:
                yield volume


def volumes_spent(objects: Objects) -> Iterator[str]:
    """The names of our volumes whose claim is gone, where their class has them deleted then."""
    for volume in objects.all(PERSISTENT_VOLUMES):
        metadata, spec = volume["metadata"], volume["spec"]
        ours = (metadata.get("annotations") or {}).get(_PROVISIONED_BY) == PROVISIONER
        released = (volume.get("status") or {}).get("phase") == "Released" and "deletionTimestamp" not in metadata
        if ours and released and spec.get("persistentVolumeReclaimPolicy") == "Delete":
            yield metadata["name"]


def _volume(claim: Object, of: Object) -> dict[str, Any]:
    """The volume that a driver of the class would make for a claim."""
    metadata, spec = claim["metadata"], claim["spec"]
    return {
        "apiVersion": PERSISTENT_VOLUMES.api_version,
        "kind": PERSISTENT_VOLUMES.kind,
        "metadata": {"name": f"pvc-{metadata['uid']}", "annotations": {_PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "storageClassName": of["metadata"]["name"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "volumeMode": spec.get("volumeMode") or "Filesystem",
            "persistentVolumeReclaimPolicy": of.get("reclaimPolicy") or "Delete",
            "claimRef": {
                "apiVersion": CLAIMS.api_version,
                "kind": CLAIMS.kind,
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "hostPath": {"path": f"/simulated/{metadata['uid']}"},  # nothing is ever mounted
        },
    }


def bell() -> dict[str, Any]:
    return {
        "apiVersion": PERSISTENT_VOLUMES.api_version,
        "kind": PERSISTENT_VOLUMES.kind,
        "metadata": {"name": BELL},
        "spec": {
            "capacity": {"storage": "1"},
            "accessModes": ["ReadOnlyMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": "kube-system", "name": BELL},  # which nobody makes
            "hostPath": {"path": "/simulated/bell"},
        },
    }
