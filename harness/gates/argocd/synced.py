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

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from harness.gates.argocd.application import (
    APPLICATIONS,
    KINDS,
    NAMESPACE,
    PASSING,
    awaited_claims,
    operation_of,
    sources,
    state_of,
)
from harness.gates.argocd.bundle import Bundle, described
from harness.gates.argocd.operation import ended_before, lacks_what_may_come
from harness.gates.combining import there
from harness.gates.findings import Doubt, Finding, Level, listed, overall, subject
from harness.objects import CLAIMS, Kind, Object, Objects, key_of, phase
from harness.verdict import CauseKind, Failed, Passed, Verdict


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
        bundle = Bundle(sources(top["spec"]), self.digest, self.before)
        findings = list(_root(top, bundle, self.children))
        absent = sorted(set(self.children) - set(found))
        findings += [Finding(Level.WAITING, f"Application {NAMESPACE}/{name}", "is not there yet") for name in absent]
        children = {name: app for name, app in sorted(found.items()) if name != self.root}
        doubts = {name: doubt for name, app in children.items() if (doubt := bundle.doubt(app))}
        for name, doubt in doubts.items():
            if starved := _starved(children[name], objects):
                doubt = Doubt(Level.DOOMED, starved, CauseKind.RECONCILE)
            elif lacks_what_may_come(operation_of(children[name])):
                doubt = _beside_others(name, doubts, children, absent)
            findings.append(doubt.of(subject(APPLICATIONS, children[name])))
        if findings:
            return overall(findings)
        extra = listed(set(found) - {self.root, *self.children})
        note = f"; also {extra}, which the bundle does not name" if extra else ""
        return Passed(f"{self.root} and its {len(self.children)} Applications are synced, at {self.digest}{note}")


def _starved(app: Object, objects: Objects) -> str:
    """Why an operation never ends that waits for a claim which nobody uses yet; empty where there is none such.

    A class that binds at once has bound it by the time that a doubt stands; one that waits for a consumer waits for a
    pod, and where that pod is not of the claim's wave, for ever.
    """
    pending = [claim for claim in awaited_claims(app, objects) if phase(claim) == "Pending"]
    if not pending:
        return ""
    claims = listed([f"{CLAIMS.kind} {'/'.join(key_of(claim))}" for claim in pending])
    return (
        f"its operation waits for {claims} to be bound, which waits for a pod that uses it, of this wave or an earlier "
        "one: put the claim and its pod into one sync wave, or name a StorageClass that binds at once"
    )


def _root(top: Object, bundle: "Bundle", children: Collection[str]) -> Iterator[Finding]:
    """What is wrong with the root: its own state, which passes in fewer ways, and what it makes."""
    who = subject(APPLICATIONS, top)
    if doubt := bundle.doubt(top):
        yield doubt.of(who)
    elif (state := state_of(top)) not in PASSING:
        yield Finding(Level.WAITING, who, described(top, state))
    if bundle.stale(top) or state_of(top)[0] not in ("Synced", "OutOfSync"):
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


def _beside_others(
    name: str, doubts: Mapping[str, Doubt], children: Mapping[str, Object], absent: Collection[str]
) -> Doubt:
    """The doubt about an Application that lacks what another one may bring: it waits for those that are on their way,
    and for an attempt that none of those that are done came too late for.
    """
    doubt = doubts[name]
    on_their_way = bool(absent) or any(each.level is Level.WAITING for each in doubts.values())
    done = [app for other, app in children.items() if other not in doubts]
    if on_their_way or not all(ended_before(app, children[name]) for app in done):
        return replace(doubt, level=Level.WAITING)
    if doubt.level is Level.DOOMED:
        return replace(doubt, level=Level.FAILED, kind=doubt.kind or CauseKind.APPLY)
    return doubt
