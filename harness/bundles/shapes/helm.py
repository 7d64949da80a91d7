"""The helm shape: what the folders of a bundle contain, and the script and the page that go with them.

The same recipe, overrides and placement give the same bytes on any machine. A chart of the data root is copied as its
author left it to `chart/`, apart from the values of the recipe, so that a null in values.yaml still removes a default.
A chart made of manifests is the folder itself.
"""

import shlex
from collections.abc import Sequence

from harness.bundles.charts import brings_namespace, upstream_env
from harness.bundles.mirrors.files import upstream
from harness.bundles.shape import FolderShape
from harness.bundles.shapes.releases import Release, page, releases
from harness.formats.go_yaml import dump
from harness.recipes.model import Recipe
from harness.recipes.values import NodePlacement, SetOverride

_CLUSTER_VALUES = "# For values that only the person who deploys knows; they win over values.yaml.\n{}\n"


def files(recipe: Recipe, sets: Sequence[SetOverride], placement: NodePlacement) -> dict[str, bytes]:
    """A bundle's content by path. Raises DataError for what cannot be bundled."""
    found = releases(recipe, sets, placement)
    steps = "".join(f"release {_step(release)}\n" for release in found)
    return {
        "recipe.yaml": dump(recipe.document()),
        **{f"{release.folder}/{path}": data for release in found for path, data in _folder(release).items()},
        "README.md": page(_README, recipe, found),
        "deploy.sh": _SCRIPT.replace("RECIPE", recipe.name).replace("STEPS\n", steps).encode(),
    }


def _folder(release: Release) -> dict[str, bytes]:
    values = {"values.yaml": dump(release.values), "cluster-values.yaml": _CLUSTER_VALUES.encode()}
    if release.chart.repository:
        return {**values, "upstream.env": upstream_env(release.chart)}
    below = "" if release.wraps else "chart/"
    return {**values, **{f"{below}{path}": data for path, data in release.files.items()}}


# By which a person installs the bundle with nothing but helm.
_SCRIPT = r"""#!/usr/bin/env bash
# Installs recipe RECIPE: one Helm release for each folder, in the order of their numbers.
# The cluster is that of KUBECONFIG. Arguments go to every call of helm: ./deploy.sh --wait, ./deploy.sh --dry-run
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")" >/dev/null

arguments=("$@")

release() { # FOLDER RELEASE NAMESPACE CHART [OPTION...]
  local folder=$1 release=$2 namespace=$3
  shift 3
  # Where the chart has its namespace, helm would make it after it has looked for what to take over.
  if [[ " $* " == *" --take-ownership "* && " ${arguments[*]-} " != *" --dry-run"* ]]; then
    kubectl get namespace "$namespace" >/dev/null 2>&1 || kubectl create namespace "$namespace"
  fi
  printf '== %s: release %s in namespace %s\n' "$folder" "$release" "$namespace"
  helm upgrade --install "$release" "$@" --namespace "$namespace" --create-namespace \
    --values "$folder/values.yaml" --values "$folder/cluster-values.yaml" ${arguments[@]+"${arguments[@]}"}
}

STEPS
"""


def _step(release: Release) -> str:
    chart = release.chart
    if not chart.repository:
        source = [f"./{release.folder}{'' if release.wraps else '/chart'}"]
    elif chart.repository.startswith("oci://"):
        source = [f"{chart.repository}/{chart.name}", "--version", chart.version]
    else:
        source = [chart.name, "--repo", chart.repository, "--version", chart.version]
    templates = (
        data for path, data in release.files.items() if path.startswith("templates/") and path.endswith(".yaml")
    )
    adopt = ["--take-ownership"] if brings_namespace(templates) else []
    return shlex.join([release.folder, release.name, release.namespace, *source, *adopt])


_README = """# RECIPE

Each folder is one Helm release, called like the folder without its number, and the numbers are the order in which they
are installed. `-pre` and `-post` hold manifests that come before and after a component's chart.

| folder | namespace | chart | version | from | after |
|---|---|---|---|---|---|
ROWS

To install everything into the cluster of `KUBECONFIG`:

    ./deploy.sh                 # again after a change: what is there is upgraded
    ./deploy.sh --dry-run       # arguments go to every call of helm

- `values.yaml` is what the recipe gives a chart; `cluster-values.yaml` wins over it and is yours to fill in.
- `recipe.yaml` is the resolved recipe.
- `sha256sum --check checksums.txt` tells whether any file has changed.
"""


HELM = FolderShape(
    name="helm",
    write=files,
    mirrored=lambda directory: sorted(directory.glob("*/upstream.env")),
    rewritten=upstream,
)
