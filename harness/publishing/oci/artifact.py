"""Packs directories as OCI artifacts whose bytes depend on nothing but names and content.

Time, owner, umask, the order in which a disk lists its files and the place where the directory lies are no part of an
artifact: the same input gives the same digest, and the digest is what everything downstream refers to.

Media types are what the consumers look for. Argo CD wants one content layer, and its files at the root of the tar;
Flux selects the layer by type; Helm finds a chart by its config, under a tag that is its version, in one directory.
"""

import gzip
import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from harness.errors import DataError
from harness.formats import go_yaml
from harness.formats.media_types import BUNDLE, EMPTY_CONFIG, HELM_CONFIG, HELM_LAYER, LAYER, MANIFEST
from harness.publishing.oci import helmignore

_ANNOTATION = "org.opencontainers.image."
VERSION = f"{_ANNOTATION}version"
_CREATED = {f"{_ANNOTATION}created": "1970-01-01T00:00:00Z"}  # OCI tools show a date; this one never changes
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # Helm takes it off every file

# SemVer as Helm reads it: with a v in front or parts left out it is still a version, and asked for by its exact tag.
# Anything else is a range to Helm, to be looked for among the tags that are strict SemVer.
_NUMBER = r"(?:0|[1-9]\d*)"
_IDENTIFIER = rf"(?:{_NUMBER}|\d*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"v?{_NUMBER}(?:\.{_NUMBER}){{0,2}}(?:-{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True)
class Artifact:
    """One layer and its config. `manifest` is the document that names both, `digest` the identity of it all."""

    config_media_type: str
    config: bytes = field(repr=False)
    layer_media_type: str
    layer: bytes = field(repr=False)
    annotations: Mapping[str, str]
    artifact_type: str = ""

    @property
    def manifest(self) -> bytes:
        """The OCI image manifest, byte for byte as it is pushed."""
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            **({"artifactType": self.artifact_type} if self.artifact_type else {}),
            "config": _descriptor(self.config_media_type, self.config),
            "layers": [_descriptor(self.layer_media_type, self.layer)],
            "annotations": dict(sorted(self.annotations.items())),
        }
        return _json(document)

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def pack_directory(directory: Path) -> Artifact:
    """The files of `directory` at the root of one layer, for Argo CD and Flux.

    Raises DataError for symbolic links, for what is no file, and where there are no files.
    """
    files = dict(_files(directory))
    if not files:
        raise DataError("contains no files", where=str(directory))
    return Artifact(EMPTY_CONFIG, b"{}", LAYER, _gzip(_tar(files)), _CREATED, artifact_type=BUNDLE)


def pack_chart(directory: Path, *, version: str = "") -> Artifact:
    """The Helm chart in `directory` as `helm package` packs it; `version` takes the place of that in Chart.yaml.

    Helm finds the artifact only under a repository that ends in the chart's name, with `chart_tag` of its version.
    Raises DataError for what Helm would refuse: no name, no version, symbolic links.
    """
    ignored = directory / helmignore.FILE
    rules = helmignore.HelmIgnore(_text(ignored) if ignored.is_file() else "", where=str(ignored))
    files = {name: data.removeprefix(_BYTE_ORDER_MARK) for name, data in _files(directory, rules)}
    where = str(directory / "Chart.yaml")
    chart = _chart(files.get("Chart.yaml"), where)
    if version and version != chart.get("version"):
        chart = chart | {"version": version}
        files["Chart.yaml"] = go_yaml.dump(chart)
    metadata = _metadata(chart, where)
    layer = _gzip(_tar({f"{metadata['name']}/{name}": data for name, data in files.items()}))
    annotations = {f"{_ANNOTATION}title": metadata["name"], VERSION: metadata["version"]} | _CREATED
    return Artifact(HELM_CONFIG, _json(metadata), HELM_LAYER, layer, annotations)


def unpack(layer: bytes, directory: Path) -> None:
    """Write the files of a layer below `directory`. Raises DataError for what is no archive, or has more than files."""
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            for entry in archive:
                if entry.isdir():
                    continue
                content, name = archive.extractfile(entry) if entry.isfile() else None, PurePosixPath(entry.name)
                if content is None or name.is_absolute() or ".." in name.parts:
                    raise DataError(f"has {entry.name}, which is not a file below its root", where="layer")
                file = directory / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content.read())
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot be unpacked: {error}", where="layer") from error


