"""Deleting what a reference or a file names, and waiting until it is gone."""

from collections.abc import Iterable, Mapping
from typing import Any

from harness.assertions.candidates import Target, target_of
from harness.cluster.api import ApiError
from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.gates.absence import Vanished
from harness.objects import Kind
from harness.suites.model import Expectation, ObjectReference
from harness.suites.running.clients import Client, KindUnknown, WriteRefused
from harness.suites.running.failures import NotJudged, OperationFailed
from harness.suites.running.judging import until_passed
from harness.suites.running.scope import Scope
from harness.suites.running.situation import Situation
from harness.suites.running.writes import expected, named
from harness.waiting.loop import Cancelled, Expired
from harness.waiting.reflector import Narrow

Object = dict[str, Any]


def found(reference: ObjectReference, client: Client, scope: Scope, situation: Situation) -> tuple[Kind, list[Object]]:
    """The objects that a reference names, empty where there are none. Raises KindUnknown."""
    kind = client.kind(scope.text(reference.api_version), scope.text(reference.kind))
    name, namespace = scope.text(reference.name), scope.text(reference.namespace)
    namespace = "" if namespace == "*" else namespace or situation.namespace or "default"
    if name:
        item = client.get(kind, namespace if kind.namespaced else "", name)
        return kind, [] if item is None else [item]
    labels = ",".join(f"{key}={scope.text(value)}" for key, value in reference.labels.items())
    selector = scope.text(reference.selector) or labels
    where = namespace if kind.namespaced else ""
    return kind, client.cluster.list(kind, namespace=where, label_selector=selector).items


def reference_to(source: Mapping[str, Any]) -> ObjectReference:
    """What a document names: by name, or by labels."""
    target: Target | None = target_of(source)
    if target is None:
        raise NotJudged("the object has no apiVersion or no kind")
    return ObjectReference(target.api_version, target.kind, target.name, target.namespace, labels=dict(target.labels))


def deleted(
    reference: ObjectReference,
    expectations: Iterable[Expectation],
    client: Client,
    scope: Scope,
    situation: Situation,
    *,
    propagation: str,
    timeout: float,
) -> list[str]:
    """Delete what a reference names, and wait until each is gone; their names. Raises OperationFailed."""
    try:
        kind, items = found(reference, client, scope, situation)
    except KindUnknown:
        return []  # what nobody serves is not there
    for item in items:
        failure: HarnessError | None = None
        try:
            remove(kind, item, client, situation, propagation=propagation, deadline=situation.within(timeout))
        except (WriteRefused, Cancelled):
            raise
        except HarnessError as error:
            failure = error
        expected(expectations, item, item, failure, scope)
    return [named(kind, item) for item in items]


def remove(
    kind: Kind, item: Mapping[str, Any], client: Client, situation: Situation, *, propagation: str, deadline: Deadline
) -> None:
    """Delete one object and wait until it is gone, or another one has its name. Raises OperationFailed."""
    try:
        if client.delete(kind, item, propagation=propagation, timeout=min(30.0, max(0.1, deadline.remaining))):
            _forgotten(kind, client)
            return
    except ApiError as error:
        if error.status == 404:
            return
        if error.status != 409:  # that is another object of this name by now, or one on its way out
            raise OperationFailed(f"{named(kind, item)} was not deleted: {error.what}") from error
    metadata = item["metadata"]
    namespace = str(metadata.get("namespace") or "")
    gate = Vanished(kind, namespace, str(metadata["name"]), str(metadata.get("uid") or ""))
    try:
        narrow = {kind: Narrow(namespace, gate.name)}
        until_passed(client.cluster, gate, deadline, situation.recorder, situation.cancelled, narrow=narrow)
    except Expired as expired:
        verdict = expired.verdict.reason if expired.verdict is not None else expired.what
        raise OperationFailed(
            f"{named(kind, item)} was not deleted after {deadline.budget:g} s: {verdict}"
        ) from expired
    _forgotten(kind, client)


def _forgotten(kind: Kind, client: Client) -> None:
    """What is known of kinds ends with the definition of one."""
    if kind.kind == "CustomResourceDefinition":
        client.forget()
