"""wait, get, describe, events, podLogs and proxy, by API."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import yaml

from harness.cluster.api import address
from harness.errors import ClusterError
from harness.excerpts import some
from harness.gates.conditions import Awaited
from harness.objects import EVENTS, PODS, Kind
from harness.suites.model import ObjectReference, Proxy, Show, WaitFor
from harness.suites.running.clients import Client
from harness.suites.running.deletes import found
from harness.suites.running.failures import CannotBeJudgedHere, NotJudged, OperationFailed
from harness.suites.running.judging import until_passed
from harness.suites.running.scope import Scope
from harness.suites.running.situation import Situation
from harness.suites.running.writes import named
from harness.verdict import Waiting
from harness.waiting.loop import Expired, GateFailed
from harness.waiting.reflector import Narrow

Object = Mapping[str, Any]

MOST_CHARACTERS = 100_000  # of what is shown
_TAIL = 10  # lines of each container where a selector chooses pods, as kubectl has it


def awaited(action: WaitFor, client: Client, scope: Scope, situation: Situation, timeout: float | None) -> str:
    """Wait until it is so; what was seen. Raises OperationFailed, KindUnknown."""
    reference, condition = action.reference, action.condition
    kind = client.kind(scope.text(reference.api_version), scope.text(reference.kind))
    namespace = _namespace(reference, kind, scope, situation)
    name = scope.text(reference.name)
    gate = Awaited(kind, condition.what, scope.text(condition.name), condition.value, namespace, name)
    narrow = Narrow(namespace, name, scope.text(reference.selector))
    deadline = situation.within(timeout)
    try:
        cluster, recorder = client.cluster, situation.recorder
        passed = until_passed(cluster, gate, deadline, recorder, situation.cancelled, narrow={kind: narrow})
    except GateFailed as failed:
        raise OperationFailed(failed.what) from failed
    except Expired as expired:
        verdict = expired.verdict
        why = str(verdict) if isinstance(verdict, Waiting) else expired.what
        raise OperationFailed(f"timed out after {expired.seconds:.1f} s: {why}") from expired
    return passed.reason


def shown(action: Show, client: Client, scope: Scope, situation: Situation, timeout: float | None) -> str:
    """What get, describe, events and podLogs have to show. Raises OperationFailed, KindUnknown."""
    seconds = max(0.1, situation.within(timeout).remaining)
    if action.verb == "events":
        return _events(action, client, scope, situation)
    if action.verb == "podLogs":
        return _logs(action, client, scope, situation, seconds)
    kind, items = found(action.reference, client, scope, situation)
    if not items and action.reference.name:
        raise OperationFailed(f'{kind.kind} "{scope.text(action.reference.name)}" not found')
    if action.verb == "get":
        return _cut(_formatted(kind, items, scope.text(action.format)))
    texts = [_formatted(kind, items, "yaml")]
    if action.show_events and kind.namespaced:
        namespace = _namespace(action.reference, kind, scope, situation)
        uids = {item["metadata"].get("uid") for item in items}
        events = client.cluster.list(EVENTS, namespace=namespace).items
        texts.append(_lines([event for event in events if event["involvedObject"].get("uid") in uids]))
    return _cut("\n".join(filter(None, texts)))


def proxied(action: Proxy, client: Client, scope: Scope, situation: Situation, timeout: float | None) -> str:
    """The answer of a GET through the API server. Raises OperationFailed; CannotBeJudgedHere where nothing runs."""
    reference = action.reference
    kind = client.kind(scope.text(reference.api_version), scope.text(reference.kind))
    name, port = scope.text(reference.name), scope.text(action.port)
    core = Kind("v1", kind.plural, kind.kind, kind.namespaced)  # the subresource is served by the core group only
    namespace = _namespace(reference, kind, scope, situation)
    place = address(core, namespace) + "/" + quote(f"{name}:{port}" if port else name, safe=":")
    path = f"{place}/proxy/{scope.text(action.path).lstrip('/')}"
    try:
        return client.cluster.text(path, {}, timeout=max(0.1, situation.within(timeout).remaining))
    except ClusterError as error:
        raise _unanswered(situation, f"{named(kind, {'metadata': {'name': name}})}: {error.what}") from error


def _logs(action: Show, client: Client, scope: Scope, situation: Situation, seconds: float) -> str:
    reference = ObjectReference(
        "v1", "Pod", action.reference.name, action.reference.namespace, selector=action.reference.selector
    )
    _, pods = found(reference, client, scope, situation)
    if not pods and reference.name:
        raise OperationFailed(f'Pod "{scope.text(reference.name)}" not found')
    wanted, texts, problems = scope.text(action.container), [], []
    lines = action.tail if action.tail is not None and action.tail >= 0 else (_TAIL if reference.selector else 10_000)
    for pod in pods:
        containers = [each["name"] for each in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])]
        for container in [wanted] if wanted else containers:
            metadata = pod["metadata"]
            try:
                text = client.cluster.log(
                    metadata["namespace"], metadata["name"], container, lines=lines, timeout=seconds
                )
                texts += [f"[pod/{metadata['name']}/{container}] {line}" for line in text.splitlines()]
            except ClusterError as error:
                problems.append(f"{named(PODS, pod)}, container {container}: {error.what}")
    if problems and not texts:
        raise _unanswered(situation, some(problems, 3))
    return _cut("\n".join([*texts, *problems]))


def _unanswered(situation: Situation, what: str) -> OperationFailed:
    if situation.options.simulated:
        return CannotBeJudgedHere(f"cannot be judged here, since nothing runs on simulated nodes: {what}")
    return OperationFailed(what)


def _events(action: Show, client: Client, scope: Scope, situation: Situation) -> str:
    reference = action.reference
    namespace, name = _namespace(reference, EVENTS, scope, situation), scope.text(reference.name)
    selector = scope.text(reference.selector)
    events = client.cluster.list(EVENTS, namespace=namespace, label_selector=selector).items
    if name:
        events = [event for event in events if name in (event["metadata"]["name"], event["involvedObject"].get("name"))]
    form = scope.text(action.format)
    return _cut(_formatted(EVENTS, events, form) if form else _lines(events))


def _namespace(reference: ObjectReference, kind: Kind, scope: Scope, situation: Situation) -> str:
    if not kind.namespaced:
        return ""
    namespace = scope.text(reference.namespace)
    return "" if namespace == "*" else namespace or situation.namespace or "default"


def _formatted(kind: Kind, items: list[dict[str, Any]], form: str) -> str:
    if form not in ("", "json", "yaml"):
        raise NotJudged(f"format {form!r} is not valid: write json or yaml")
    if not form:
        return "\n".join(named(kind, item) for item in items)
    document: Any = items[0] if len(items) == 1 else {"apiVersion": "v1", "kind": "List", "items": items}
    return json.dumps(document, indent=2) if form == "json" else yaml.safe_dump(document, sort_keys=True)


def _lines(events: Iterable[Object]) -> str:
    rows = []
    for event in sorted(events, key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime") or "")):
        about = event.get("involvedObject") or {}
        when = event.get("lastTimestamp") or event.get("eventTime") or "-"
        who = f"{about.get('kind')}/{about.get('name')}"
        rows.append(f"{when}  {event.get('type')}  {event.get('reason')}  {who}  {event.get('message')}")
    return "\n".join(rows)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "\n... (cut off)"
