"""Rules about the artifact as such: its manifest, its tag, its layer, and whether there is anything in it."""

import io
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from harness.bundles.contract.delivered import Delivered
from harness.bundles.contract.rule import Finding, Rule
from harness.bundles.delivery import REMAKE
from harness.formats.documents import Document
from harness.formats.media_types import HELM_CONFIG

_NUMBER = r"(?:0|[1-9][0-9]*)"
_PART = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMVER = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PART}(?:\.{_PART})*)?")


def entry(it: Delivered) -> Iterator[Finding]:
    name = it.shape.entry
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
        yield "layer", f"is not a tar archive: {error}"
        return
    root = PurePosixPath(it.target.name if it.shape.is_chart else ".")
    if root / it.shape.entry not in names:
        yield "layer", f"has no {root / it.shape.entry}, but {', '.join(sorted(map(str, names))[:3]) or 'nothing'}"
    elif it.shape.is_chart and len(tops := {name.parts[0] for name in names if name.parts}) > 1:
        yield "layer", f"has more than the directory of the chart: {', '.join(sorted(tops))}"


def config_type(it: Delivered) -> Iterator[Finding]:
    found = (it.manifest.get("config") or {}).get("mediaType")
    if found != HELM_CONFIG:
        yield "manifest", f"has a config of type {found}, and Helm reads {HELM_CONFIG}"


def layer_type(it: Delivered) -> Iterator[Finding]:
    types = [layer.get("mediaType") for layer in it.manifest.get("layers") or ()]
    if types and it.shape.layer not in types:
        yield "manifest", f"has layers of type {', '.join(map(str, types))}, and {it.shape.layer} is read"


def single_layer(it: Delivered) -> Iterator[Finding]:
    """Layers that are no archive (signatures, provenance) are passed over by all three."""
    types = [str(layer.get("mediaType")) for layer in it.manifest.get("layers") or ()]
    archives = [kind for kind in types if kind.endswith(("tar", "tar+gzip"))]
    if not types or len(archives) > 1:
        yield "manifest", f"has {len(archives)} layers with content, and must have one"


def semver_tag(it: Delivered) -> Iterator[Finding]:
    if not _SEMVER.fullmatch(it.target.tag):
        yield f"{it.target.repository}:{it.target.tag}", "has a tag that is not SemVer, which Helm ignores"


def chart_version(it: Delivered) -> Iterator[Finding]:
    """The version as published: whoever packs the chart may set another one than Chart.yaml has, and annotates it."""
    annotated = (it.manifest.get("annotations") or {}).get("org.opencontainers.image.version")
    version = annotated or Document.read(it.directory / "Chart.yaml").root().text("version")
    if not _SEMVER.fullmatch(version):
        yield "Chart.yaml", f"has version {version!r}, which is not SemVer: Helm rejects the chart"


def chart_name(it: Delivered) -> Iterator[Finding]:
    name = Document.read(it.directory / "Chart.yaml").root().text("name")
    if name != it.target.name:
        yield "Chart.yaml", f"names the chart {name!r}, and it is published as {it.target.name!r}"


def empty(it: Delivered) -> Iterator[Finding]:
    if not it.shape.listed(it.directory):
        yield str(it.directory), "delivers nothing"


_PACK = "pack the bundle for its shape: `kwok-harness bundle --push` does"
_ROOT = "publish the content of the bundle's directory, not the directory"
_VERSION = "give the chart one version, such as 0.0.0-abc1234, and the tag after it"

ENTRY = Rule("files-at-root", entry, _ROOT)  # without its entry a bundle cannot be looked into, so it stands alone
LAYER_ROOT = Rule("files-at-root", layer_root, _ROOT)
CONFIG_TYPE = Rule("config-media-type", config_type, _PACK)
LAYER_TYPE = Rule("layer-media-type", layer_type, _PACK)
SINGLE_LAYER = Rule("single-layer", single_layer, _PACK)
SEMVER_TAG = Rule("semver-tag", semver_tag, _VERSION)
CHART_VERSION = Rule("chart-version", chart_version, _VERSION)
CHART_NAME = Rule("chart-name", chart_name, "make the bundle for the address under which it is published")
EMPTY = Rule("empty", empty, REMAKE)
