"""apply, create, update and patch, as chainsaw does them: what is retried, and what `expect` makes of errors."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from harness.cluster.api import ApiError, transient
from harness.deadline import Deadline
from harness.errors import ClusterError, HarnessError
from harness.objects import Kind
from harness.suites.model import Document, Expectation, Write
from harness.suites.running.clients import Client, KindUnknown, WriteRefused
from harness.suites.running.failures import NotJudged, OperationFailed
from harness.suites.running.scope import Scope, Unevaluated
from harness.suites.running.situation import Created, Situation

Object = dict[str, Any]

_PAUSES = (0.05, 0.1, 0.2, 0.5)  # seconds between tries; the last one again and again
_HOPELESS = frozenset({400, 401, 405, 415})  # asking again changes nothing
_RETRIED = frozenset({409, 429, 500, 503, 504})
_POD_OF = {
    "Pod": ("spec",),
    "Deployment": ("spec", "template", "spec"),
    "StatefulSet": ("spec", "template", "spec"),
    "DaemonSet": ("spec", "template", "spec"),
    "Job": ("spec", "template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}


class ExpectationFailed(OperationFailed):
    """A rule of `expect` fits the object, and its check does not hold."""


def written(
    action: Write, document: Document, client: Client, scope: Scope, situation: Situation, timeout: float
) -> tuple[Object, str]:
    """Carry it out on one object; the object as the server has it then, and what was done. Raises OperationFailed."""
    source = scope.rendered(document.value)
    if not isinstance(source, dict):
        raise NotJudged("the template does not give an object")
    attempt = {"apply": _apply, "create": _create, "update": _update, "patch": _patch}[action.verb]
    deadline = situation.within(timeout)

    def once() -> tuple[Object, str]:
        kind, item = placed(source, client, situation)
        _with_grace(item, situation.grace_period)
        failure: HarnessError | None = None
        done, what = item, ""
        try:
            done, what = attempt(action, kind, item, client, situation, deadline)
        except WriteRefused:
            raise
        except (ClusterError, OperationFailed) as error:
            failure = error
        expected(action.expect, item, done, failure, scope)
        return done, what or f"failed as expected: {failure.what if failure else ''}"

    return _tried(once, situation, deadline, _again_apply if action.verb == "apply" else _again_write)


def placed(source: Mapping[str, Any], client: Client, situation: Situation) -> tuple[Kind, Object]:
    """The kind of an object, and a copy of it in the namespace of the test where it has to have one and names none."""
    api_version, name = source.get("apiVersion"), source.get("kind")
    if not isinstance(api_version, str) or not isinstance(name, str) or not api_version or not name:
        raise NotJudged("the object has no apiVersion or no kind")
    kind = client.kind(api_version, name)
    metadata = dict(source.get("metadata") or {})
    if kind.namespaced and not metadata.get("namespace"):
        metadata["namespace"] = situation.namespace or "default"
    return kind, {**source, "metadata": metadata}


def _apply(
    action: Write, kind: Kind, item: Object, client: Client, situation: Situation, deadline: Deadline
) -> tuple[Object, str]:
    there = _there(kind, item, client)
    if there is None:
        return _create_now(action, kind, item, client, situation, deadline)
    done = client.merge(kind, _upon(there, item), dry_run=action.dry_run, timeout=deadline.remaining)
    return _changed(there, done, kind, situation, action), "configured"


def _create(
    action: Write, kind: Kind, item: Object, client: Client, situation: Situation, deadline: Deadline
) -> tuple[Object, str]:
    if _there(kind, item, client) is not None:
        raise OperationFailed("the resource already exists in the cluster")
    return _create_now(action, kind, item, client, situation, deadline)


def _update(
    action: Write, kind: Kind, item: Object, client: Client, situation: Situation, deadline: Deadline
) -> tuple[Object, str]:
    there = _required(kind, item, client)
    done = client.replace(kind, _upon(there, item), dry_run=action.dry_run, timeout=deadline.remaining)
    return _changed(there, done, kind, situation, action), "updated"


def _patch(
    action: Write, kind: Kind, item: Object, client: Client, situation: Situation, deadline: Deadline
) -> tuple[Object, str]:
    there = _required(kind, item, client)
    done = client.merge(kind, item, subresource=action.subresource, dry_run=action.dry_run, timeout=deadline.remaining)
    return _changed(there, done, kind, situation, action), "patched"


def _required(kind: Kind, item: Object, client: Client) -> Object:
    there = _there(kind, item, client)
    if there is None:
        raise OperationFailed("the resource does not exist in the cluster")
    return there


def _upon(there: Object, item: Object) -> Object:
    """What is written, on top of exactly what is there."""
    return {**item, "metadata": {**item["metadata"], "resourceVersion": there["metadata"]["resourceVersion"]}}


def _there(kind: Kind, item: Object, client: Client) -> Object | None:
    name = item["metadata"].get("name")
    if not isinstance(name, str) or not name:
        if item["metadata"].get("generateName"):
            return None
        raise NotJudged(f"the {kind.kind} has no metadata.name")
    return client.get(kind, str(item["metadata"].get("namespace") or ""), name)


def _create_now(
    action: Write, kind: Kind, item: Object, client: Client, situation: Situation, deadline: Deadline
) -> tuple[Object, str]:
    done = client.create(kind, item, dry_run=action.dry_run, timeout=deadline.remaining)
    if kind.kind == "CustomResourceDefinition":
        client.forget()
    if not action.dry_run:
        situation.journal.made(done)
    if not action.dry_run and not situation.skip_delete:
        situation.created.append(Created(client, kind, done, situation.propagation))
    return done, "created" + (" (dry run)" if action.dry_run else "")


def _changed(before: Object, after: Object, kind: Kind, situation: Situation, action: Write) -> Object:
    """Note an object that was there before the suite, and is not as it was."""
    if not action.dry_run:
        situation.journal.wrote(before, after, f"{named(kind, after)} ({action.verb})")
    return after


def named(kind: Kind, item: Mapping[str, Any]) -> str:
    metadata = item["metadata"]
    return f"{kind.kind} {'/'.join(filter(None, (metadata.get('namespace'), metadata.get('name'))))}"


def expected(
    expectations: Iterable[Expectation], item: Object, done: Object, failure: HarnessError | None, scope: Scope
) -> None:
    """If a rule fits the object its check stands instead of the error; raises ExpectationFailed, or the error."""
    fits = False
    bound = scope.with_(error=_error_text(failure))
    for expectation in expectations:
        if expectation.match is not None and scope.unbound().differences(expectation.match, item):
            continue
        fits = True
        if lines := bound.differences(expectation.check, done):
            said = f" (the error was: {_error_text(failure)})" if failure is not None else ""
            raise ExpectationFailed("\n".join([f"expect does not hold{said}", *(f"* {line}" for line in lines)]))
    if failure is not None and not fits:
        raise failure


def _error_text(error: HarnessError | None) -> str | None:
    """What a Go client says of an error: the server's own message where there is one."""
    if error is None:
        return None
    return error.message or error.what if isinstance(error, ApiError) else error.what


