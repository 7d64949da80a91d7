"""The argocd-git shape: an Application of Applications, which Argo CD pulls from a Git repository.

As the argocd shape, but for two things that only Git can do. A release's values are a file in its folder, of which the
Application says where it is: so they keep their nulls, and what is reviewed in the repository is what is installed.
And a chart at a repository has two sources, the chart and, as `values`, the repository of the bundle.
"""

from collections.abc import Sequence
from typing import Any

from harness.bundles.applications import APP_OF_APPS, applications, argocd_delivery, included, root_application
from harness.bundles.charts import remote_source
from harness.bundles.contract import argocd as rules
from harness.bundles.contract import artifact
from harness.bundles.contract import git as git_rules
from harness.bundles.delivery import Target
from harness.bundles.mirrors.files import application as mirrored_application
from harness.bundles.shape import PulledShape
from harness.bundles.shapes.argocd import app_of_apps, application, chart_files
from harness.bundles.shapes.releases import Release, levels, page, releases
from harness.formats.go_yaml import dump
from harness.recipes.model import Recipe
from harness.recipes.values import NodePlacement, SetOverride

_VALUES = "values.yaml"
_REF = "values"


def files(recipe: Recipe, sets: Sequence[SetOverride], placement: NodePlacement, target: Target) -> dict[str, bytes]:
    """A bundle's content by path, for the repository at `target`. Raises DataError for what cannot be bundled."""
    found = releases(recipe, sets, placement)
    waves = levels(found)
    tree = {APP_OF_APPS: dump(app_of_apps(target)), "recipe.yaml": dump(recipe.document())}
    for release in found:
        tree[f"{release.folder}/application.yaml"] = dump(_application(release, waves[release.name], target))
        tree[f"{release.folder}/{_VALUES}"] = dump(release.values)
        tree |= chart_files(release)
    return {**tree, "README.md": page(_README, recipe, found, target.url)}


def _ours(target: Target) -> dict[str, Any]:
    return {"repoURL": target.url, "targetRevision": target.tag}


def _application(release: Release, wave: int, target: Target) -> dict[str, Any]:
    if not release.chart.repository:
        chart = {**_ours(target), "path": f"{release.folder}/chart", "helm": {"valueFiles": [f"../{_VALUES}"]}}
        return application(release, wave, chart)
    values = {"valueFiles": [f"${_REF}/{release.folder}/{_VALUES}"]}
    made = application(release, wave, {})
    del made["spec"]["source"]
    made["spec"]["sources"] = [{**remote_source(release.chart), "helm": values}, {**_ours(target), "ref": _REF}]
    return made


_README = """# RECIPE

An Application of Applications for Argo CD. The repository is TARGET.

| folder | namespace | chart | version | from | after |
|---|---|---|---|---|---|
ROWS

Push this directory to branch `main` of the repository, and then:

    kubectl apply --filename app-of-apps.yaml

- `application.yaml` of a folder is one release; `values.yaml` beside it are the values that the recipe gives it.
- `recipe.yaml` is the resolved recipe.
- `sha256sum --check checksums.txt` tells whether any file has changed.
"""


ARGOCD_GIT = PulledShape(
    name="argocd-git",
    transport="git",
    deployer="argocd",
    write=files,
    entry=APP_OF_APPS,
    read=argocd_delivery,
    listed=lambda directory: list(applications(directory)),
    objects=lambda directory: [root_application(directory), *applications(directory)],
    mirrored=included,
    rewritten=mirrored_application,
    rules=(
        artifact.EMPTY,
        git_rules.LINK,
        git_rules.SUBMODULE,
        git_rules.OWN_REPOSITORY,
        git_rules.VALUES_FILE,
        rules.STRAY_MANIFEST,
        rules.MISSING_PATH,
    ),
    names_address=True,
)
