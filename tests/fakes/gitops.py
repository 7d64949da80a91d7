"""Objects as the controllers of Argo CD and Flux leave them when all is well; tests change one thing at a time."""

import copy
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from harness.gates.argocd import application as applications
from harness.gates.argocd.application import APPLICATIONS
from harness.gates.flux import releases
from harness.gates.flux.releases import HELMRELEASES
from harness.gates.flux.sources import (
    ARTIFACTGENERATORS,
    EXTERNALARTIFACTS,
    GITREPOSITORIES,
    HELMCHARTS,
    HELMREPOSITORIES,
    KUSTOMIZATIONS,
    OCIREPOSITORIES,
)
from harness.objects import CLAIMS, Kind, Object, Objects, key_of

DIGEST = "sha256:" + "a" * 64
OLD = "sha256:" + "b" * 64
URL = "oci://localhost:5500/aicr/demo"
COMMIT, OLD_COMMIT, FOREIGN = "a" * 40, "b" * 40, "c" * 40
GIT_URL = "http://localhost:3300/aicr/demo.git"
FLUX = "flux-system"
WEB_KEY = (FLUX, "web")
BY_KIND = {
    kind.kind: kind
    for kind in (
        APPLICATIONS,
        HELMRELEASES,
        ARTIFACTGENERATORS,
        EXTERNALARTIFACTS,
        GITREPOSITORIES,
        HELMCHARTS,
        HELMREPOSITORIES,
        KUSTOMIZATIONS,
        OCIREPOSITORIES,
    )
}


def objects_of(items: Iterable[Object]) -> Objects:
    """All kinds of both lanes; lists of the API server do not repeat an object's kind, so nobody may ask for it."""
    kinds: dict[Kind, dict[Any, Any]] = {kind: {} for kind in (*applications.KINDS, CLAIMS, *releases.KINDS)}
    for item in items:
        kinds[BY_KIND[item["kind"]]][key_of(item)] = {k: v for k, v in item.items() if k != "kind"}
    return Objects(kinds)


def changed(item: Object, path: str, value: Any) -> dict[str, Any]:
    """A copy with one field at a dotted path replaced, or removed by None; digits are positions in lists."""
    result = copy.deepcopy(dict(item))
    where: Any = result
    *steps, last = path.split(".")
    for step in steps:
        where = where[int(step)] if isinstance(where, list) else where.setdefault(step, {})
    if value is None:
        where.pop(last, None)
    else:
        where[last] = value
    return result


def application(
    name: str,
    sync: str = "Synced",
    health: str = "Healthy",
    phase: str = "Succeeded",
    *,
    source: Mapping[str, Any] | None = None,
    revision: str = DIGEST,
    makes: Iterable[str] = (),
) -> dict[str, Any]:
    """Compared with its present source at `revision`, after an operation of the same; `makes` child Applications."""
    asked = dict(source or {"repoURL": URL, "targetRevision": "v1", "path": f"001-{name}/chart"})
    resources = [
        {"group": "argoproj.io", "kind": "Application", "namespace": "argocd", "name": child, "status": "Synced"}
        for child in makes
    ]
    result: dict[str, Any] = {
        "kind": "Application",
        "metadata": {"namespace": "argocd", "name": name},
        "spec": {"project": "default", "source": asked},
        "status": {
            "reconciledAt": "2026-01-01T00:00:00Z",
            "sync": {"status": sync, "revision": revision, "comparedTo": {"source": copy.deepcopy(asked)}},
            "health": {"status": health},
            "resources": resources,
        },
    }
    if phase:
        result["status"]["operationState"] = {
            "phase": phase,
            "message": "successfully synced" if phase == "Succeeded" else "one or more objects failed to apply",
            "operation": {"sync": {"source": asked, "revision": revision}, "retry": {"limit": 5}},
            "syncResult": {"source": copy.deepcopy(asked), "revision": revision},
        }
    return result


def root(*children: str, **fields: Any) -> dict[str, Any]:
    source = {"repoURL": URL, "targetRevision": "v1", "path": ".", "directory": {"recurse": True}}
    return application("root", source=source, makes=children, **fields)


def condition(kind: str, status: str, reason: str, message: str, generation: int = 1) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
    }


