"""Flux, the whole way: OCIRepository or GitRepository, Kustomization, every HelmRelease, every ArtifactGenerator.

Ready=True is not enough for a HelmRelease: it stays while a new chart is on its way. So the last attempt must have
been of this generation and of the chart that its source holds now, and what Helm has deployed must be that chart.
Together with harness.gates.flux.sources this ties each release of a local chart to the pushed digest without a gap:
digest, OCIRepository, ArtifactGenerator, ExternalArtifact, lastAttemptedRevisionDigest, history; or commit,
GitRepository, HelmChart (whose artifact is of the revision that it has observed), lastAttemptedRevision, history.

| seen                                                               | verdict         |
|--------------------------------------------------------------------|-----------------|
| no release is expected                                             | Failed          |
| Stalled (RetriesExceeded is what no retries left is) on this chart | Failed          |
| an expected release is absent though the Kustomization was applied | Waiting, doomed |
| Ready=False with retries left (InstallFailed, ArtifactFailed, ...) | Waiting, doomed |
| the second attempt refused by the API server, or not rendered      | Failed, also while the next one is under way |
| the third attempt that failed, whatever it says                    | Failed, likewise |
| refused for want of something that another release may bring       | Waiting; doomed once no other is on its way |
| waits for another release                                          | its finding, and how many wait |
| waits for a chart                                                  | that of its ArtifactGenerator or HelmRepository |
| under way; of another generation; of another chart                 | Waiting         |

Releases that nobody expects must be ready too, as in the bash harness.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from harness.formats.versions import exact
from harness.gates.combining import Step, in_order
from harness.gates.findings import Doubt, Finding, Level, listed, named, overall
from harness.gates.flux.sources import (
    ARTIFACTGENERATORS,
    EXTERNALARTIFACTS,
    GITREPOSITORIES,
    HELMCHARTS,
    HELMREPOSITORIES,
    KUSTOMIZATIONS,
    OCIREPOSITORIES,
    artifact,
    current,
    digest_of,
    doubt,
    generator_doubt,
    generators_ready,
    kustomization_ready,
    ready,
    repositories_ready,
    source_ready,
    told,
)
from harness.gates.messages import diagnose, may_come, passes, repeats
from harness.objects import Key, Kind, Object, Objects, key_of
from harness.verdict import CauseKind, Failed, Passed, Verdict

HELMRELEASES = Kind("helm.toolkit.fluxcd.io/v2", "helmreleases", "HelmRelease")
KINDS: tuple[Kind, ...] = (
    OCIREPOSITORIES,
    KUSTOMIZATIONS,
    HELMRELEASES,
    ARTIFACTGENERATORS,
    EXTERNALARTIFACTS,
    HELMREPOSITORIES,
    GITREPOSITORIES,
    HELMCHARTS,
)

_CHART_SOURCES = {kind.kind: kind for kind in (EXTERNALARTIFACTS, OCIREPOSITORIES)}
_OF_ITS_CHART = ("RetriesExceeded", "MissingRollbackTarget")  # what a newer chart may put right
_DEPENDS = "DependencyNotReady"
_NO_CHART = ("SourceNotReady", "ArtifactFailed")
_ATTEMPTS_FORGIVEN = 2  # what comes too early once or twice may come right; of what the API server refuses, once
_UNREACHED = (CauseKind.PULL, CauseKind.INFRASTRUCTURE)  # says nothing about the release, however often


@dataclass(frozen=True)
class Reconciled:
    """All that the bundle pushed as `digest` ("sha256:...", or "sha1:" and a commit) must lead to, each step asked
    after the one before.

    `source` is its OCIRepository or GitRepository, `kustomization` applies it, `releases` (HelmReleases) and
    `generators`
    (ArtifactGenerators) are in it.
    """

    kinds: ClassVar[tuple[Kind, ...]] = KINDS

    digest: str
    source: Key
    kustomization: Key
    releases: tuple[Key, ...]
    generators: tuple[Key, ...]

    def __call__(self, objects: Objects) -> Verdict:
        what = f"{len(self.releases)} HelmReleases and {len(self.generators)} ArtifactGenerators are ready"
        return in_order(
            source_ready(self.source, self.digest),
            repositories_ready(self.source, self.digest),
            kustomization_ready(self.kustomization, self.digest),
            releases_ready(self.releases),
            generators_ready(self.generators),
            lambda _: Passed(f"{what}, at {self.digest}"),
        )(objects)


def releases_ready(expected: Collection[Key]) -> Step:
    """Every release is deployed. To be asked once the Kustomization was applied."""

    def step(objects: Objects) -> Verdict:
        if not expected:
            return Failed("no HelmRelease is expected: nothing would be verified")
        found = {key_of(item): item for item in objects.all(HELMRELEASES)}
        doubts = {key: wrong for key, item in found.items() if (wrong := _doubt(item, objects))}
        absent = {key: Doubt(Level.DOOMED, "is not there") for key in expected if key not in found}
        if doubts or absent:
            return overall(_findings(doubts | absent, found, objects))
        extra = listed(name for _, name in set(found) - set(expected))
        note = f"; also {extra}, which the bundle does not name" if extra else ""
        return Passed(f"{len(expected)} HelmReleases are ready{note}")

    return step


def progress(objects: Objects) -> dict[str, bool]:
    """By name, the releases that wait for nothing any more, and whether they are deployed as asked."""
    return {
        item["metadata"]["name"]: _doubt(item, objects) is None
        for item in objects.all(HELMRELEASES)
        if ready(item) and ready(item).get("reason") not in (_DEPENDS, *_NO_CHART)
    }


def unblocked(objects: Objects) -> dict[tuple[Kind, Key], str]:
    """Releases that need not wait for helm-controller's own clock, and why: they say that they wait for others, all of
    which are ready; or they lack what another release may have brought by now.
    """
    found = {key_of(item): item for item in objects.all(HELMRELEASES)}
    doubts = {key: wrong for key, item in found.items() if (wrong := _doubt(item, objects))}
    others = f"{len(found) - len(doubts)} other releases are ready"  # each one more may have brought it
    asleep = dict[tuple[Kind, Key], str]()
    for key in doubts:
        if ready(found[key]).get("reason") == _DEPENDS and not _awaited(found[key], doubts, found):
            asleep[HELMRELEASES, key] = "what it depends on is ready"
        elif may_come(_refusal(found[key]).get("message")):
            asleep[HELMRELEASES, key] = others
    return asleep


def _findings(doubts: Mapping[Key, Doubt], found: Mapping[Key, Object], objects: Objects) -> list[Finding]:
    """Of a chain of releases that wait for each other only the bottom, with how many stand on it."""
    waits = {key: _awaited(found[key], doubts, found) if key in found else set() for key in doubts}
    doubts = dict(doubts)
    for key, others in list(waits.items()):
        for other in others - set(waits):
            doubts[other] = Doubt(Level.DOOMED, f"does not exist, but {key[1]} depends on it")
            waits[other] = set()
    bottom = [key for key in sorted(waits) if not waits[key]]
    if not bottom:
        names = listed(name for _, name in waits)
        return [Finding(Level.DOOMED, named(HELMRELEASES, min(waits)), f"releases wait for each other: {names}")]
    findings = []
    for key in bottom:
        finding = doubts[key].of(named(HELMRELEASES, key))
        if key in found and len(found) > 1 and may_come(_refusal(found[key]).get("message")):
            on_its_way = any(doubts[other].level is Level.WAITING for other in bottom if other != key)
            finding = replace(finding, level=Level.WAITING if on_its_way else min(finding.level, Level.DOOMED))
        if key in found and finding.level is not Level.FAILED:
            finding = _cause(found[key], objects) or finding
        behind = len(_standing_on(key, waits))
        text = f"{finding.text} ({behind} more wait for it)" if behind else finding.text
        findings.append(replace(finding, text=text))
    return findings


def _awaited(item: Object, doubts: Mapping[Key, Doubt], found: Mapping[Key, Object]) -> set[Key]:
    """The releases that this one waits for: those that are not ready, or not there at all."""
    if ready(item).get("reason") != _DEPENDS:
        return set()
    own = item["metadata"]["namespace"]
    names = {(each.get("namespace") or own, each["name"]) for each in item["spec"].get("dependsOn") or ()}
    return {key for key in names if key in doubts or key not in found}


def _standing_on(key: Key, waits: Mapping[Key, set[Key]]) -> set[Key]:
    above, more = set[Key](), {key}
    while more:
        more = {other for other, awaited in waits.items() if awaited & more} - above
        above |= more
    return above


def _cause(item: Object, objects: Objects) -> Finding | None:
    """Why a release has no chart, where that is known from what makes or fetches the chart."""
    if ready(item).get("reason") not in _NO_CHART:
        return None
    namespace, spec = item["metadata"]["namespace"], item["spec"]
    if (reference := spec.get("chartRef")) and reference["kind"] == EXTERNALARTIFACTS.kind:
        key = (reference.get("namespace") or namespace, reference["name"])
        for maker in objects.all(ARTIFACTGENERATORS):
            makes = {(maker["metadata"]["namespace"], each["name"]) for each in maker["spec"].get("artifacts") or ()}
            if key in makes and (wrong := generator_doubt(maker, objects)):
                return wrong.of(named(ARTIFACTGENERATORS, key_of(maker)))
    source = ((spec.get("chart") or {}).get("spec") or {}).get("sourceRef") or {}
    chart = _chart_of(item, objects)
    if source.get("kind") == GITREPOSITORIES.kind and chart is not None and (wrong := doubt(chart)):
        return wrong.of(named(HELMCHARTS, key_of(chart)))
    if source.get("kind") == HELMREPOSITORIES.kind:
        key = (source.get("namespace") or namespace, source["name"])
        repository = objects.get(HELMREPOSITORIES, *key)
        if repository is None:
            return Finding(Level.DOOMED, named(HELMREPOSITORIES, key), "is not there")
        if ready(repository) and (wrong := doubt(repository)):  # of type oci it has no status at all
            return wrong.of(named(HELMREPOSITORIES, key))
    return None


def _doubt(item: Object, objects: Objects) -> Doubt | None:
    """Why a release is not deployed as asked; None if it is."""
    status, stale = item.get("status") or {}, _stale(item, objects)
    last: Mapping[str, Any] = next(iter(status.get("history") or ()), {})
    found = doubt(item)
    if found and found.level is Level.FAILED:
        if stale and current(item, "Stalled").get("reason") in _OF_ITS_CHART:
            return Doubt(Level.WAITING, f"{stale}; before that it {found.text}")
        return replace(found, text=found.text + (f"; {_release(last)}" if last else ""))
    if found:
        return found if stale else _repeated(item) or found
    if status.get("lastAttemptedGeneration") != item["metadata"]["generation"]:
        return Doubt(Level.WAITING, f"generation {item['metadata']['generation']} has not been attempted yet")
    if stale:
        return Doubt(Level.WAITING, stale)
    attempted = status.get("lastAttemptedRevision")
    if not last or last.get("status") != "deployed" or last.get("chartVersion") != attempted:
        return Doubt(Level.WAITING, f"has attempted {attempted}, but {_release(last) if last else 'has no release'}")
    return None


def _repeated(item: Object) -> Doubt | None:
    """What attempts at this chart and these values fail with time and again; None where another one may do."""
    refusal, attempts = _refusal(item), (item.get("status") or {}).get("failures") or 0
    message = refusal.get("message")
    kind = diagnose(refusal.get("reason"), message)
    if not refusal or kind in _UNREACHED or passes(message):
        return None
    if attempts <= (1 if repeats(message) else _ATTEMPTS_FORGIVEN):
        return None
    return Doubt(Level.FAILED, f"has failed {attempts} times: {told(refusal)}", kind)


def _refusal(item: Object) -> Mapping[str, Any]:
    """What the last attempt at this generation failed with, also while the next one is under way; else empty.

    helm-controller counts attempts (`failures`) anew where chart or values change.
    """
    released = current(item, "Released")
    return released if released.get("status") == "False" else {}


def _stale(item: Object, objects: Objects) -> str:
    """Why the last attempt was of another chart than the one that the release's source holds now; empty if not."""
    status, spec = item.get("status") or {}, item["spec"]
    if reference := spec.get("chartRef"):
        kind = _CHART_SOURCES.get(reference["kind"])
        key = (reference.get("namespace") or item["metadata"]["namespace"], reference["name"])
        held = artifact(objects.get(kind, *key) or {}).get("revision", "") if kind else ""
        tried = status.get("lastAttemptedRevisionDigest") or ""
        # Of a revision with a version in it only the digest is noted, any other one whole.
        fresh = not kind or (tried and tried in (held, digest_of(held)))
        return "" if fresh else "has not attempted the chart that its source holds"
    if ((spec["chart"].get("spec") or {}).get("sourceRef") or {}).get("kind") == GITREPOSITORIES.kind:
        return _stale_chart(item, objects)
    asked = str((spec["chart"].get("spec") or {}).get("version") or "")
    tried = status.get("lastAttemptedRevision") or ""
    if exact(asked) and _version(asked) != _version(tried):
        return f"has attempted {tried or 'no chart'}, not yet {asked}"
    return ""


