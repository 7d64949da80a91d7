"""The helm shape: what the folders of a bundle contain, and the script and the page that go with them.

Pure but for reading recipe data: the same recipe, overrides and placement give the same bytes on any machine. A chart
of the data root is copied as its author left it to `chart/`, apart from the values of the recipe, so that a null in
values.yaml still removes a default. Manifests become a chart of their own; they are templates that look up their values
by component name (`index .Values "gpu-operator"`), and so that is how values.yaml has them.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from harness.bundles.model import Bundle, Folder
from harness.bundles.read import read_chart
from harness.errors import DataError
from harness.go_yaml import dump
from harness.recipes.load import local_chart
from harness.recipes.model import Component, Recipe
from harness.recipes.read import inside
from harness.recipes.values import NodePlacement, SetOverride, component_values

_CLUSTER_VALUES = "# For values that only the person who deploys knows; they win over values.yaml.\n{}\n"


def files(recipe: Recipe, sets: Sequence[SetOverride], placement: NodePlacement) -> dict[str, bytes]:
    """The folders of a bundle and its recipe.yaml: content by path. Raises DataError for what cannot be bundled."""
    tree = {"recipe.yaml": dump(recipe.document())}
    number = 0
    for component in recipe.components:
        if not component.namespace:
            raise DataError(f"component {component.name} has no namespace", where=component.entry.where)
        values = component_values(recipe, component, sets, placement)
        for release, content in _releases(recipe, component, values):
            number += 1
            content["cluster-values.yaml"] = _CLUSTER_VALUES.encode()
            tree |= {f"{number:03d}-{release}/{path}": data for path, data in content.items()}
    return tree


def _releases(
    recipe: Recipe, component: Component, values: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, bytes]]]:
    """(release, files) for the folders of a component: manifests before the chart, the chart, manifests after it."""
    if component.type.lower() == "kustomize":
        raise DataError(
            f"component {component.name} is a kustomization, and the built-in bundler makes Helm releases",
            where=component.entry.where,
            do="take the aicr command line: `bundler: aicr` in settings.yaml",
        )
    if component.pre_manifest_files:
        yield f"{component.name}-pre", _manifests(recipe, component, "-pre", component.pre_manifest_files, values)
    if not component.chart:
        yield component.name, _manifests(recipe, component, "", component.manifest_files, values)
        return
    directory = local_chart(component.source, component.chart, recipe.data.parent)
    source = _copy(component, directory) if directory else _upstream(component)
    yield component.name, {"values.yaml": dump(values), **source}
    if component.manifest_files:
        yield f"{component.name}-post", _manifests(recipe, component, "-post", component.manifest_files, values)


def _upstream(component: Component) -> dict[str, bytes]:
    chart, repository, version = component.chart, component.source.rstrip("/"), component.version
    if not repository or not version:
        raise DataError(
            f"component {component.name} has a chart without {'a version' if repository else 'a source'}",
            where=component.entry.where,
            do="name both in the overlay or in registry.yaml: what is installed must not depend on the day",
        )
    if repository.startswith("oci://"):
        chart, repository = f"{repository}/{chart}", ""
    lines = {"CHART": chart, "REPO": repository, "VERSION": version}
    return {"upstream.env": "".join(f"{key}={_quoted(value)}\n" for key, value in lines.items()).encode()}


def _copy(component: Component, directory: Path) -> dict[str, bytes]:
    """A chart of the data root as it is."""
    version = read_chart(directory).version
    if component.version and component.version != version:
        raise DataError(
            f"component {component.name} wants version {component.version} of a chart that is at {version}",
            where=str(directory / "Chart.yaml"),
        )
    content: dict[str, bytes] = {}
    for file in sorted(directory.rglob("*")):
        if file.is_symlink():
            raise DataError("is a symbolic link, which a bundle cannot carry", where=str(file))
        if file.is_file():
            content[f"chart/{file.relative_to(directory).as_posix()}"] = file.read_bytes()
    return content


def _manifests(
    recipe: Recipe, component: Component, stage: str, paths: Sequence[str], values: Mapping[str, Any]
) -> dict[str, bytes]:
    """A chart made of manifests."""
    when = {"-pre": "before its chart", "": "which has no chart", "-post": "after its chart"}[stage]
    chart = {
        "apiVersion": "v2",
        "name": f"{component.name}{stage}",
        "version": "0.1.0",
        "description": f"The manifests of component {component.name}, {when}.",
    }
    content = {"Chart.yaml": dump(chart), "values.yaml": dump({component.name: dict(values)})}
    for path in paths:
        where = f"component {component.name}"
        name = f"templates/{PurePosixPath(path).name}"
        if name in content:
            raise DataError(f"has two manifests called {PurePosixPath(path).name}", where=where, do="rename one")
        content[name] = inside(recipe.data, path, where).read_bytes()
    return content


def deploy_script(bundle: Bundle, recipe: str) -> bytes:
    """A bash script by which a person installs the bundle with nothing but helm."""
    steps = "".join(f"release {_step(folder)}\n" for folder in bundle.folders)
    return _SCRIPT.replace("RECIPE", recipe).replace("STEPS\n", steps).encode()


_SCRIPT = r"""#!/usr/bin/env bash
# Installs recipe RECIPE: one Helm release for each folder, in the order of their numbers.
# The cluster is that of KUBECONFIG. Arguments go to every call of helm: ./deploy.sh --wait, ./deploy.sh --dry-run
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")" >/dev/null

arguments=("$@")

release() { # FOLDER RELEASE NAMESPACE CHART [OPTION...]
  local folder=$1 release=$2 namespace=$3
  shift 3
  printf '== %s: release %s in namespace %s\n' "$folder" "$release" "$namespace"
  helm upgrade --install "$release" "$@" --namespace "$namespace" --create-namespace \
    --values "$folder/values.yaml" --values "$folder/cluster-values.yaml" ${arguments[@]+"${arguments[@]}"}
}

STEPS
"""


def _step(folder: Folder) -> str:
    chart = folder.chart
    if chart.path is not None:
        source = [f"./{chart.path.relative_to(folder.path.parent).as_posix()}"]
    elif chart.repository.startswith("oci://"):
        source = [f"{chart.repository}/{chart.name}", "--version", chart.version]
    else:
        source = [chart.name, "--repo", chart.repository, "--version", chart.version]
    adopt = ["--take-ownership"] if folder.owns_namespace else []
    return shlex.join([folder.path.name, folder.release, folder.namespace, *source, *adopt])


def readme(bundle: Bundle, recipe: str) -> bytes:
    """What is in the bundle, for the person who opens it."""
    rows = "".join(
        f"| {folder.path.name} | {folder.namespace} | {folder.chart.name} | {folder.chart.version} "
        f"| {folder.chart.repository or 'in the folder'} | {', '.join(folder.depends_on) or '–'} |\n"
        for folder in bundle.folders
    )
    return _README.replace("RECIPE", recipe).replace("ROWS\n", rows).encode()


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


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
