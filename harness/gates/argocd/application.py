"""An Application of Argo CD as its status tells it: what it is compared with, its state, its last operation."""

from collections.abc import Mapping
from typing import Any

from harness.gates.findings import shortened
from harness.objects import CLAIMS, Kind, Object, Objects

APPLICATIONS = Kind("argoproj.io/v1alpha1", "applications", "Application")


KINDS: tuple[Kind, ...] = (APPLICATIONS,)  # and CLAIMS, where claims are to be looked at


NAMESPACE = "argocd"


PASSING = {("Synced", "Healthy"), ("Synced", "Progressing")}


PASSING_AFTER_SUCCESS = {("OutOfSync", "Healthy"), ("Synced", "Degraded"), ("Synced", "Suspended")}


WAITS_FOR = "waiting for healthy state of "


def sources(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The sources of a spec, or of what an operation or a comparison was of."""
    return list(spec.get("sources") or [spec.get("source") or {}])


def url(source: Mapping[str, Any]) -> str:
    return str(source.get("repoURL") or "").rstrip("/")


def plain(value: Any, *, free: bool = False) -> Any:
    """A source without what a status leaves out: zero values, and the nulls of free-form values."""
    if isinstance(value, Mapping):
        pruned = {key: plain(each, free=free or key == "valuesObject") for key, each in value.items()}
        return {key: each for key, each in pruned.items() if (each is not None if free else each)}
    return [plain(each, free=free) for each in value] if isinstance(value, list) else value


def state_of(app: Object) -> tuple[str, str]:
    """Sync and health; "Unknown" where the status does not say."""
    status = app.get("status") or {}
    return (
        (status.get("sync") or {}).get("status") or "Unknown",
        (status.get("health") or {}).get("status") or "Unknown",
    )


def errors_of(app: Object) -> list[tuple[str, str]]:
    """The conditions that tell of an error: type and message."""
    conditions = (app.get("status") or {}).get("conditions") or ()
    return sorted(
        (each["type"], shortened(each.get("message"))) for each in conditions if each["type"].endswith("Error")
    )


def operation_of(app: Object) -> Mapping[str, Any]:
    return (app.get("status") or {}).get("operationState") or {}


def results(operation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list((operation.get("syncResult") or {}).get("resources") or ())


def awaited_claims(app: Object, objects: Objects) -> list[Object]:
    """The claims that a running operation waits for, as they are now."""
    operation = operation_of(app)
    if (
        CLAIMS not in objects.kinds
        or operation.get("phase") != "Running"
        or not str(operation.get("message")).startswith(WAITS_FOR)
    ):
        return []
    names = [
        (each.get("namespace") or "", each.get("name") or "")
        for each in results(operation)
        if each.get("kind") == CLAIMS.kind and each.get("hookPhase") == "Running"
    ]
    return [claim for name in names if (claim := objects.get(CLAIMS, *name)) is not None]
