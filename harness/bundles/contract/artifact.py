"""Rules about the artifact as such: its manifest, its tag, its layer, and whether there is anything in it."""

import io
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from harness.bundles.contract.delivered import Delivered, Finding
from harness.bundles.delivery import ENTRY, folders
from harness.formats.documents import Document
from harness.formats.media_types import HELM_CONFIG, HELM_LAYER, LAYER

LAYERS: Mapping[str, str] = {"argocd": LAYER, "argocd-helm": HELM_LAYER, "flux": LAYER}

_NUMBER = r"(?:0|[1-9][0-9]*)"
_PART = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMVER = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PART}(?:\.{_PART})*)?")


def entry(it: Delivered) -> Iterator[Finding]:
    name = ENTRY[it.shape]
    if not (it.directory / name).is_file():
        nested = sorted(path.relative_to(it.directory).as_posix() for path in it.directory.rglob(name))
        yield str(it.directory), f"has no {name} at its root{f', only {nested[0]}' if nested else ''}"


def layer_root(it: Delivered) -> Iterator[Finding]:
    """A Helm chart is the one directory in its layer; anything else has its files where the layer begins."""
    if it.layer is None:
        return
    try:
        with tarfile.open(fileobj=io.BytesIO(it.layer)) as archive:
            names = [PurePosixPath(name) for name in archive.getnames()]
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        yield "layer", f"is no tar archive: {error}"
        return
    root = PurePosixPath(it.target.name if it.shape == "argocd-helm" else ".")
    if root / ENTRY[it.shape] not in names:
        yield "layer", f"has no {root / ENTRY[it.shape]}, but {', '.join(sorted(map(str, names))[:3]) or 'nothing'}"
    elif it.shape == "argocd-helm" and len(tops := {name.parts[0] for name in names if name.parts}) > 1:
        yield "layer", f"has more than the directory of the chart: {', '.join(sorted(tops))}"


def config_type(it: Delivered) -> Iterator[Finding]:
    found = (it.manifest.get("config") or {}).get("mediaType")
    if found != HELM_CONFIG:
        yield "manifest", f"has a config of type {found}, and Helm reads {HELM_CONFIG}"


def layer_type(it: Delivered) -> Iterator[Finding]:
    types = [layer.get("mediaType") for layer in it.manifest.get("layers") or ()]
    if types and LAYERS[it.shape] not in types:
        yield "manifest", f"has layers of type {', '.join(map(str, types))}, and {LAYERS[it.shape]} is read"


def single_layer(it: Delivered) -> Iterator[Finding]:
    """Layers that are no archive (signatures, provenance) are passed over by all three."""
    types = [str(layer.get("mediaType")) for layer in it.manifest.get("layers") or ()]
    archives = [kind for kind in types if kind.endswith(("tar", "tar+gzip"))]
    if not types or len(archives) > 1:
        yield "manifest", f"has {len(archives)} layers with content, and must have one"


def semver_tag(it: Delivered) -> Iterator[Finding]:
    if not _SEMVER.fullmatch(it.target.tag):
        yield f"{it.target.repository}:{it.target.tag}", "has a tag that is no SemVer, which Helm does not see"


def chart_version(it: Delivered) -> Iterator[Finding]:
    """The version as published: whoever packs the chart may set another one than Chart.yaml has, and annotates it."""
    annotated = (it.manifest.get("annotations") or {}).get("org.opencontainers.image.version")
    version = annotated or Document.read(it.directory / "Chart.yaml").root().text("version")
    if not _SEMVER.fullmatch(version):
        yield "Chart.yaml", f"has version {version!r}, which is no SemVer: Helm refuses the chart"


def chart_name(it: Delivered) -> Iterator[Finding]:
    name = Document.read(it.directory / "Chart.yaml").root().text("name")
    if name != it.target.name:
        yield "Chart.yaml", f"names the chart {name!r}, and it is published as {it.target.name!r}"


def empty(it: Delivered) -> Iterator[Finding]:
    children = folders(it.directory) if it.shape == "argocd-helm" else it.of("Application", "HelmRelease")
    if len(children) == (it.shape == "argocd"):  # there the root is one of them
        yield str(it.directory), "delivers nothing"
