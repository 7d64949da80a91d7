"""The artifact or commit that Applications are judged by, and why one of them does not pass."""

import re
from collections.abc import Mapping
from typing import Any

from harness.formats.versions import exact
from harness.gates.argocd.application import (
    PASSING,
    PASSING_AFTER_SUCCESS,
    errors_of,
    operation_of,
    plain,
    results,
    sources,
    state_of,
    url,
)
from harness.gates.argocd.operation import ENDED_BADLY, blamed, goes_on, has_hooks, hopeless, in_vain, unwell
from harness.gates.findings import Doubt, Level, listed, shortened
from harness.gates.messages import diagnose
from harness.objects import Object
from harness.verdict import CauseKind

_RETRY_NOTE = re.compile(r"\.? Retrying attempt #\d+ at .*$")  # has a time of day in it


_NEW_KIND = "unable to resolve parseableType"  # Argo CD learns of the fields of a new CRD's objects seconds later


class Bundle:
    """The artifact or commit that Applications are judged by."""

    def __init__(self, sources: list[Mapping[str, Any]], digest: str, before: str = "") -> None:
        self._urls = {url(source) for source in sources}
        self._digest = digest
        self._before = before

    def doubt(self, app: Object) -> Doubt | None:
        """Why an Application does not pass; None if it does."""
        if app["metadata"].get("deletionTimestamp"):
            return Doubt(Level.WAITING, "is being deleted")
        stale, state = self.stale(app), state_of(app)
        operation = operation_of(app)
        current = not stale and concerns(operation, app)
        ended = operation.get("phase") in ENDED_BADLY and (
            state[0] == "OutOfSync" or has_hooks(operation, *ENDED_BADLY)
        )
        if current and (ended or in_vain(operation)):
            return Doubt(Level.FAILED, described(app, state), blamed(app))
        errors = errors_of(app)
        if errors:
            level = Level.WAITING if all(_NEW_KIND in message for _, message in errors) else Level.DOOMED
            return Doubt(level, "; ".join(": ".join(each) for each in errors), diagnose(*errors[0]))
        if stale:
            if foreign := self._foreign(app):
                return Doubt(Level.DOOMED, f"{stale}: another client has pushed {foreign}", CauseKind.PULL)
            return Doubt(Level.WAITING, stale)
        if current and has_hooks(operation, *ENDED_BADLY):
            return Doubt(Level.DOOMED, described(app, state), blamed(app))
        if current and state in PASSING and goes_on(operation):
            level = Level.DOOMED if hopeless(operation) else Level.WAITING
            return Doubt(level, described(app, state), blamed(app))
        if state in PASSING or (state in PASSING_AFTER_SUCCESS and current and operation.get("phase") == "Succeeded"):
            return None
        level = Level.DOOMED if current and hopeless(operation) else Level.WAITING
        return Doubt(level, described(app, state), blamed(app) if current else None)

    def stale(self, app: Object) -> str:
        """Why the status is of something else than the spec and the pushed artifact; empty if it is not."""
        status = app.get("status") or {}
        sync = status.get("sync") or {}
        if not status.get("reconciledAt"):
            return "has not been compared yet"
        asked, compared = sources(app["spec"]), sources(sync.get("comparedTo") or {})
        if [plain(source) for source in asked] != [plain(source) for source in compared]:
            return "has not been compared since its source changed"
        revisions = sync.get("revisions") if app["spec"].get("sources") else [sync.get("revision")]
        if len(revisions or ()) != len(asked):
            return "has no revision yet"
        for source, revision in zip(asked, revisions or (), strict=True):
            if not self._expected(source, revision or ""):
                want = self._digest if url(source) in self._urls else source.get("targetRevision")
                return f"is compared with {revision or 'no revision'} of {url(source)}, not yet with {want}"
        return ""

    def _foreign(self, app: Object) -> str:
        """The commit of the bundle's repository that an Application was compared with, and that is none of this run's;
        empty where there is none. A tag of a registry is never moved, a branch may be.
        """
        if self._digest.startswith("sha256:"):
            return ""
        sync = (app.get("status") or {}).get("sync") or {}
        revisions = sync.get("revisions") if app["spec"].get("sources") else [sync.get("revision")]
        for source, revision in zip(sources(app["spec"]), revisions or (), strict=False):
            if url(source) in self._urls and revision and revision not in (self._digest, self._before):
                return str(revision)
        return ""

    def _expected(self, source: Mapping[str, Any], revision: str) -> bool:
        """Whether `revision` is what `source` must resolve to."""
        if url(source) in self._urls:
            return revision == self._digest
        if url(source).startswith("oci://"):
            return revision.startswith("sha256:")
        asked = source.get("targetRevision") or ""
        return revision == asked if source.get("chart") and exact(asked) else bool(revision)


def concerns(operation: Mapping[str, Any], app: Object) -> bool:
    """Whether the operation is of the revision and the source that the Application was compared with.

    A retry that has just begun has no result yet: then what it was asked to do counts.
    """
    result = operation.get("syncResult") or (operation.get("operation") or {}).get("sync") or {}
    sync = app["status"]["sync"]
    key = "revisions" if app["spec"].get("sources") else "revision"
    same = [plain(each) for each in sources(result)] == [plain(each) for each in sources(app["spec"])]
    return same and result.get(key) == sync.get(key)


def described(app: Object, state: tuple[str, str]) -> str:
    """The state, what the operation says of itself, and the resources that are not in order."""
    operation, parts = operation_of(app), [f"is {state[0]} and {state[1]}"]
    if operation:
        message = shortened(_RETRY_NOTE.sub("", str(operation.get("message") or "")))
        retries = operation.get("retryCount") or 0
        limit = ((operation.get("operation") or {}).get("retry") or {}).get("limit") or 0
        count = f" (retry {retries} of {limit})" if retries else ""
        parts.append(f"operation {operation.get('phase')}{count}" + (f": {message}" if message else ""))
        parts += [
            f"{each.get('kind')} {each.get('name')}: {shortened(each.get('message'))}"
            for each in results(operation)
            if unwell(each)
        ][:3]
    wrong = [
        f"{each.get('kind')} {each.get('name')}"
        for each in (app.get("status") or {}).get("resources") or ()
        if each.get("status") == "OutOfSync" or (each.get("health") or {}).get("status") in ("Degraded", "Missing")
    ]
    if wrong:
        parts.append(f"not in order: {listed(wrong)}")
    return "; ".join(parts)
