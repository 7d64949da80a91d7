"""What every shape of a bundle is made of: the Helm releases of a recipe, in order, with their charts and values.

A shape decides how a release is delivered, never what it is. So names, namespaces, values, charts and the order are
computed here, once, and the objects that two lanes create can be compared. Pure but for reading recipe data.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.bundles.charts import read_chart
from harness.bundles.manifests import rendered
from harness.bundles.model import Chart, waits_for
from harness.errors import DataError
from harness.formats.go_yaml import dump
from harness.recipes.local_charts import chart_files, local_chart
from harness.recipes.model import Component, Recipe
from harness.recipes.values import NodePlacement, SetOverride, component_values


@dataclass(frozen=True)
class Release:
    """One Helm release. `files` are the chart's own, by their path in it; a chart at a repository has none.

    `wraps` tells that the chart was made here, of a component's manifests. Numbers are 1, 2, 3, ... in the order of
    installation, which is one that the dependencies allow.
    """

    number: int
    name: str
    component: str
    namespace: str
    chart: Chart
    values: Mapping[str, Any]
    files: Mapping[str, bytes]
    wraps: bool = False
    depends_on: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        return f"{self.number:03d}-{self.name}"


def releases(recipe: Recipe, sets: Sequence[SetOverride], placement: NodePlacement) -> tuple[Release, ...]:
    """The releases of `recipe`, each after those it depends on. Raises DataError for what cannot be bundled."""
    found: list[Release] = []
    for component in recipe.components:
        if not component.namespace:
            raise DataError(f"component {component.name} has no namespace", where=component.entry.where)
        values = component_values(recipe, component, sets, placement)
        for release in _releases(recipe, component, values):
            if any(release.name == before.name for before in found):
                raise DataError(f"has two releases called {release.name}", where=f"component {component.name}")
            found.append(replace(release, number=len(found) + 1))
    stages: dict[str, list[str]] = {}
    for release in found:
        stages.setdefault(release.component, []).append(release.name)
    waiting = waits_for(stages, {component.name: component.depends_on for component in recipe.components})
    return tuple(replace(release, depends_on=waiting[release.name]) for release in found)


def levels(found: Sequence[Release]) -> Mapping[str, int]:
    """By release, how many others it has to wait for one after the other: 0 for those that wait for none."""
    level: dict[str, int] = {}
    for release in found:
        level[release.name] = max((level[name] + 1 for name in release.depends_on), default=0)
    return level


def page(text: str, recipe: Recipe, found: Sequence[Release], address: str = "") -> bytes:
    """A README: `text` with the recipe's name for RECIPE, rows about its releases for ROWS, and where it is for TARGET.

    A row is: folder, namespace, chart, version, where the chart comes from, after what.
    """
    rows = "".join(
        f"| {release.folder} | {release.namespace} | {release.chart.name} | {release.chart.version} "
        f"| {release.chart.repository or 'in the folder'} | {', '.join(release.depends_on) or '–'} |\n"
        for release in found
    )
    return text.replace("RECIPE", recipe.name).replace("TARGET", address).replace("ROWS\n", rows).encode()


def _releases(recipe: Recipe, component: Component, values: Mapping[str, Any]) -> Iterator[Release]:
    """The releases of a component, not numbered yet: manifests before the chart, the chart, manifests after it."""
    if component.type.lower() == "kustomize":
        raise DataError(
            f"component {component.name} is a kustomization, and the built-in bundler makes Helm releases",
            where=component.entry.where,
            do="take the aicr command line: -o bundler=aicr",
        )
    directory = local_chart(component.source, component.chart, recipe.data.parent)
    if not component.chart:
        chart, files = Chart(component.name, component.version), dict[str, bytes]()
    else:
        chart, files = _copy(component, directory, recipe.data.parent) if directory else (_upstream(component), {})
    before = rendered(recipe, component, "-pre", chart, values)
    if before or (component.pre_manifest_files and recipe.legacy):
        yield _wrapper(component, "-pre", before, values)
    after = rendered(recipe, component, "-post", chart, values)
    if not component.chart:
        yield _wrapper(component, "", after, values)
        return
    yield Release(0, component.name, component.name, component.namespace, chart, values, files)
    if component.manifest_files:
        yield _wrapper(component, "-post", after, values)


def _upstream(component: Component) -> Chart:
    repository, version = component.source.rstrip("/"), component.version
    if not repository or not version:
        raise DataError(
            f"component {component.name} has a chart without {'a version' if repository else 'a source'}",
            where=component.entry.where,
            do="name both in the overlay or in registry.yaml: what is installed must not depend on the day",
        )
    return Chart(component.chart, version, repository)


def _copy(component: Component, directory: Path, root: Path) -> tuple[Chart, dict[str, bytes]]:
    """A chart of the data root as it is; a link in it becomes a copy of what it leads to."""
    chart = read_chart(directory)
    if component.version and component.version != chart.version:
        raise DataError(
            f"component {component.name} wants version {component.version} of a chart that is at {chart.version}",
            where=str(directory / "Chart.yaml"),
        )
    content = {path: file.read_bytes() for path, file in chart_files(directory, root)}
    return Chart(chart.name, chart.version), content


def _wrapper(component: Component, stage: str, objects: Mapping[str, bytes], values: Mapping[str, Any]) -> Release:
    """A chart made of manifests, which are rendered: its values are what they were rendered with."""
    when = {"-pre": "before its chart", "": "which has no chart", "-post": "after its chart"}[stage]
    name = f"{component.name}{stage}"
    chart = Chart(name, "0.1.0")
    description = f"The manifests of component {component.name}, {when}."
    metadata = {"apiVersion": "v2", "name": chart.name, "version": chart.version, "description": description}
    content = {"Chart.yaml": dump(metadata), **{f"templates/{name}": text for name, text in objects.items()}}
    below = {component.name: dict(values)}
    return Release(0, name, component.name, component.namespace, chart, below, content, wraps=True)