def chart_tag(version: str) -> str:
    """The tag under which Helm looks for a chart's version: a tag cannot have a plus sign."""
    return version.replace("+", "_")


def content_digest(files: Mapping[str, bytes]) -> str:
    """The digest of files by name before they are compressed: for a tag that the files themselves have to name.

    Such a bundle is made once with an empty tag, to get the digest, and once more with the tag that follows from it.
    """
    return digest_of(_tar(files))


def tag_for(lane: str, digest: str, *, chart: bool = False) -> str:
    """A tag that is never used for anything else, since it names its content: 3f2a90c1b7de-flux-oci.

    That of a `chart` is strict SemVer (0.0.0-3f2a90c1b7de-argocd-helm-oci): Helm's client drops any other tag.
    """
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise ValueError(f"{digest!r} is not a digest")
    tag = f"{digest.removeprefix('sha256:')[:12]}-{lane}"
    return f"0.0.0-{tag}" if chart else tag


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _files(
    directory: Path, rules: helmignore.HelmIgnore | None = None, prefix: str = ""
) -> Iterator[tuple[str, bytes]]:
    """(name relative to the top, content) of every file below `directory` that `rules` do not leave out."""
    try:
        for entry in directory.iterdir():
            name = prefix + entry.name
            if rules and rules.ignores(name, directory=entry.is_dir()):
                continue
            if entry.is_symlink():
                raise DataError(
                    "is a symbolic link, which an artifact cannot carry",
                    where=str(entry),
                    do="put a copy of the file in its place",
                )
            if entry.is_dir():
                yield from _files(entry, rules, f"{name}/")
            elif entry.is_file():
                yield name, entry.read_bytes()
            else:
                raise DataError("is neither a file nor a directory", where=str(entry))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(error.filename or directory)) from error


def _tar(files: Mapping[str, bytes]) -> bytes:
    """Files by name, and the directories that they need, in the order of their names."""
    directories = {str(parent) for name in files for parent in PurePosixPath(name).parents} - {"."}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(directories | files.keys()):
            entry = tarfile.TarInfo(name)  # owned by 0, changed at 0
            if name in directories:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            else:
                entry.size, entry.mode = len(files[name]), 0o644
                tar.addfile(entry, io.BytesIO(files[name]))
    return buffer.getvalue()


def _gzip(data: bytes) -> bytes:
    """gzip without a name and a time; GzipFile, because what gzip.compress writes as the system varies."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as file:
        file.write(data)
    return buffer.getvalue()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", where=str(file)) from error


def _chart(data: bytes | None, where: str) -> dict[str, Any]:
    if data is None:
        raise DataError("is missing: the directory is no chart", where=where)
    try:
        documents = go_yaml.load_all(data.decode())
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"is not valid YAML: {error}", where=where) from error
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise DataError("expected a mapping", where=where)
    return documents[0]


# The fields of Helm's chart.Metadata; anything else in a Chart.yaml is unknown to Helm.
_TEXTS = (
    *("apiVersion", "name", "version", "kubeVersion", "description", "type"),
    *("home", "icon", "condition", "tags", "appVersion"),
)
_OTHERS = ("sources", "keywords", "maintainers", "deprecated", "annotations", "dependencies")


def _metadata(chart: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What Helm reads out of a Chart.yaml, and pushes as the artifact's config."""
    metadata = {key: _as_text(chart[key]) for key in _TEXTS if chart.get(key) is not None}
    metadata |= {key: chart[key] for key in _OTHERS if chart.get(key)}
    metadata.setdefault("apiVersion", "v1")
    name, version = metadata.get("name", ""), metadata.get("version", "")
    if not re.fullmatch(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*", name):
        raise DataError(f"names its chart {name!r}, which cannot be part of a repository's path", where=where)
    if not _VERSION.fullmatch(version):
        raise DataError(
            f"has version {version!r}, by which Helm finds no chart in a registry",
            where=where,
            do="write three numbers, as in 1.2.0 or 0.0.0-dev",
        )
    return metadata


def _as_text(value: Any) -> str:
    """A scalar as Go reads it into a string field: `appVersion: 1.10` is 1.1, to Helm as well."""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
