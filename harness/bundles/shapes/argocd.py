"""The argocd shape: an Application of Applications, which Argo CD pulls from an OCI registry.

Each release is a child Application in a folder of its own. A chart at a repository is named there; a chart of the
bundle is a path in the same artifact. Values are text within the Application, as `helm.values`: a reference to a file
of another source (`$values/...`) works with Git only, and an object (`valuesObject`) loses its nulls, which remove a
chart's defaults, in the merge patch of a second sync.

Sync waves follow the graph of dependencies, level by level, and not the order of the folders: Argo CD lets seconds pass
between two waves and waits for no child's health, so thirteen waves cost half a minute and order nothing more than
three. What comes too early is tried again; by default after 5 s, 10 s, 20 s, ..., here soon.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.bundles.applications import APP_OF_APPS, ROOT, applications, argocd_delivery, included, root_application
from harness.bundles.charts import remote_source
from harness.bundles.contract import argocd as rules
from harness.bundles.contract import artifact
from harness.bundles.delivery import ARGOCD_NAMESPACE, Target
from harness.bundles.mirrors.files import application as mirrored_application
from harness.bundles.shape import PulledShape
from harness.bundles.shapes.releases import Release, levels, page, releases
from harness.formats.go_yaml import dump
from harness.formats.media_types import LAYER
from harness.recipes.model import Recipe
from harness.recipes.values import NodePlacement, SetOverride

# A release that a later bundle does not have any more is pruned with all that it made, not without.
_WITH_ITS_RESOURCES = "resources-finalizer.argocd.argoproj.io"
# A child whose chart has a post-delete hook gets two finalizers more, from Argo CD itself. They are not in the root's
# manifests, so they would put the root out of sync each time that the child was compared. Only the comparison leaves
# them out: with RespectIgnoreDifferences a sync of the root writes children with the status that it remembers of them,
# and one whose operation has just ended then says for ever that it is running.
_FINALIZERS_OF_CHILDREN = {
    "group": "argoproj.io",
    "kind": "Application",
    "jsonPointers": ["/metadata/finalizers"],
}
_IN_CLUSTER = "https://kubernetes.default.svc"
# 2, 4, 8 and then every 10 seconds, three minutes in all: as long as Argo CD's own five tries.
_RETRY = {"limit": 20, "backoff": {"duration": "2s", "factor": 2, "maxDuration": "10s"}}
_OPTIONS = ["CreateNamespace=true", "ServerSideApply=true"]  # a client-side apply cannot hold the CRDs of large charts


def files(recipe: Recipe, sets: Sequence[SetOverride], placement: NodePlacement, target: Target) -> dict[str, bytes]:
    """A bundle's content by path, for an artifact at `target`. Raises DataError for what cannot be bundled."""
    found = releases(recipe, sets, placement)
    waves = levels(found)
    tree = {APP_OF_APPS: dump(app_of_apps(target)), "recipe.yaml": dump(recipe.document())}
    for release in found:
        helm = {"values": dump(release.values).decode()}
        source = {**chart_source(release, target.url, target.tag), "helm": helm}
        tree[f"{release.folder}/application.yaml"] = dump(application(release, waves[release.name], source))
        tree |= chart_files(release)
    return {**tree, "README.md": page(_README, recipe, found, f"{target.repository}:{target.tag}")}


def chart_files(release: Release) -> dict[str, bytes]:
    """A chart of the bundle, by path in the bundle."""
    return {f"{release.folder}/chart/{path}": data for path, data in release.files.items()}


def chart_source(release: Release, url: str, revision: str) -> dict[str, Any]:
    """Where Argo CD finds the chart: `url` and `revision` are the bundle's own."""
    if not release.chart.repository:
        return {"repoURL": url, "targetRevision": revision, "path": f"{release.folder}/chart"}
    return remote_source(release.chart)


def application(release: Release, wave: int, source: Mapping[str, Any]) -> dict[str, Any]:
    """A child. Argo CD names the Helm release after it, so all lanes make the same release."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": release.name,
            "namespace": ARGOCD_NAMESPACE,
            "annotations": {"argocd.argoproj.io/sync-wave": str(wave)},
            "finalizers": [_WITH_ITS_RESOURCES],
        },
        "spec": {
            "project": "default",
            "source": dict(source),
            "destination": {"server": _IN_CLUSTER, "namespace": release.namespace},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "retry": _RETRY,
                "syncOptions": _OPTIONS,
            },
        },
    }


def root(name: str, source: Mapping[str, Any], *options: str) -> dict[str, Any]:
    """The Application whose manifests are the children; `options` are what its syncOptions have besides."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": ARGOCD_NAMESPACE},
        "spec": {
            "project": "default",
            "source": dict(source),
            "destination": {"server": _IN_CLUSTER, "namespace": ARGOCD_NAMESPACE},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                **({"syncOptions": list(options)} if options else {}),
            },
            "ignoreDifferences": [_FINALIZERS_OF_CHILDREN],
        },
    }


def app_of_apps(target: Target) -> dict[str, Any]:
    """The root of a bundle with an application.yaml in each folder, wherever Argo CD pulls it from."""
    directory = {"recurse": True, "include": "*/application.yaml"}
    source = {"repoURL": target.url, "targetRevision": target.tag, "path": ".", "directory": directory}
    return root(ROOT, source)


_README = """# RECIPE

An Application of Applications for Argo CD. The artifact is TARGET.

| folder | namespace | chart | version | from | after |
|---|---|---|---|---|---|
ROWS

Publish this directory as one layer, with these files at its root, and then:

    kubectl apply --filename app-of-apps.yaml

- `application.yaml` of a folder is one release: its chart and the values that the recipe gives it.
- `recipe.yaml` is the resolved recipe.
- `sha256sum --check checksums.txt` tells whether any file has changed.
"""


ARGOCD = PulledShape(
    name="argocd",
    write=files,
    entry=APP_OF_APPS,
    layer=LAYER,
    deployer="argocd",
    read=argocd_delivery,
    listed=lambda directory: list(applications(directory)),
    objects=lambda directory: [root_application(directory), *applications(directory)],
    mirrored=included,
    rewritten=mirrored_application,
    rules=(
        artifact.LAYER_ROOT,
        artifact.LAYER_TYPE,
        artifact.SINGLE_LAYER,
        artifact.EMPTY,
        rules.VALUES_REFERENCE,
        rules.GIT_PLACEHOLDER,
        rules.OWN_ADDRESS,
        rules.STRAY_MANIFEST,
        rules.MISSING_PATH,
        rules.PLAIN_HTTP,
    ),
    names_address=True,
)
