"""Argo CD: the root Application and every child that the bundle names are synced, from the artifact that was pushed.

The states of an Application that count as a pass are the documented ones (any other waits):

| sync      | health      | last operation | passes                                                      |
|-----------|-------------|----------------|-------------------------------------------------------------|
| Synced    | Healthy     | any, see below | yes                                                         |
| Synced    | Progressing | any, see below | yes: KWOK readies no operands                               |
| OutOfSync | Healthy     | Succeeded      | a child: an operator changed its object afterwards          |
| Synced    | Degraded    | Succeeded      | a child: what the chart expects at run time is not simulated |
| Synced    | Suspended   | Succeeded      | a child: a Job or CronJob that its manifest suspends         |

A status counts only for what is asked now. The CRD has no status subresource, hence no observed generation; instead
the source that was compared must be that of the spec, the revision must be the pushed digest (OCI revisions are
manifest digests, those of Git commits; of charts at HTTP repositories, versions) and an operation must have been of
that same revision.

| seen                                                                  | verdict                  |
|-----------------------------------------------------------------------|--------------------------|
| the root, freshly compared, makes no Application, or not a named one  | Failed                   |
| the root, freshly compared, renders nothing at all                    | Waiting, doomed          |
| an operation of this revision ended Failed or Error, and is OutOfSync | Failed: it is not retried |
| a commit that is neither the pushed one nor the one before it         | Waiting, doomed: another client has pushed |
| a condition whose type ends in Error (Comparison, InvalidSpec, Sync)  | Waiting, doomed          |
| the same, since Argo CD does not know the fields of a new kind yet    | Waiting                  |
| an operation failed and is retried                                    | Waiting; doomed from the third retry |
| the same, since the API server refuses the object itself              | Failed from the second retry |
| the same, for want of what another Application may bring: one is on its way | Waiting            |
| ... those that are done had ended before the last attempt began       | Failed from the third retry |
| a hook of the operation failed                                        | Waiting, doomed; Failed from the third retry |
| an operation that will go on: to a hook, or once workloads are ready  | Waiting         |
| an operation that waits for a claim, which waits for its consumer     | Waiting, doomed |

An operation that waits for operands alone (a Prometheus, an Ingress) is one that never ends here, and passes with the
hooks that it never comes to. Any other is waited for: in sync before its hooks have run is not what helm calls done.

An Application is on its way where nothing is wrong with it but that it is not done. Once none is, what is not there (a
kind, a field of one, a namespace) is not going to come.

An Application in the namespace that the bundle does not name is held to the same table, as the bash harness does, and
the pass names it. Nothing is Failed for an error condition alone: Argo CD compares again, and a repo server that is
being restarted looks the same as a chart that does not exist.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from harness.formats.versions import exact
from harness.gates.combining import there
from harness.gates.findings import Doubt, Finding, Level, listed, overall, shortened, subject
from harness.gates.messages import diagnose, may_come, said
from harness.objects import CLAIMS, Key, Kind, Object, Objects, key_of, phase
from harness.verdict import CauseKind, Failed, Passed, Verdict

APPLICATIONS = Kind("argoproj.io/v1alpha1", "applications", "Application")
KINDS: tuple[Kind, ...] = (APPLICATIONS,)  # and CLAIMS, where claims are to be looked at
NAMESPACE = "argocd"

_PASS = {("Synced", "Healthy"), ("Synced", "Progressing")}
_PASS_AFTER_SUCCESS = {("OutOfSync", "Healthy"), ("Synced", "Degraded"), ("Synced", "Suspended")}
_RETRIES_FORGIVEN = 2  # a chart's own CRDs and namespaces take one or two
_RETRY_NOTE = re.compile(r"\.? Retrying attempt #\d+ at .*$")  # has a time of day in it
_WAITS_FOR = "waiting for healthy state of "
_WAITS_FOR_CRD = f"{_WAITS_FOR}apiextensions.k8s.io/CustomResourceDefinition/"
_NEW_KIND = "unable to resolve parseableType"  # Argo CD learns of the fields of a new CRD's objects seconds later
_READIED = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Pod")  # by KWOK, as fast as they are bound
_ATTEMPT = timedelta(seconds=30)  # what an attempt takes at most until it is refused, on a busy machine
_BAD = ("Failed", "Error")  # phases of operations and of hooks
# Webhooks, policies, the API's own validation, its schemas: refusals of the object itself.
_REFUSED = (
    "denied the request",
    "denied request",
    " is invalid: ",
    "failed to create typed patch object",
    "field not declared in schema",
    "duplicate entries for key",
)


@dataclass(frozen=True)
class RootThere:
    """The grace: the root Application exists."""

    kinds: ClassVar[tuple[Kind, ...]] = KINDS

    root: str

    def __call__(self, objects: Objects) -> Verdict:
        return there(APPLICATIONS, (NAMESPACE, self.root))(objects)


@dataclass(frozen=True)
class Synced:
    """The root and all of its `children` are synced. `digest` ("sha256:...", or a commit) is what the push of the
    bundle gave, and `before` the commit that was pushed before it, if any.

    Sources with the repoURL of the root are those of the bundle.
    """

    kinds: ClassVar[tuple[Kind, ...]] = (*KINDS, CLAIMS)  # an operation may wait for a claim

    root: str
    children: tuple[str, ...]
    digest: str
    before: str = ""

    def __call__(self, objects: Objects) -> Verdict:
        if not self.children:
            return Failed("no child Application is expected: nothing would be verified")
        top = objects.get(APPLICATIONS, NAMESPACE, self.root)
        if top is None:
            return RootThere(self.root)(objects)
        found = {
            app["metadata"]["name"]: app
            for app in objects.all(APPLICATIONS)
            if app["metadata"]["namespace"] == NAMESPACE
        }
        bundle = _Bundle(_sources(top["spec"]), self.digest, self.before)
        findings = list(_root(top, bundle, self.children))
        absent = sorted(set(self.children) - set(found))
        findings += [Finding(Level.WAITING, f"Application {NAMESPACE}/{name}", "is not there yet") for name in absent]
        children = {name: app for name, app in sorted(found.items()) if name != self.root}
        doubts = {name: doubt for name, app in children.items() if (doubt := bundle.doubt(app))}
        for name, doubt in doubts.items():
            if starved := _starved(children[name], objects):
                doubt = Doubt(Level.DOOMED, starved, CauseKind.RECONCILE)
            elif _lacks_what_may_come(_operation(children[name])):
                doubt = _beside_others(name, doubts, children, absent)
            findings.append(doubt.of(subject(APPLICATIONS, children[name])))
        if findings:
            return overall(findings)
        extra = listed(set(found) - {self.root, *self.children})
        note = f"; also {extra}, which the bundle does not name" if extra else ""
        return Passed(f"{self.root} and its {len(self.children)} Applications are synced, at {self.digest}{note}")


def progress(objects: Objects) -> dict[str, bool]:
    """By name, the Applications of which an operation has begun, and whether they are in a state that passes."""
    found = {}
    for app in objects.all(APPLICATIONS):
        if operation := _operation(app):
            after_success = operation.get("phase") == "Succeeded" and _state(app) in _PASS_AFTER_SUCCESS
            found[app["metadata"]["name"]] = _state(app) in _PASS or after_success
    return found


def waiting_for_nothing(objects: Objects) -> dict[tuple[Kind, Key], str]:
    """Applications that Argo CD would look at again only at its next resync, and why each is worth a look before.

    Their operation waits for CRDs, which are healthy in no time, or for claims that are bound by now; or they could not
    be compared. What is merely out of sync Argo CD comes back to by itself, to heal it.
    """
    return {(APPLICATIONS, key_of(app)): why for app in objects.all(APPLICATIONS) if (why := _asleep(app, objects))}


def _asleep(app: Object, objects: Objects) -> str:
    """Why an Application is worth a look; empty where it is not."""
    operation = _operation(app)
    message = str(operation.get("message"))
    claims = [phase(claim) for claim in _awaited_claims(app, objects)]
    if message.startswith(_WAITS_FOR_CRD) or (claims and all(each == "Bound" for each in claims)):
        return message
    return "; ".join(": ".join(each) for each in _errors(app))


def _errors(app: Object) -> list[tuple[str, str]]:
    """The conditions that tell of an error: type and message."""
    conditions = (app.get("status") or {}).get("conditions") or ()
    return sorted(
        (each["type"], shortened(each.get("message"))) for each in conditions if each["type"].endswith("Error")
    )


def _awaited_claims(app: Object, objects: Objects) -> list[Object]:
    """The claims that a running operation waits for, as they are now."""
    operation = _operation(app)
    if (
        CLAIMS not in objects.kinds
        or operation.get("phase") != "Running"
        or not str(operation.get("message")).startswith(_WAITS_FOR)
    ):
        return []
    names = [
        (each.get("namespace") or "", each.get("name") or "")
        for each in _results(operation)
        if each.get("kind") == CLAIMS.kind and each.get("hookPhase") == "Running"
    ]
    return [claim for name in names if (claim := objects.get(CLAIMS, *name)) is not None]


def _starved(app: Object, objects: Objects) -> str:
    """Why an operation never ends that waits for a claim which nobody uses yet; empty where there is none such.

    A class that binds at once has bound it by the time that a doubt stands; one that waits for a consumer waits for a
    pod, and where that pod is not of the claim's wave, for ever.
    """
    pending = [claim for claim in _awaited_claims(app, objects) if phase(claim) == "Pending"]
    if not pending:
        return ""
    claims = listed([f"{CLAIMS.kind} {'/'.join(key_of(claim))}" for claim in pending])
    return (
        f"its operation waits for {claims} to be bound, which waits for a pod that uses it, of this wave or an earlier "
        "one: put the claim and its pod into one sync wave, or name a StorageClass that binds at once"
    )


def _root(top: Object, bundle: "_Bundle", children: Collection[str]) -> Iterator[Finding]:
    """What is wrong with the root: its own state, which passes in fewer ways, and what it makes."""
    who = subject(APPLICATIONS, top)
    if doubt := bundle.doubt(top):
        yield doubt.of(who)
    elif (state := _state(top)) not in _PASS:
        yield Finding(Level.WAITING, who, _described(top, state))
    if bundle.stale(top) or _state(top)[0] not in ("Synced", "OutOfSync"):
        return  # its resources are not (only) those of the artifact
    resources = (top.get("status") or {}).get("resources") or ()
    made = {each["name"] for each in resources if each.get("kind") == "Application" and not each.get("requiresPruning")}
    if not resources:
        yield Finding(Level.DOOMED, who, "renders nothing at all", kind=CauseKind.RENDER)
    elif not made:
        text = f"was reconciled, and makes no Application; {len(children)} are expected"
        yield Finding(Level.FAILED, who, text, kind=CauseKind.RENDER)
    elif lost := set(children) - made:
        yield Finding(Level.FAILED, who, f"was reconciled, and does not make {listed(lost)}", kind=CauseKind.RENDER)


class _Bundle:
    """The artifact or commit that Applications are judged by."""

    def __init__(self, sources: list[Mapping[str, Any]], digest: str, before: str = "") -> None:
        self._urls = {_url(source) for source in sources}
        self._digest = digest
        self._before = before

    def doubt(self, app: Object) -> Doubt | None:
        """Why an Application does not pass; None if it does."""
        if app["metadata"].get("deletionTimestamp"):
            return Doubt(Level.WAITING, "is being deleted")
        stale, state = self.stale(app), _state(app)
        operation = _operation(app)
        current = not stale and _concerns(operation, app)
        ended = operation.get("phase") in _BAD and (state[0] == "OutOfSync" or _hooks(operation, *_BAD))
        if current and (ended or _in_vain(operation)):
            return Doubt(Level.FAILED, _described(app, state), _blamed(app))
        errors = _errors(app)
        if errors:
            level = Level.WAITING if all(_NEW_KIND in message for _, message in errors) else Level.DOOMED
            return Doubt(level, "; ".join(": ".join(each) for each in errors), diagnose(*errors[0]))
        if stale:
            if foreign := self._foreign(app):
                return Doubt(Level.DOOMED, f"{stale}: another client has pushed {foreign}", CauseKind.PULL)
            return Doubt(Level.WAITING, stale)
        if current and _hooks(operation, *_BAD):
            return Doubt(Level.DOOMED, _described(app, state), _blamed(app))
        if current and state in _PASS and _goes_on(operation):
            level = Level.DOOMED if _hopeless(operation) else Level.WAITING
            return Doubt(level, _described(app, state), _blamed(app))
        if state in _PASS or (state in _PASS_AFTER_SUCCESS and current and operation.get("phase") == "Succeeded"):
            return None
        level = Level.DOOMED if current and _hopeless(operation) else Level.WAITING
        return Doubt(level, _described(app, state), _blamed(app) if current else None)

    def stale(self, app: Object) -> str:
        """Why the status is of something else than the spec and the pushed artifact; empty if it is not."""
        status = app.get("status") or {}
        sync = status.get("sync") or {}
        if not status.get("reconciledAt"):
            return "has not been compared yet"
        asked, compared = _sources(app["spec"]), _sources(sync.get("comparedTo") or {})
        if [_plain(source) for source in asked] != [_plain(source) for source in compared]:
            return "has not been compared since its source changed"
        revisions = sync.get("revisions") if app["spec"].get("sources") else [sync.get("revision")]
        if len(revisions or ()) != len(asked):
            return "has no revision yet"
        for source, revision in zip(asked, revisions or (), strict=True):
            if not self._expected(source, revision or ""):
                want = self._digest if _url(source) in self._urls else source.get("targetRevision")
                return f"is compared with {revision or 'no revision'} of {_url(source)}, not yet with {want}"
        return ""

    def _foreign(self, app: Object) -> str:
        """The commit of the bundle's repository that an Application was compared with, and that is none of this run's;
        empty where there is none. A tag of a registry is never moved, a branch may be.
        """
        if self._digest.startswith("sha256:"):
            return ""
        sync = (app.get("status") or {}).get("sync") or {}
        revisions = sync.get("revisions") if app["spec"].get("sources") else [sync.get("revision")]
        for source, revision in zip(_sources(app["spec"]), revisions or (), strict=False):
            if _url(source) in self._urls and revision and revision not in (self._digest, self._before):
                return str(revision)
        return ""

    def _expected(self, source: Mapping[str, Any], revision: str) -> bool:
        """Whether `revision` is what `source` must resolve to."""
        if _url(source) in self._urls:
            return revision == self._digest
        if _url(source).startswith("oci://"):
            return revision.startswith("sha256:")
        asked = source.get("targetRevision") or ""
        return revision == asked if source.get("chart") and exact(asked) else bool(revision)


def _sources(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The sources of a spec, or of what an operation or a comparison was of."""
    return list(spec.get("sources") or [spec.get("source") or {}])


