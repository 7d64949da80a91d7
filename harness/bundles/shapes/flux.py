"""The flux shape: a kustomization of HelmReleases, which Flux pulls from an OCI registry.

A chart at a repository comes through a HelmRepository. A chart of the bundle cannot be named by a HelmRelease directly:
an ArtifactGenerator cuts it out of the OCIRepository `aicr-bundle`, which the lane makes, and the HelmRelease refers to
the ExternalArtifact that comes of it. The chart goes under a directory of its own there; at the root of an artifact
helm-controller refuses it.

`dependsOn` is the recipe's own graph, not the chain of all components that the aicr command line made in the releases
that are tested here: in a chain each release waits for every earlier one and then for a requeue, and most of a cell's
time is such hops; the helm lane installs by the graph too, and what a recipe forgot to declare fails in both alike.

Names: without `releaseName` Flux calls a release <namespace>-<name>, and with it every object that is named after it.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.bundles.contract import artifact
from harness.bundles.contract import flux as rules
from harness.bundles.delivery import FLUX_NAMESPACE, SOURCE, Target
from harness.bundles.kustomization import KUSTOMIZATION, documents, flux_delivery
from harness.bundles.mirrors.files import repositories, repository
from harness.bundles.shape import PulledShape
from harness.bundles.shapes.releases import Release, page, releases
from harness.formats.go_yaml import dump
from harness.formats.media_types import LAYER
from harness.recipes.model import Recipe
from harness.recipes.values import NodePlacement, SetOverride

_INTERVAL = "10m"  # a cell is over by then: nothing waits for it, since sources are told to look


def files(recipe: Recipe, sets: Sequence[SetOverride], placement: NodePlacement, target: Target) -> dict[str, bytes]:
    """A bundle's content by path, for an artifact at `target`. Raises DataError for what cannot be bundled."""
    found = releases(recipe, sets, placement)
    sources = source_names(release.chart.repository for release in found)
    resources = {f"sources/helmrepo-{name}.yaml": helm_repository(name, url, target) for url, name in sources.items()}
    for release in found:
        resources[f"{release.name}/helmrelease.yaml"] = helm_release(
            release, sources, None if release.chart.repository else _chart(release)
        )
        if not release.chart.repository:
            resources[f"{release.name}/artifactgenerator.yaml"] = _generator(release)
    readme = page(_README, recipe, found, f"{target.repository}:{target.tag}")
    return content(recipe, found, resources, readme)


def content(
    recipe: Recipe, found: Sequence[Release], resources: Mapping[str, Mapping[str, Any]], readme: bytes
) -> dict[str, bytes]:
    """A bundle's files by path: the objects, the kustomization that lists them, and the charts of the releases."""
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(resources),
    }
    return {
        KUSTOMIZATION: dump(kustomization),
        **{path: dump(item) for path, item in resources.items()},
        **{f"{release.name}/chart/{path}": data for release in found for path, data in release.files.items()},
        "recipe.yaml": dump(recipe.document()),
        "README.md": readme,
    }


def source_names(urls: Iterable[str]) -> Mapping[str, str]:
    """A name for each address: its host and path. Addresses that would get the same name get a checksum with it."""
    plain = {url: re.sub(r"[^a-z0-9]+", "-", url.partition("://")[2].lower()).strip("-") for url in urls if url}
    shared = {name for name in plain.values() if list(plain.values()).count(name) > 1}
    return {
        url: f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:8]}" if name in shared else name
        for url, name in plain.items()
    }


def helm_repository(name: str, url: str, target: Target) -> dict[str, Any]:
    """The HelmRepository of an address."""
    spec: dict[str, Any] = {"url": url, "interval": _INTERVAL}
    if url.startswith("oci://"):
        spec["type"] = "oci"
    if target.plain(url):
        spec["insecure"] = True
    return _object("source.toolkit.fluxcd.io/v1", "HelmRepository", name, spec)


def helm_release(release: Release, sources: Mapping[str, str], local: Mapping[str, Any] | None) -> dict[str, Any]:
    """A HelmRelease; `local` is how it names a chart of the bundle, `sources` are the names of repositories."""
    spec: dict[str, Any] = {
        "interval": _INTERVAL,
        "releaseName": release.name,
        "targetNamespace": release.namespace,
        "install": {"createNamespace": True},
        "values": dict(release.values),
    }
    if release.depends_on:
        spec["dependsOn"] = [{"name": name} for name in release.depends_on]
    chart = release.chart
    if chart.repository:
        repository = {"kind": "HelmRepository", "name": sources[chart.repository], "namespace": FLUX_NAMESPACE}
        spec["chart"] = {"spec": {"chart": chart.name, "version": chart.version, "sourceRef": repository}}
    spec |= local or {}
    return _object("helm.toolkit.fluxcd.io/v2", "HelmRelease", release.name, spec)


def _chart(release: Release) -> dict[str, Any]:
    return {"chartRef": {"kind": "ExternalArtifact", "name": _artifact(release), "namespace": FLUX_NAMESPACE}}


def _generator(release: Release) -> dict[str, Any]:
    copy = {"from": f"@bundle/{release.name}/chart/**", "to": f"@artifact/{release.name}/"}
    spec = {
        "sources": [{"alias": "bundle", "kind": "OCIRepository", "name": SOURCE}],
        "artifacts": [{"name": _artifact(release), "originRevision": "@bundle", "copy": [copy]}],
    }
    return _object("source.extensions.fluxcd.io/v1beta1", "ArtifactGenerator", _artifact(release), spec)


def _artifact(release: Release) -> str:
    return f"{release.name}-chart"


def _object(version: str, kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": FLUX_NAMESPACE},
        "spec": dict(spec),
    }


_README = """# RECIPE

HelmReleases for Flux. The artifact is TARGET.

| release | namespace | chart | version | from | after |
|---|---|---|---|---|---|
ROWS

Publish this directory as one layer, with these files at its root. Flux needs an OCIRepository called `aicr-bundle` in
namespace `flux-system` that pulls it, a Kustomization of path `./` on that, and source-watcher; helm-controller needs
`--feature-gates=ExternalArtifact=true`.

- `helmrelease.yaml` of a directory is one release: its chart and the values that the recipe gives it.
- `recipe.yaml` is the resolved recipe.
- `sha256sum --check checksums.txt` tells whether any file has changed.
"""


FLUX = PulledShape(
    name="flux",
    write=files,
    entry=KUSTOMIZATION,
    layer=LAYER,
    deployer="flux",
    read=flux_delivery,
    listed=lambda directory: [item for item in documents(directory) if item.text("kind") == "HelmRelease"],
    objects=documents,
    mirrored=repositories,
    rewritten=repository,
    rules=(
        artifact.LAYER_ROOT,
        artifact.LAYER_TYPE,
        artifact.SINGLE_LAYER,
        artifact.EMPTY,
        rules.GIT_PLACEHOLDER,
        rules.MISSING_PATH,
        rules.MISSING_SOURCE,
        rules.CHART_DIRECTORY,
        rules.DEPENDS_ON,
        rules.PLAIN_HTTP,
    ),
    names_releases=False,
)
