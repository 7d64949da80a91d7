"""Reads a bundle of the helm shape, for both bundlers: the one place that knows its file names.

It has `recipe.yaml` at the root and folders `NNN-<component>`, with `-pre` and `-post` for manifests before and after
the chart. A folder holds values.yaml, cluster-values.yaml, and one of: upstream.env (a chart in a repository),
Chart.yaml (the folder is the chart), chart/Chart.yaml (the chart as its author left it). What does not add up is an
error, since a folder that is overlooked is a component that is never tested.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.bundles.charts import brings_namespace, read_chart, remote_chart
from harness.bundles.delivery import REMAKE
from harness.bundles.model import Bundle, Chart, Folder, waits_for
from harness.errors import DataError
from harness.formats.documents import Document
from harness.recipes.model import switched_off

_FOLDER = re.compile(r"(\d{3,})-(.+)")


def read_folders(directory: Path) -> Bundle:
    document = recipe_document(directory / "recipe.yaml")
    components = {ref["name"]: ref for ref in document["componentRefs"]}
    numbered = _numbered(directory)
    owners = {release: _owner(release, path, components) for _, release, path in numbered}
    waiting = _waiting(owners, components)
    for name, ref in components.items():
        if name not in owners and not switched_off(ref.get("overrides") or {}, document.get("apiVersion", "")):
            raise DataError(f"has no folder for component {name}, which recipe.yaml names", where=str(directory))
    folders: list[Folder] = []
    for number, release, path in numbered:
        ref = components[owners[release]]
        chart = _chart(path)
        folder = Folder(
            number=number,
            release=release,
            component=ref["name"],
            namespace=ref["namespace"],
            path=path,
            chart=chart,
            depends_on=waiting[release],
            owns_namespace=chart.path is not None and brings_namespace(_templates(chart.path)),
        )
        later = set(folder.depends_on) - {before.release for before in folders}
        if later:
            raise DataError(f"comes before {', '.join(sorted(later))}, which it depends on", where=str(path))
        folders.append(folder)
    return Bundle(directory, "helm", tuple(folders), document)


def recipe_document(file: Path) -> dict[str, Any]:
    root = Document.read(file).root()
    if not root.blocks("componentRefs"):
        raise DataError("is not a resolved recipe: it has no componentRefs", where=str(file), do=REMAKE)
    for ref in root.blocks("componentRefs"):
        ref.text("name", required=True)
        ref.text("namespace", required=True)
        ref.texts("dependencyRefs")
        ref.mapping("overrides")
    return root.data


def _numbered(directory: Path) -> list[tuple[int, str, Path]]:
    """(number, release, path) of each folder in order. Numbers are 1, 2, 3, ...: a gap means that one was lost."""
    found = sorted(
        (int(match[1]), match[2], path)
        for path in directory.iterdir()
        if path.is_dir() and (match := _FOLDER.fullmatch(path.name))
    )
    if not found:
        raise DataError("has no component folders", where=str(directory), do=REMAKE)
    for expected, (number, _, path) in enumerate(found, start=1):
        if number != expected:
            raise DataError(f"has number {number} where {expected} should be", where=str(path), do=REMAKE)
    for position, (_, release, path) in enumerate(found):
        if release in (before for _, before, _ in found[:position]):
            raise DataError(f"is the second folder for release {release}", where=str(path), do=REMAKE)
    return found


def _owner(release: str, path: Path, components: Mapping[str, Any]) -> str:
    """The component of a release. A component may itself be called something-post, so its own name counts first."""
    for name in (release, release.removesuffix("-pre"), release.removesuffix("-post")):
        if name in components:
            return name
    raise DataError("belongs to no component of recipe.yaml", where=str(path), do=REMAKE)


def _waiting(owners: Mapping[str, str], components: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """By release, those that come before it; the folder of a component's manifests is told by its name."""
    stages: dict[str, list[str]] = {}
    for stage in ("-pre", "", "-post"):
        for release, component in owners.items():
            if release == f"{component}{stage}":
                stages.setdefault(component, []).append(release)
    return waits_for(stages, {name: ref.get("dependencyRefs") or () for name, ref in components.items()})


def _chart(path: Path) -> Chart:
    for name in ("values.yaml", "cluster-values.yaml"):
        if not (path / name).is_file():
            raise DataError(f"has no {name}", where=str(path), do=REMAKE)
    sources = [name for name in ("upstream.env", "Chart.yaml", "chart/Chart.yaml") if (path / name).is_file()]
    if len(sources) != 1:
        found = " and ".join(sources) or "neither upstream.env nor a chart"
        raise DataError(f"should have one source for its chart, and has {found}", where=str(path), do=REMAKE)
    if sources[0] == "upstream.env":
        return remote_chart(path / "upstream.env")
    return read_chart((path / sources[0]).parent)


def _templates(chart: Path) -> Iterator[bytes]:
    return (file.read_bytes() for file in sorted((chart / "templates").rglob("*.yaml")))
