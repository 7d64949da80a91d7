"""The flux-git shape: a kustomization of HelmReleases, which Flux pulls from a Git repository.

As the flux shape, but a chart of the bundle is named by its path in the GitRepository `aicr-bundle`, which the lane
makes: nothing has to be cut out of it. Such a chart is taken anew with each commit (`reconcileStrategy: Revision`);
by default Flux takes it for the same as long as its version is.
"""

from collections.abc import Sequence
from typing import Any

from harness.bundles.contract import artifact
from harness.bundles.contract import flux as rules
from harness.bundles.contract import git as git_rules
from harness.bundles.delivery import FLUX_NAMESPACE, SOURCE, Target
from harness.bundles.kustomization import KUSTOMIZATION, documents, flux_delivery
from harness.bundles.mirrors.files import repositories, repository
from harness.bundles.shape import PulledShape
from harness.bundles.shapes.flux import content, helm_release, helm_repository, source_names
from harness.bundles.shapes.releases import Release, page, releases
from harness.recipes.model import Recipe
from harness.recipes.values import NodePlacement, SetOverride


def files(recipe: Recipe, sets: Sequence[SetOverride], placement: NodePlacement, target: Target) -> dict[str, bytes]:
    """A bundle's content by path, for the repository at `target`. Raises DataError for what cannot be bundled."""
    found = releases(recipe, sets, placement)
    sources = source_names(release.chart.repository for release in found)
    resources = {f"sources/helmrepo-{name}.yaml": helm_repository(name, url, target) for url, name in sources.items()}
    for release in found:
        local = None if release.chart.repository else _chart(release)
        resources[f"{release.name}/helmrelease.yaml"] = helm_release(release, sources, local)
    return content(recipe, found, resources, page(_README, recipe, found, target.url))


def _chart(release: Release) -> dict[str, Any]:
    source = {"kind": "GitRepository", "name": SOURCE, "namespace": FLUX_NAMESPACE}
    spec = {"chart": f"./{release.name}/chart", "reconcileStrategy": "Revision", "sourceRef": source}
    return {"chart": {"spec": spec}}


_README = """# RECIPE

HelmReleases for Flux. The repository is TARGET.

| folder | namespace | chart | version | from | after |
|---|---|---|---|---|---|
ROWS

Push this directory to branch `main` of the repository. Flux needs a GitRepository called `aicr-bundle` in namespace
`flux-system` that pulls it, and a Kustomization of path `./` on that.

- `helmrelease.yaml` of a directory is one release: its chart and the values that the recipe gives it.
- `recipe.yaml` is the resolved recipe.
- `sha256sum --check checksums.txt` tells whether any file has changed.
"""


FLUX_GIT = PulledShape(
    name="flux-git",
    transport="git",
    deployer="flux",
    write=files,
    entry=KUSTOMIZATION,
    read=flux_delivery,
    listed=lambda directory: [item for item in documents(directory) if item.text("kind") == "HelmRelease"],
    objects=documents,
    mirrored=repositories,
    rewritten=repository,
    rules=(
        artifact.EMPTY,
        git_rules.LINK,
        git_rules.SUBMODULE,
        git_rules.OWN_GIT_REPOSITORY,
        git_rules.CHART_PATH,
        rules.MISSING_PATH,
        rules.MISSING_SOURCE,
        rules.DEPENDS_ON,
        rules.PLAIN_HTTP,
    ),
    names_releases=False,
    names_address=True,
)