def _again_apply(error: BaseException) -> bool:
    return not (isinstance(error, ApiError) and error.status in _HOPELESS) and not (
        isinstance(error, KindUnknown) and not error.may_come
    )


def _again_write(error: BaseException) -> bool:
    return transient(error) or (isinstance(error, ApiError) and error.status in _RETRIED and "exists" not in error.what)


def _tried(
    once: Callable[[], tuple[Object, str]],
    situation: Situation,
    deadline: Deadline,
    again: Callable[[BaseException], bool],
) -> tuple[Object, str]:
    """Tries again, with growing pauses, until the deadline; the last error is what failed."""
    tries = 0
    while True:
        try:
            return once()
        except (WriteRefused, NotJudged, Unevaluated):
            raise
        except HarnessError as error:
            pause = _PAUSES[min(tries, len(_PAUSES) - 1)]
            if not again(error) or deadline.remaining <= pause:
                tried = f" (tried {tries + 1} times in {deadline.budget:g} s)" if tries else ""
                text = str(error) if isinstance(error, OperationFailed) else error.what
                raise OperationFailed(text + tried + (f"\n{error.do}" if error.do else "")) from error
            tries += 1
            situation.pause(pause)


def _with_grace(item: Object, grace: float | None) -> None:
    """The forced grace period, on a copy of the way to it."""
    path = _POD_OF.get(str(item.get("kind")))
    if grace is None or path is None:
        return
    place: Any = item
    for key in path:
        below = place.get(key)
        place[key] = dict(below) if isinstance(below, dict) else {}
        place = place[key]
    place["terminationGracePeriodSeconds"] = int(grace)