def _url(source: Mapping[str, Any]) -> str:
    return str(source.get("repoURL") or "").rstrip("/")


def _plain(value: Any, *, free: bool = False) -> Any:
    """A source without what a status leaves out: zero values, and the nulls of free-form values."""
    if isinstance(value, Mapping):
        pruned = {key: _plain(each, free=free or key == "valuesObject") for key, each in value.items()}
        return {key: each for key, each in pruned.items() if (each is not None if free else each)}
    return [_plain(each, free=free) for each in value] if isinstance(value, list) else value


def _state(app: Object) -> tuple[str, str]:
    """Sync and health; "Unknown" where the status does not say."""
    status = app.get("status") or {}
    return (
        (status.get("sync") or {}).get("status") or "Unknown",
        (status.get("health") or {}).get("status") or "Unknown",
    )


def _operation(app: Object) -> Mapping[str, Any]:
    return (app.get("status") or {}).get("operationState") or {}


def _concerns(operation: Mapping[str, Any], app: Object) -> bool:
    """Whether the operation is of the revision and the source that the Application was compared with.

    A retry that has just begun has no result yet: then what it was asked to do counts.
    """
    result = operation.get("syncResult") or (operation.get("operation") or {}).get("sync") or {}
    sync = app["status"]["sync"]
    key = "revisions" if app["spec"].get("sources") else "revision"
    same = [_plain(each) for each in _sources(result)] == [_plain(each) for each in _sources(app["spec"])]
    return same and result.get(key) == sync.get(key)


