"""The scheduler is told to look again at pods that it refuses for their claims, and at no others."""

from typing import Any

from harness.objects import PODS, Objects
from harness.waiting.claims import refused

UNBOUND = "0/6 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"


def pod(name: str, message: str = "", node: str = "") -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    metadata = {"namespace": "monitoring", "name": name}
    return {"metadata": metadata, "spec": {"nodeName": node}, "status": {"conditions": [condition] if message else []}}


def objects_of(*pods: dict[str, Any]) -> Objects:
    return Objects({PODS: {("monitoring", each["metadata"]["name"]): each for each in pods}})


def test_a_volume_is_changed_where_pods_are_refused_for_their_claims() -> None:
    """The one that is there for it, whichever pods they are; the reason names them."""
    [((kind, key), why)] = refused(objects_of(pod("a", UNBOUND), pod("b", UNBOUND))).items()
    assert (kind.plural, key) == ("persistentvolumes", ("", "kwok-harness-bell"))
    assert why == "refused for unbound claims: monitoring/a, monitoring/b"


def test_nothing_is_changed_for_pods_that_are_bound_or_refused_for_something_else() -> None:
    """Those that no volume would help."""
    others = (
        pod("bound", UNBOUND, node="gpu-0"),
        pod("new"),
        pod("big", "0/6 nodes are available: 6 Insufficient cpu."),
    )
    assert refused(objects_of(*others)) == {}