def flux(kind: Kind, name: str, spec: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    """Ready for generation 1."""
    return {
        "kind": kind.kind,
        "metadata": {"namespace": FLUX, "name": name, "generation": 1},
        "spec": dict(spec),
        "status": {
            "observedGeneration": 1,
            "conditions": [condition("Ready", "True", "Succeeded", "fine")],
            **status,
        },
    }


def repository(digest: str = DIGEST) -> dict[str, Any]:
    revision = f"v1@{digest}"
    held = {"revision": revision, "digest": f"sha256:{digest[-8:]}", "url": f"http://localhost/{digest[-8:]}.tar.gz"}
    return flux(OCIREPOSITORIES, "aicr-bundle", {"url": URL}, {"artifact": held})


def kustomization(digest: str = DIGEST) -> dict[str, Any]:
    revision = f"v1@{digest}"
    status = {"lastAppliedRevision": revision, "lastAttemptedRevision": revision}
    return flux(KUSTOMIZATIONS, "aicr-demo", {"path": "./"}, status)


def chart_digest(name: str, digest: str = DIGEST) -> str:
    return f"sha256:{hashlib.sha256(f'{name} {digest}'.encode()).hexdigest()}"


def generator(name: str, digest: str = DIGEST) -> dict[str, Any]:
    """Has cut the chart of release `name` out of the bundle; the checksum is of the text that source-watcher has."""
    held = repository(digest)["status"]["artifact"]
    seen = f"bundle=[digest={held['digest']},revision={held['revision']},url={held['url']}]"
    made = {
        "namespace": FLUX,
        "name": f"{name}-chart",
        "digest": chart_digest(name, digest),
        "filename": "1.tar.gz",
    }
    result = flux(
        ARTIFACTGENERATORS,
        f"{name}-chart",
        {
            "sources": [{"alias": "bundle", "kind": "OCIRepository", "name": "aicr-bundle"}],
            "artifacts": [{"name": f"{name}-chart"}],
        },
        {
            "observedSourcesDigest": f"sha256:{hashlib.sha256(seen.encode()).hexdigest()}",
            "inventory": [made],
        },
    )
    del result["status"]["observedGeneration"]
    return result


def external(name: str, digest: str = DIGEST) -> dict[str, Any]:
    made = chart_digest(name, digest)
    return flux(EXTERNALARTIFACTS, f"{name}-chart", {}, {"artifact": {"revision": f"latest@{made}", "digest": made}})


def helm_repository(name: str = "charts") -> dict[str, Any]:
    return flux(HELMREPOSITORIES, name, {"url": "https://charts.example"}, {})


def deployed(name: str, spec: Mapping[str, Any], version: str, tried: str, after: Iterable[str]) -> dict[str, Any]:
    last = {"namespace": "apps", "name": name, "status": "deployed", "chartName": name, "chartVersion": version}
    wants = {"dependsOn": [{"name": other} for other in after]} if after else {}
    return flux(
        HELMRELEASES,
        name,
        {**spec, **wants},
        {
            "lastAttemptedGeneration": 1,
            "lastAttemptedRevision": version,
            "lastAttemptedRevisionDigest": tried,
            "history": [last, {**last, "status": "superseded", "chartVersion": "0.9.0"}],
        },
    )


def release(name: str, *after: str, digest: str = DIGEST) -> dict[str, Any]:
    """Of a chart in the bundle: the whole revision is noted as what was attempted, since it is no version."""
    made = chart_digest(name, digest)
    spec = {"chartRef": {"kind": "ExternalArtifact", "name": f"{name}-chart", "namespace": FLUX}}
    return deployed(name, spec, f"1.0.0+{made[7:19]}", f"latest@{made}", after)


def remote_release(name: str, *after: str, version: str = "1.20.2") -> dict[str, Any]:
    """Of a chart at a HelmRepository, whose own version has a v."""
    source = {"kind": "HelmRepository", "name": "charts"}
    spec = {"chart": {"spec": {"chart": name, "version": version, "sourceRef": source}}}
    return deployed(name, spec, f"v{version}", "", after)


def git_repository(commit: str = COMMIT, name: str = "aicr-bundle", url: str = GIT_URL) -> dict[str, Any]:
    """Holds a commit of branch main."""
    held = {"revision": f"main@sha1:{commit}", "digest": f"sha256:{commit}", "url": "http://localhost/x.tar.gz"}
    return flux(GITREPOSITORIES, name, {"url": url, "ref": {"branch": "main"}}, {"artifact": held})


def git_kustomization(commit: str = COMMIT) -> dict[str, Any]:
    revision = f"main@sha1:{commit}"
    return flux(KUSTOMIZATIONS, "aicr-demo", {"path": "./"}, {"lastAppliedRevision": revision})


def helm_chart(name: str, commit: str = COMMIT, version: str = "") -> dict[str, Any]:
    """What Flux has made for a release of a chart by its path: taken anew with each commit, unless `version` says."""
    status = {
        "observedSourceArtifactRevision": f"main@sha1:{commit}",
        "artifact": {"revision": version or f"1.0.0+{commit[:12]}"},
    }
    spec = {"chart": f"./{name}/chart", "sourceRef": {"kind": "GitRepository", "name": "aicr-bundle"}}
    return flux(HELMCHARTS, f"flux-system-{name}", spec, status)


def git_release(name: str, *after: str, commit: str = COMMIT, version: str = "") -> dict[str, Any]:
    """Of a chart by its path in the repository of the bundle."""
    source = {"kind": "GitRepository", "name": "aicr-bundle", "namespace": FLUX}
    spec = {"chart": {"spec": {"chart": f"./{name}/chart", "sourceRef": source}}}
    found = deployed(name, spec, version or f"1.0.0+{commit[:12]}", "", after)
    found["status"]["helmChart"] = f"{FLUX}/flux-system-{name}"
    return found


def unready(item: Object, reason: str, message: str, status: str = "False") -> dict[str, Any]:
    return changed(item, "status.conditions", [condition("Ready", status, reason, message)])


def stalled(item: Object, reason: str, message: str, ready: str = "InstallFailed: hook failed") -> dict[str, Any]:
    why, _, text = ready.partition(": ")
    both = [condition("Stalled", "True", reason, message), condition("Ready", "False", why, text)]
    return changed(item, "status.conditions", both)