def _stale_chart(item: Object, objects: Objects) -> str:
    """The same of a chart by its path in a GitRepository: the HelmChart that Flux has made for it says of which commit
    it is. The version alone may be the same in many.
    """
    chart = _chart_of(item, objects)
    if chart is None:
        return "has no HelmChart yet"
    reference = chart["spec"]["sourceRef"]
    key = (chart["metadata"]["namespace"], reference["name"])
    held = artifact(objects.get(GITREPOSITORIES, *key) or {}).get("revision", "")
    status = chart.get("status") or {}
    if not held or status.get("observedSourceArtifactRevision") != held or doubt(chart):
        return f"has a chart of {status.get('observedSourceArtifactRevision') or 'no revision'}, not yet of {held}"
    tried = (item.get("status") or {}).get("lastAttemptedRevision")
    if tried != artifact(chart).get("revision"):
        return f"has attempted {tried or 'no chart'}, not yet {artifact(chart).get('revision')}"
    return ""


def _chart_of(item: Object, objects: Objects) -> Object | None:
    """The HelmChart of a release, which its status names."""
    namespace, _, name = str((item.get("status") or {}).get("helmChart") or "").partition("/")
    return objects.get(HELMCHARTS, namespace, name)


def _version(text: str) -> str:
    """A chart may write v1.2.3 where 1.2.3 is asked for; build metadata does not tell versions apart."""
    return text.removeprefix("v").partition("+")[0]


def _release(last: Mapping[str, Any]) -> str:
    where = f"{last.get('namespace')}/{last.get('name')}"
    return f"release {where} is {last.get('status')} at {last.get('chartName')} {last.get('chartVersion')}"