def _hopeless(operation: Mapping[str, Any]) -> bool:
    """Whether retries (or the end of them) are not worth waiting for: nothing is under way, and it is no first try."""
    if operation.get("phase") in _BAD:
        return True
    if operation.get("phase") != "Running" or (operation.get("retryCount") or 0) <= _RETRIES_FORGIVEN:
        return False
    return not any(each.get("hookPhase") == "Running" for each in _results(operation))


def _lacks_what_may_come(operation: Mapping[str, Any]) -> bool:
    """Whether an operation that is retried fails for want of something that another Application may bring."""
    return operation.get("phase") == "Running" and any(may_come(text) for text in _complaints(operation))


def _beside_others(
    name: str, doubts: Mapping[str, Doubt], children: Mapping[str, Object], absent: Collection[str]
) -> Doubt:
    """The doubt about an Application that lacks what another one may bring: it waits for those that are on their way,
    and for an attempt that none of those that are done came too late for.
    """
    doubt = doubts[name]
    on_their_way = bool(absent) or any(each.level is Level.WAITING for each in doubts.values())
    done = [app for other, app in children.items() if other not in doubts]
    if on_their_way or not all(_ended_before(app, children[name]) for app in done):
        return replace(doubt, level=Level.WAITING)
    if doubt.level is Level.DOOMED:
        return replace(doubt, level=Level.FAILED, kind=doubt.kind or CauseKind.APPLY)
    return doubt


