"""What the releases of a bundle render to, before anything is installed."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from harness.bundles.model import Bundle, Folder
from harness.helm.client import Helm

Objects = list[dict[str, Any]]

SIDE_BY_SIDE = 4  # helm processes at once


def render(helm: Helm, bundle: Bundle, *, kube_version: str) -> dict[str, Objects]:
    """The decoded manifests of each release, by release. Raises RenderFailed for the first that does not render.

    A chart may ask which API versions there are. helm, installing, would ask the cluster, which by then has the CRDs of
    the releases that this one depends on; so those are told to it here, in a second pass over the charts that ask.
    """
    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="render") as pool:

        def all_of(folders: Sequence[Folder], versions: dict[str, list[str]]) -> dict[str, Objects]:
            work = {
                folder.release: pool.submit(
                    helm.template, folder, kube_version=kube_version, api_versions=versions.get(folder.release, ())
                )
                for folder in folders
            }
            return {release: future.result() for release, future in work.items()}

        rendered = all_of(bundle.folders, {})
        versions = _brought(bundle, rendered)
        curious = [folder for folder in bundle.folders if versions[folder.release] and _asks(folder)]
        return rendered | all_of(curious, versions)


def _brought(bundle: Bundle, rendered: dict[str, Objects]) -> dict[str, list[str]]:
    """By release, what the CRDs of all releases below it serve: "group/version" and "group/version/Kind"."""
    own = {release: {version for item in objects for version in _served(item)} for release, objects in rendered.items()}
    below: dict[str, set[str]] = {}
    for folder in bundle.folders:  # in the order of installation, so what a release depends on comes first
        below[folder.release] = set().union(*(below[name] | own[name] for name in folder.depends_on))
    return {release: sorted(versions) for release, versions in below.items()}


def _served(item: dict[str, Any]) -> list[str]:
    if item["kind"] != "CustomResourceDefinition":
        return []
    spec = item["spec"]
    versions = [f"{spec['group']}/{version['name']}" for version in spec.get("versions", ()) if version.get("served")]
    return [*versions, *(f"{version}/{spec['names']['kind']}" for version in versions)]


def _asks(folder: Folder) -> bool:
    """Whether the chart looks at API versions; of a chart that is elsewhere nothing is known."""
    if folder.chart.path is None:
        return True
    files = (
        file for file in folder.chart.path.rglob("*") if file.is_file() and file.suffix in (".yaml", ".tpl", ".tgz")
    )
    return any(file.suffix == ".tgz" or b"APIVersions" in file.read_bytes() for file in files)
