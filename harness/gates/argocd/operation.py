"""What the last operation of an Application says: whether it goes on, whether retries are in vain, what is to blame."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from harness.gates.argocd.application import operation_of, results
from harness.gates.messages import may_come, said
from harness.objects import Object
from harness.verdict import CauseKind

_RETRIES_FORGIVEN = 2  # a chart's own CRDs and namespaces take one or two


_READIED = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Pod")  # by KWOK, as fast as they are bound


_ATTEMPT = timedelta(seconds=30)  # what an attempt takes at most until it is refused, on a busy machine


ENDED_BADLY = ("Failed", "Error")  # phases of operations and of hooks


# Webhooks, policies, the API's own validation, its schemas: refusals of the object itself.
_REFUSED = (
    "denied the request",
    "denied request",
    " is invalid: ",
    "failed to create typed patch object",
    "field not declared in schema",
    "duplicate entries for key",
)


def hopeless(operation: Mapping[str, Any]) -> bool:
    """Whether retries (or the end of them) are not worth waiting for: nothing is under way, and it is no first try."""
    if operation.get("phase") in ENDED_BADLY:
        return True
    if operation.get("phase") != "Running" or (operation.get("retryCount") or 0) <= _RETRIES_FORGIVEN:
        return False
    return not any(each.get("hookPhase") == "Running" for each in results(operation))


def in_vain(operation: Mapping[str, Any]) -> bool:
    """Whether the retries that are left will end like those before."""
    retries = operation.get("retryCount") or 0
    if retries > _RETRIES_FORGIVEN and has_hooks(operation, *ENDED_BADLY):
        return True
    return retries > 1 and any(words in str(text) for text in _complaints(operation) for words in _REFUSED)


def goes_on(operation: Mapping[str, Any]) -> bool:
    """Whether a running operation waits for anything else than objects that nobody readies here."""
    # The namespace that Argo CD makes itself is never called done.
    awaited = [
        each for each in results(operation) if each.get("hookPhase") == "Running" and each.get("kind") != "Namespace"
    ]
    sure = [each for each in awaited if each.get("hookType") or each.get("kind") in _READIED]
    return operation.get("phase") == "Running" and (bool(sure) or not awaited)


def has_hooks(operation: Mapping[str, Any], *phases: str) -> bool:
    """Whether a hook is in one of the phases. Objects that are waited for have a phase too, and no type."""
    return any(each.get("hookType") and each.get("hookPhase") in phases for each in results(operation))


def lacks_what_may_come(operation: Mapping[str, Any]) -> bool:
    """Whether an operation that is retried fails for want of something that another Application may bring."""
    return operation.get("phase") == "Running" and any(may_come(text) for text in _complaints(operation))


def ended_before(other: Object, app: Object) -> bool:
    """Whether an operation had ended before the last attempt of another began. Only the ends of attempts are known, and
    while one is under way not even that.
    """
    ended, attempted = (str(operation_of(each).get("finishedAt") or "") for each in (other, app))
    if not ended or not attempted:
        return False
    return datetime.fromisoformat(attempted) - datetime.fromisoformat(ended) >= _ATTEMPT


def _complaints(operation: Mapping[str, Any]) -> Iterator[object]:
    """What Argo CD says of the resources that are not well, and then of the operation."""
    yield from (each.get("message") for each in results(operation) if unwell(each))
    yield operation.get("message")


def blamed(app: Object) -> CauseKind | None:
    """Where it lies that an operation does not succeed, by what Argo CD says of it and of its resources."""
    operation = operation_of(app)
    for text in _complaints(operation):
        if kind := said(text):
            return kind
    failed = [each for each in results(operation) if unwell(each)]
    if not failed:
        return None
    return CauseKind.RECONCILE if any(each.get("hookPhase") in ENDED_BADLY for each in failed) else CauseKind.APPLY


def unwell(result: Mapping[str, Any]) -> bool:
    return result.get("status") == "SyncFailed" or result.get("hookPhase") in ENDED_BADLY
