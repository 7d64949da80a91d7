"""What the releases of a bundle render to: before there is a cluster, and on it.

helm, installing, asks the cluster which API versions it serves and which objects it holds. So a chart that asks is
rendered once more as soon as there is a cluster to ask, and those that come out otherwise each time are rendered again
when they are to be compared.
"""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from harness.bundles.model import Bundle, Folder
from harness.expected.charts import Dependence, dependence
from harness.helm.client import Helm

Objects = list[dict[str, Any]]
T = TypeVar("T")

SIDE_BY_SIDE = max(4, os.cpu_count() or 1)  # helm processes at once; some wait for a download


@dataclass(frozen=True)
class _Chart:
    """A release whose chart is on disk, what its rendering depends on, and how it comes out by itself."""

    folder: Folder
    depends: Dependence
    objects: Objects


class Renderer:
    """Renders one bundle. `kube_version` is that of the cluster to come; charts that are elsewhere are fetched, once,
    into `directory`, which does not exist before.

    All methods raise RenderFailed for the first release that does not render.
    """

    def __init__(self, helm: Helm, bundle: Bundle, *, kube_version: str, directory: Path) -> None:
        self._helm = helm
        self._bundle = bundle
        self._kube_version = kube_version
        self._directory = directory
        self._charts: dict[str, _Chart] = {}

    def alone(self) -> dict[str, Objects]:
        """The decoded manifests of each release, by release, without a cluster.

        A chart that asks which API versions there are is told those of the releases that it depends on, in a second
        pass, since these will be there when it is installed.
        """
        self._charts = _all(self._bundle.folders, self._first)
        rendered = {release: chart.objects for release, chart in self._charts.items()}
        versions = _brought(self._bundle, rendered)

        def told(folder: Folder) -> Objects:
            return self._helm.template(folder, kube_version=self._kube_version, api_versions=versions[folder.release])

        return rendered | _all(self._those(lambda chart: chart.depends.kinds and versions[chart.folder.release]), told)

    def before(
        self, rendered: Mapping[str, Objects], helm: Helm, *, kube_version: str, served: Collection[str]
    ) -> dict[str, Objects]:
        """`rendered` without a cluster, as it comes out on the cluster of `helm`, before anything is installed.

        `served` are its API versions, "group/version" and "group/version/Kind".
        """
        versions = _brought(self._bundle, rendered)
        other = kube_version.removeprefix("v") != self._kube_version.removeprefix("v")

        def here(folder: Folder) -> Objects:
            told = sorted({*served, *versions[folder.release]})
            return helm.template(folder, kube_version=kube_version, api_versions=told, lookup=True)

        asking = self._those(lambda chart: chart.depends.kinds or (other and chart.depends.version))
        return {**rendered, **_all(asking, here)}

    def after(
        self,
        before: Mapping[str, Objects],
        helm: Helm,
        *,
        kube_version: str,
        served: Collection[str],
        upgraded: bool = False,
    ) -> dict[str, Objects]:
        """As it comes out once everything is installed, and, where `upgraded`, for charts that are there already."""

        def here(folder: Folder) -> Objects:
            told = sorted(served)
            return helm.template(folder, kube_version=kube_version, api_versions=told, lookup=True, upgrade=upgraded)

        return {**before, **_all(self._those(lambda chart: chart.depends.kinds or chart.depends.moment), here)}

    def _first(self, folder: Folder) -> _Chart:
        if folder.chart.path is None:
            path = self._helm.fetch(folder, self._directory / folder.release)
            folder = replace(folder, chart=replace(folder.chart, path=path))
        return _Chart(folder, dependence(folder), self._helm.template(folder, kube_version=self._kube_version))

    def _those(self, wanted: Callable[[_Chart], object]) -> list[Folder]:
        return [chart.folder for chart in self._charts.values() if wanted(chart)]


def _all(folders: Iterable[Folder], work: Callable[[Folder], T]) -> dict[str, T]:
    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="render") as pool:
        futures = {folder.release: pool.submit(work, folder) for folder in folders}
        try:
            return {release: future.result() for release, future in futures.items()}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _brought(bundle: Bundle, rendered: Mapping[str, Objects]) -> dict[str, list[str]]:
    """By release, what the CRDs of all releases below it serve: "group/version" and "group/version/Kind"."""
    own = {release: {version for item in objects for version in _served(item)} for release, objects in rendered.items()}
    below: dict[str, set[str]] = {}
    for folder in bundle.folders:  # in the order of installation, so what a release depends on comes first
        below[folder.release] = set().union(*(below[name] | own[name] for name in folder.depends_on))
    return {release: sorted(versions) for release, versions in below.items()}


def _served(item: dict[str, Any]) -> list[str]:
    """Nothing, of a CRD that is not as it should be: the API server will say so."""
    if item.get("kind") != "CustomResourceDefinition":
        return []
    try:
        spec = item["spec"]
        versions = [f"{spec['group']}/{version['name']}" for version in spec["versions"] if version.get("served")]
        return [*versions, *(f"{version}/{spec['names']['kind']}" for version in versions)]
    except (KeyError, TypeError, AttributeError):
        return []
