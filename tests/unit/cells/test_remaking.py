"""What does not come to rest while it is watched."""

from typing import Any

from harness.cells.remaking import Restless
from harness.objects import DEPLOYMENTS, JOBS, Objects, key_of
from harness.verdict import Waiting
from harness.waiting.loop import Judged


def item(name: str = "x", uid: str = "1", generation: int = 1, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "apps", "uid": uid, "generation": generation, **metadata}}


def notes(kind: Any, *history: dict[str, Any]) -> list[str]:
    restless = Restless()
    for each in history:
        restless.seen(Judged(Objects({kind: {key_of(each): each}}), Waiting("x"), 0.0))
    return list(restless.notes())


def test_an_object_that_is_made_more_than_once_is_told() -> None:
    """By its uid; one that changes is the same."""
    assert notes(JOBS, item(uid="1"), item(uid="1", generation=2)) == []
    assert notes(JOBS, item(uid="1"), item(uid="2"), item(uid="3")) == [
        "Job apps/x was made 3 times while it was watched: it does not stay"
    ]


def test_what_others_make_and_what_the_system_has_is_their_business() -> None:
    """A CronJob makes Jobs, and the cluster's own namespaces are nobody's recipe."""
    owner = [{"controller": True, "kind": "CronJob", "apiVersion": "batch/v1", "name": "c", "uid": "c"}]
    assert notes(JOBS, *(item(uid=uid, ownerReferences=owner) for uid in "12")) == []
    assert notes(JOBS, *(item(uid=uid, namespace="kube-system") for uid in "12")) == []


def test_a_spec_that_two_hands_change_is_told_with_both() -> None:
    """By managedFields: who has fields of the spec, and who scales; status and Kubernetes' own do not count."""
    managers = [
        {"manager": "argocd-controller", "fieldsV1": {"f:spec": {}}},
        {"manager": "kube-controller-manager", "subresource": "scale", "fieldsV1": {"f:spec": {}}},
        {"manager": "kube-controller-manager", "fieldsV1": {"f:spec": {}}},
        {"manager": "kwok", "subresource": "status", "fieldsV1": {"f:status": {}}},
    ]
    last = item(generation=5, managedFields=managers)
    assert notes(DEPLOYMENTS, item(), item(generation=4)) == []
    assert notes(DEPLOYMENTS, item(), last) == [
        "the spec of Deployment apps/x was changed 4 times while it was watched, by argocd-controller, "
        "kube-controller-manager (scaling it)"
    ]
