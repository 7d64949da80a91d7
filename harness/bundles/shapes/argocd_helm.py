"""The argocd-helm shape: a Helm chart whose templates are the root Application and its children.

The chart is installed with `repoURL` and `targetRevision`, so its bytes do not say where it is published. Argo CD then
renders the same chart again as the manifests of the root, which passes the values on. Values of releases are files of
the chart that templates take in as they are: written into a template, braces in them would be instructions to Helm.
"""

from collections.abc import Sequence
from typing import Any

from harness.bundles.applications import WRAPPER_ROOT, folders, wrapper_delivery
from harness.bundles.contract import argocd as rules
from harness.bundles.contract import artifact
from harness.bundles.delivery import Target
from harness.bundles.mirrors.files import application as mirrored_application
from harness.bundles.shape import PulledShape
from harness.bundles.shapes.argocd import application, chart_files, chart_source, root
from harness.bundles.shapes.releases import levels, page, releases
from harness.formats.go_yaml import dump
from harness.formats.media_types import HELM_LAYER
from harness.recipes.model import Recipe
from harness.recipes.values import NodePlacement, SetOverride

_URL = '{{ include "bundle.url" . }}'
_REVISION = '{{ include "bundle.revision" . }}'


def files(recipe: Recipe, sets: Sequence[SetOverride], placement: NodePlacement, target: Target) -> dict[str, bytes]:
    """The chart's content by path, for an artifact at `target`. Raises DataError for what cannot be bundled.

    Its name is the last step of the address and its version the tag, because that is how Helm addresses charts.
    """
    found = releases(recipe, sets, placement)
    waves = levels(found)
    tree = {
        "Chart.yaml": dump(_metadata(recipe, target)),
        "values.yaml": _VALUES.replace("ROOT", WRAPPER_ROOT).encode(),
        "templates/_address.tpl": _ADDRESS.encode(),
        f"templates/{WRAPPER_ROOT}.yaml": dump(_root()),
        "recipe.yaml": dump(recipe.document()),
    }
    for release in found:
        source = {**chart_source(release, _URL, _REVISION), "helm": {"values": _file(f"{release.folder}/values.yaml")}}
        tree[f"templates/{release.name}.yaml"] = dump(application(release, waves[release.name], source))
        tree[f"{release.folder}/values.yaml"] = dump(release.values)
        tree |= chart_files(release)
    return {**tree, "README.md": page(_README, recipe, found, f"{target.name} --version {target.tag}")}


def _metadata(recipe: Recipe, target: Target) -> dict[str, Any]:
    return {
        "apiVersion": "v2",
        "name": target.name,
        "version": target.tag,
        "type": "application",
        "description": f"Recipe {recipe.name} as Applications for Argo CD.",
    }


def _root() -> dict[str, Any]:
    helm = {"values": "{{- toYaml .Values | nindent 8 }}\n"}
    source = {"repoURL": _URL, "targetRevision": _REVISION, "path": ".", "helm": helm}
    # Helm has made all of these objects before, and applying on the server leaves its fields alone.
    return root("{{ .Values.appName }}", source, "ServerSideApply=true")


def _file(path: str) -> str:
    """A block of text (hence the line break) that is a file of the chart, at the depth of spec.source.helm.values."""
    return f'{{{{- .Files.Get "{path}" | nindent 8 }}}}\n'


_ADDRESS = """{{- define "bundle.url" -}}
{{ required "set repoURL to the address below which this chart is published, without the chart's name" .Values.repoURL \
| trimSuffix "/" }}/{{ .Chart.Name }}
{{- end }}

{{- define "bundle.revision" -}}
{{ .Values.targetRevision | default .Chart.Version }}
{{- end }}
"""

_VALUES = """# The name of the root Application.
appName: ROOT
# Where this chart is published, without its name: oci://registry.example.com/path. Required.
repoURL: ""
# The tag under which it is published; empty is the chart's own version.
targetRevision: ""
"""

_README = """# RECIPE

A Helm chart that makes an Application of Applications for Argo CD.

| folder | namespace | chart | version | from | after |
|---|---|---|---|---|---|
ROWS

Publish it, and install it from where it is:

    helm upgrade --install RECIPE oci://registry.example.com/path/TARGET --namespace argocd \\
      --set repoURL=oci://registry.example.com/path

- `values.yaml` of a folder is what the recipe gives a chart.
- `recipe.yaml` is the resolved recipe.
- `sha256sum --check checksums.txt` tells whether any file has changed.
"""


ARGOCD_HELM = PulledShape(
    name="argocd-helm",
    write=files,
    entry="Chart.yaml",
    layer=HELM_LAYER,
    deployer="argocd-helm",
    read=wrapper_delivery,
    listed=folders,
    objects=lambda _: (),
    templates=lambda directory: (directory / "templates").rglob("*.yaml"),
    mirrored=lambda directory: sorted((directory / "templates").glob("*.yaml")),
    rewritten=mirrored_application,
    rules=(
        artifact.LAYER_ROOT,
        artifact.CONFIG_TYPE,
        artifact.LAYER_TYPE,
        artifact.SINGLE_LAYER,
        artifact.SEMVER_TAG,
        artifact.CHART_VERSION,
        artifact.CHART_NAME,
        artifact.EMPTY,
        rules.VALUES_REFERENCE,
        rules.GIT_PLACEHOLDER,
        rules.MISSING_PATH,
        rules.PLAIN_HTTP,
    ),
    is_chart=True,
)
