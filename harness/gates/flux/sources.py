"""Flux, as far as the pushed artifact itself goes: pulled, applied, and cut into charts.

A condition counts only where its own observedGeneration is that of the object, and an object is Ready only where its
status has observed it too. Since a new digest behind the same spec changes no generation, each step is also bound to
its content: the OCIRepository to the pushed digest, or the GitRepository to the commit, the Kustomization by its
lastAppliedRevision ("TAG@DIGEST", "BRANCH@sha1:COMMIT"), an ArtifactGenerator by observedSourcesDigest, which is a
checksum over what its sources held when it ran.

| seen                                                  | verdict         |
|-------------------------------------------------------|-----------------|
| Stalled for this generation: the controller gave up   | Failed          |
| the Kustomization cannot be built, from this artifact | Failed: the same again each time |
| any other Ready=False for this generation, suspended  | Waiting, doomed: the controller tries again |
| waits for another object, or under way                | Waiting         |
| of another generation or artifact                     | Waiting         |
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.gates.combining import Step, there
from harness.gates.findings import Doubt, Finding, Level, named, overall, shortened
from harness.gates.messages import diagnose
from harness.objects import Key, Kind, Object, Objects, condition, key_of
from harness.verdict import CauseKind, Passed, Verdict, Waiting

OCIREPOSITORIES = Kind("source.toolkit.fluxcd.io/v1", "ocirepositories", "OCIRepository")
GITREPOSITORIES = Kind("source.toolkit.fluxcd.io/v1", "gitrepositories", "GitRepository")
HELMCHARTS = Kind("source.toolkit.fluxcd.io/v1", "helmcharts", "HelmChart")
HELMREPOSITORIES = Kind("source.toolkit.fluxcd.io/v1", "helmrepositories", "HelmRepository")
EXTERNALARTIFACTS = Kind("source.toolkit.fluxcd.io/v1", "externalartifacts", "ExternalArtifact")
KUSTOMIZATIONS = Kind("kustomize.toolkit.fluxcd.io/v1", "kustomizations", "Kustomization")
ARTIFACTGENERATORS = Kind("source.extensions.fluxcd.io/v1beta1", "artifactgenerators", "ArtifactGenerator")

REQUESTED = "reconcile.fluxcd.io/requestedAt"
_HOPEFUL = ("Progressing", "ProgressingWithRetry", "DependencyNotReady", "HealthCheckCanceled")
_NOT_LOOKED_AT = ("latest generation of object has not been reconciled", "does not have an artifact")


def bundle_source(digest: str) -> Kind:
    """The kind of source that holds what was pushed: "sha256:..." is of an artifact, "sha1:..." of a commit."""
    return GITREPOSITORIES if digest.startswith("sha1:") else OCIREPOSITORIES


def source_ready(key: Key, digest: str) -> Step:
    """The OCIRepository holds the artifact with the pushed digest, or the GitRepository the pushed commit."""

    def step(objects: Objects) -> Verdict:
        kind = bundle_source(digest)
        who, item = named(kind, key), objects.get(kind, *key)
        if item is None:
            return Waiting("is not there", who)
        if found := doubt(item):
            return overall([found.of(who)])
        revision = artifact(item).get("revision", "")
        if digest_of(revision) == digest:
            return Passed(f"holds {revision}", who)
        text = f"holds {revision or 'no artifact'}, not {digest}"
        asked = (item["metadata"].get("annotations") or {}).get(REQUESTED)
        looked = asked in (None, item["status"].get("lastHandledReconcileAt"))
        return overall([Finding(Level.DOOMED if looked else Level.WAITING, who, text, kind=CauseKind.PULL)])

    return step


@dataclass(frozen=True)
class KustomizationThere:
    """The grace: the Kustomization exists."""

    kinds: ClassVar[tuple[Kind, ...]] = (KUSTOMIZATIONS,)

    key: Key

    def __call__(self, objects: Objects) -> Verdict:
        return there(KUSTOMIZATIONS, self.key)(objects)


def repositories_ready(key: Key, digest: str) -> Step:
    """Every other GitRepository of the repository that the one of the bundle has holds the pushed commit too."""

    def step(objects: Objects) -> Verdict:
        ours = objects.get(GITREPOSITORIES, *key)
        if bundle_source(digest) is not GITREPOSITORIES or ours is None:
            return Passed("no other source is needed")
        for item in objects.all(GITREPOSITORIES):
            if key_of(item) != key and item["spec"]["url"] == ours["spec"]["url"]:
                verdict = source_ready(key_of(item), digest)(objects)
                if not isinstance(verdict, Passed):
                    return verdict
        return Passed("all sources hold the commit")

    return step


def kustomization_ready(key: Key, digest: str) -> Step:
    """The Kustomization has applied the artifact with the pushed digest."""

    def step(objects: Objects) -> Verdict:
        who, item = named(KUSTOMIZATIONS, key), objects.get(KUSTOMIZATIONS, *key)
        if item is None:
            return KustomizationThere(key)(objects)
        status = item.get("status") or {}
        found = doubt(item)
        if found and ready(item).get("reason") == "BuildFailed" and found.level is Level.DOOMED:
            final = digest_of(status.get("lastAttemptedRevision") or "") == digest
            found = Doubt(Level.FAILED if final else Level.WAITING, found.text, found.kind if final else None)
        if found:
            return overall([found.of(who)])
        revision = status.get("lastAppliedRevision") or ""
        if digest_of(revision) != digest:
            return Waiting(f"has applied {revision or 'nothing'}, not yet {digest}", who)
        return Passed(f"has applied {revision}", who)

    return step


def generators_ready(expected: Collection[Key]) -> Step:
    """Every ArtifactGenerator, expected or not, has made its artifacts from what its sources hold now."""

    def step(objects: Objects) -> Verdict:
        found = {key_of(item): item for item in objects.all(ARTIFACTGENERATORS)}
        findings = [
            Finding(Level.DOOMED, named(ARTIFACTGENERATORS, key), "is not there")
            for key in sorted(expected)
            if key not in found
        ]
        for key, item in found.items():
            if wrong := generator_doubt(item, objects):
                findings.append(wrong.of(named(ARTIFACTGENERATORS, key)))
        if findings:
            return overall(findings)
        return Passed(f"{len(found)} ArtifactGenerators are ready" if found else "no ArtifactGenerator is needed")

    return step


def generator_doubt(item: Object, objects: Objects) -> Doubt | None:
    """Why an ArtifactGenerator is not up to date with its sources."""
    if found := doubt(item, observes=False):
        return found
    status, namespace = item["status"], item["metadata"]["namespace"]
    seen = _sources_digest(item, objects)
    if seen and status.get("observedSourcesDigest") != seen:
        return Doubt(Level.WAITING, "has not seen what its sources hold now")
    inventory = {(each["namespace"], each["name"]): each["digest"] for each in status.get("inventory") or ()}
    for output in item["spec"].get("artifacts") or ():
        key = (namespace, output["name"])
        there_now = objects.get(EXTERNALARTIFACTS, *key)
        if key not in inventory:
            return Doubt(Level.WAITING, f"has not made {output['name']} yet")
        if there_now is None or artifact(there_now).get("digest") != inventory[key]:
            return Doubt(Level.WAITING, f"has made {output['name']}, which is not there as it was made")
    return None


def _sources_digest(item: Object, objects: Objects) -> str:
    """What observedSourcesDigest is to be, as source-watcher computes it; empty where a source is of another kind."""
    parts = []
    for each in item["spec"]["sources"]:
        namespace = each.get("namespace") or item["metadata"]["namespace"]
        if each["kind"] != OCIREPOSITORIES.kind:
            return ""
        held = artifact(objects.get(OCIREPOSITORIES, namespace, each["name"]) or {})
        facts = ",".join(f"{name}={held.get(name, '')}" for name in ("digest", "revision", "url"))
        parts.append(f"{each['alias']}=[{facts}]")
    return f"sha256:{hashlib.sha256('|'.join(sorted(parts)).encode()).hexdigest()}"


def doubt(item: Object, *, observes: bool = True) -> Doubt | None:
    """Why an object of Flux is not Ready for its generation; None if it is.

    `observes`: its status has an observedGeneration of its own (an ArtifactGenerator's has none).
    """
    if item["metadata"].get("deletionTimestamp"):
        return Doubt(Level.WAITING, "is being deleted")
    if item["spec"].get("suspend"):
        return Doubt(Level.DOOMED, "is suspended")
    if not (item.get("status") or {}).get("conditions"):
        return Doubt(Level.WAITING, "has not been looked at by its controller")
    now, stalled = ready(item), current(item, "Stalled")
    if stalled.get("status") == "True":
        kind = _diagnosed(now) or _diagnosed(stalled)  # Ready says what failed, Stalled that it is not tried again
        return Doubt(Level.FAILED, "; ".join(dict.fromkeys((f"is stalled: {told(stalled)}", told(now)))), kind)
    if not now:
        return Doubt(Level.WAITING, f"generation {item['metadata']['generation']} has not been reconciled yet")
    if now["status"] == "False":
        if _hopeful(now):
            return Doubt(Level.WAITING, f"is not ready: {told(now)}")
        return Doubt(Level.DOOMED, f"is not ready: {told(now)}", _diagnosed(now))
    reconciling = current(item, "Reconciling")
    if now["status"] != "True" or reconciling.get("status") == "True":
        return Doubt(Level.WAITING, f"is being reconciled: {told(reconciling or now)}")
    if observes and item["status"].get("observedGeneration") != item["metadata"]["generation"]:
        return Doubt(Level.WAITING, f"generation {item['metadata']['generation']} has not been observed yet")
    return None


def _hopeful(now: Mapping[str, Any]) -> bool:
    waits = now.get("reason") == "SourceNotReady" and str(now.get("message")).endswith(_NOT_LOOKED_AT)
    return waits or now.get("reason") in _HOPEFUL


def _diagnosed(found: Mapping[str, Any]) -> CauseKind | None:
    return diagnose(found.get("reason"), found.get("message"))


def ready(item: Object) -> Mapping[str, Any]:
    return current(item, "Ready")


def current(item: Object, name: str) -> Mapping[str, Any]:
    """A condition of the present generation, else empty."""
    found = condition(item, name)
    return found if found.get("observedGeneration") == item["metadata"]["generation"] else {}


def told(found: Mapping[str, Any]) -> str:
    return f"{found.get('reason')}: {shortened(found.get('message'))}" if found else "no Ready condition yet"


def artifact(item: Object) -> Mapping[str, Any]:
    return (item.get("status") or {}).get("artifact") or {}


def digest_of(revision: str) -> str:
    """The digest of "TAG@DIGEST" or of "DIGEST"."""
    return revision.rpartition("@")[2]
