"""The flux-oci lane: Flux pulls the bundle from the registry and reconciles every release.

An OCIRepository fetches the artifact, a Kustomization applies the tree in it, source-watcher cuts the charts out of it,
and helm-controller installs a HelmRelease for each release of the recipe. Each step is bound to the pushed digest.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from harness.bundles.delivery import FLUX_NAMESPACE, SOURCE, Target
from harness.cells.lane import Lane
from harness.cells.run import Run
from harness.errors import RootMissing
from harness.formats.media_types import LAYER
from harness.gates.combining import UnlessDoomed
from harness.gates.flux import releases, sources
from harness.gates.flux.releases import Reconciled
from harness.gates.flux.sources import KustomizationThere
from harness.installers.catalog import FLUX, REGISTRY
from harness.installers.flux.configuration import AUTHORITY, CREDENTIALS
from harness.objects import Kind, key_of
from harness.publishing.oci.address import Access
from harness.verdict import Passed
from harness.waiting.nudges import Hasten

LEGACY = "legacy"  # a wait strategy of helm-controller, and a value of the setting flux.wait
POLLS = {"poller": 5, LEGACY: 2}  # seconds between two looks at readiness: constants of helm-controller and of Helm


def story(run: Run) -> Passed:
    """Push, tell Flux, and expect source, Kustomization, releases and generators in this order."""
    published = run.push()
    with run.journal.phase("sync") as phase:
        run.apply(sources.OCIREPOSITORIES, source(run.pushed.target, run.registry))
        phase.detail = reconciled(run, published.digest, sources.OCIREPOSITORIES).reason
    return run.verify()


def reconciled(run: Run, digest: str, kind: Kind) -> Passed:
    """The Kustomization that applies what the source of this `kind` holds appears within its grace, then source,
    Kustomization, releases and generators are ready at `digest`.
    """
    root, deadlines = (FLUX_NAMESPACE, f"aicr-{run.name}"), run.settings.deadlines
    run.recorder.fact(timers={"readiness poll": POLLS[run.settings.flux.wait]})
    if run.settings.flux.wait == LEGACY:
        run.journal.note("flux.wait: legacy: releases were ready by the rules of Helm 3, not by Flux's own")
    run.apply(sources.KUSTOMIZATIONS, kustomization(root[1], kind, wait=run.settings.flux.wait))
    run.expect(KustomizationThere(root), within=deadlines.flux_root_grace, late=RootMissing, settle=0.0)
    gate = Reconciled(
        digest,
        source=(FLUX_NAMESPACE, SOURCE),
        kustomization=root,
        releases=run.pushed.delivery.releases,
        generators=run.pushed.delivery.generators,
    )
    return run.expect_delivered(
        UnlessDoomed(gate, run.expectation.watch),
        within=deadlines.flux_sync + run.pauses,
        observe=run.timeline.observing(releases.progress),
        hasten=Hasten(releases.unblocked, sources.REQUESTED, now),
    )


def look_again(run: Run) -> None:
    """Have Flux fetch, apply and compare everything once more."""
    look_again_at(run, (sources.OCIREPOSITORIES, sources.KUSTOMIZATIONS, releases.HELMRELEASES))


def look_again_at(run: Run, kinds: Iterable[Kind]) -> None:
    """Have Flux look at all objects of these kinds."""
    token = now()
    for kind in kinds:
        for item in run.cluster.list(kind).items:
            annotations = {sources.REQUESTED: token}
            run.cluster.patch_merge(kind, *key_of(item), {"metadata": {"annotations": annotations}})


def now() -> str:
    """The time: what Flux wants to be told each time anew, so that it looks at once."""
    return datetime.now(UTC).isoformat()


def source(target: Target, registry: Access) -> dict[str, Any]:
    """Where the artifact is; `aicr-bundle` is the name that the bundle's ArtifactGenerators refer to.

    The Secrets of a registry that wants credentials, or has an authority of its own, are there already.
    """
    access: dict[str, Any] = {"insecure": True} if target.plain_http else {}
    if registry.credentials is not None:
        access["secretRef"] = {"name": CREDENTIALS}
    if registry.authority is not None:
        access["certSecretRef"] = {"name": AUTHORITY}
    return {
        "apiVersion": sources.OCIREPOSITORIES.api_version,
        "kind": sources.OCIREPOSITORIES.kind,
        "metadata": {"name": SOURCE, "namespace": FLUX_NAMESPACE, "annotations": {sources.REQUESTED: now()}},
        "spec": {
            "interval": "1m",
            **access,
            "url": target.url,
            "ref": {"tag": target.tag},
            "layerSelector": {"mediaType": LAYER, "operation": "extract"},
        },
    }


def kustomization(name: str, kind: Kind = sources.OCIREPOSITORIES, *, wait: str = "") -> dict[str, Any]:
    """Applies everything that the bundle's kustomization.yaml lists; waiting is for the gate. With `wait` legacy every
    HelmRelease asks for that strategy.
    """
    return {
        "apiVersion": sources.KUSTOMIZATIONS.api_version,
        "kind": sources.KUSTOMIZATIONS.kind,
        "metadata": {"name": name, "namespace": FLUX_NAMESPACE},
        "spec": {
            "interval": "1m",
            "path": "./",
            "prune": True,
            "wait": False,
            "timeout": "5m",
            "sourceRef": {"kind": kind.kind, "name": SOURCE},
            **({"patches": [_waits_as_helm_3_did()]} if wait == LEGACY else {}),
        },
    }


def _waits_as_helm_3_did() -> dict[str, Any]:
    """A patch of kustomize for every HelmRelease of a bundle."""
    patch = [{"op": "add", "path": "/spec/waitStrategy", "value": {"name": LEGACY}}]
    return {"target": {"kind": releases.HELMRELEASES.kind}, "patch": json.dumps(patch)}


LANE = Lane(
    name="flux-oci",
    shape="flux",
    story=story,
    infrastructure=(REGISTRY, FLUX),
    look_again=look_again,
)