def _ended_before(other: Object, app: Object) -> bool:
    """Whether an operation had ended before the last attempt of another began. Only the ends of attempts are known, and
    while one is under way not even that.
    """
    ended, attempted = (str(_operation(each).get("finishedAt") or "") for each in (other, app))
    if not ended or not attempted:
        return False
    return datetime.fromisoformat(attempted) - datetime.fromisoformat(ended) >= _ATTEMPT


def _complaints(operation: Mapping[str, Any]) -> Iterator[object]:
    """What Argo CD says of the resources that are not well, and then of the operation."""
    yield from (each.get("message") for each in _results(operation) if _unwell(each))
    yield operation.get("message")


def _results(operation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list((operation.get("syncResult") or {}).get("resources") or ())


def _blamed(app: Object) -> CauseKind | None:
    """Where it lies that an operation does not succeed, by what Argo CD says of it and of its resources."""
    operation = _operation(app)
    for text in _complaints(operation):
        if kind := said(text):
            return kind
    unwell = [each for each in _results(operation) if _unwell(each)]
    if not unwell:
        return None
    return CauseKind.RECONCILE if any(each.get("hookPhase") in _BAD for each in unwell) else CauseKind.APPLY


def _unwell(result: Mapping[str, Any]) -> bool:
    return result.get("status") == "SyncFailed" or result.get("hookPhase") in _BAD


def _in_vain(operation: Mapping[str, Any]) -> bool:
    """Whether the retries that are left will end like those before."""
    retries = operation.get("retryCount") or 0
    if retries > _RETRIES_FORGIVEN and _hooks(operation, *_BAD):
        return True
    return retries > 1 and any(words in str(text) for text in _complaints(operation) for words in _REFUSED)


def _goes_on(operation: Mapping[str, Any]) -> bool:
    """Whether a running operation waits for anything else than objects that nobody readies here."""
    # The namespace that Argo CD makes itself is never called done.
    awaited = [
        each for each in _results(operation) if each.get("hookPhase") == "Running" and each.get("kind") != "Namespace"
    ]
    sure = [each for each in awaited if each.get("hookType") or each.get("kind") in _READIED]
    return operation.get("phase") == "Running" and (bool(sure) or not awaited)


def _hooks(operation: Mapping[str, Any], *phases: str) -> bool:
    """Whether a hook is in one of the phases. Objects that are waited for have a phase too, and no type."""
    return any(each.get("hookType") and each.get("hookPhase") in phases for each in _results(operation))


def _described(app: Object, state: tuple[str, str]) -> str:
    """The state, what the operation says of itself, and the resources that are not in order."""
    operation, parts = _operation(app), [f"is {state[0]} and {state[1]}"]
    if operation:
        message = shortened(_RETRY_NOTE.sub("", str(operation.get("message") or "")))
        retries = operation.get("retryCount") or 0
        limit = ((operation.get("operation") or {}).get("retry") or {}).get("limit") or 0
        count = f" (retry {retries} of {limit})" if retries else ""
        parts.append(f"operation {operation.get('phase')}{count}" + (f": {message}" if message else ""))
        parts += [
            f"{each.get('kind')} {each.get('name')}: {shortened(each.get('message'))}"
            for each in _results(operation)
            if _unwell(each)
        ][:3]
    wrong = [
        f"{each.get('kind')} {each.get('name')}"
        for each in (app.get("status") or {}).get("resources") or ()
        if each.get("status") == "OutOfSync" or (each.get("health") or {}).get("status") in ("Degraded", "Missing")
    ]
    if wrong:
        parts.append(f"not in order: {listed(wrong)}")
    return "; ".join(parts)
