"""Layers of an image: tar files whose bytes depend on nothing but what is in them, each with a key of its inputs.

The key is known before the layer is made, so that an image that is there already costs no layer.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from harness.tools.cache import sha256


class Layer(Protocol):
    @property
    def key(self) -> str:
        """Hex digits that change with whatever could change the layer."""
        ...

    def write(self, target: Path) -> None: ...


@dataclass(frozen=True)
class File:
    """A regular file: its bytes, or the file on this machine that has them."""

    path: str
    content: bytes | Path
    mode: int = 0o644

    def inputs(self) -> list[Any]:
        digest = hashlib.sha256(self.content).hexdigest() if isinstance(self.content, bytes) else sha256(self.content)
        return ["file", self.path, self.mode, digest]

    def add(self, tar: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(self.path)
        member.mode = self.mode
        if isinstance(self.content, bytes):
            member.size = len(self.content)
            tar.addfile(member, io.BytesIO(self.content))
            return
        member.size = self.content.stat().st_size
        with self.content.open("rb") as stream:
            tar.addfile(member, stream)


@dataclass(frozen=True)
class Directory:
    path: str
    mode: int = 0o755
    owner: int = 0

    def inputs(self) -> list[Any]:
        return ["directory", self.path, self.mode, self.owner]

    def add(self, tar: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(self.path)
        member.type, member.mode, member.uid = tarfile.DIRTYPE, self.mode, self.owner
        tar.addfile(member)


@dataclass(frozen=True)
class Link:
    path: str
    target: str

    def inputs(self) -> list[Any]:
        return ["link", self.path, self.target]

    def add(self, tar: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(self.path)
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, self.target, 0o777
        tar.addfile(member)


Entry = File | Directory | Link


class Files:
    """A layer of these entries, in this order; everything belongs to root but a directory that says otherwise."""

    def __init__(self, *entries: Entry) -> None:
        self.entries = entries

    @cached_property
    def key(self) -> str:
        return digest([entry.inputs() for entry in self.entries])

    def write(self, target: Path) -> None:
        with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
            for entry in self.entries:
                entry.add(tar)


class Selection:
    """What of another layer matches one of the patterns, which are pathlib's and begin at the root."""

    def __init__(self, source: "TarLayer", patterns: Sequence[str]) -> None:
        self._source = source
        self._patterns = tuple(patterns)

    @property
    def key(self) -> str:
        return digest([self._source.key, self._patterns])

    def write(self, target: Path) -> None:
        with tarfile.open(self._source.file()) as source, tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
            for member in self._chosen(source):
                tar.addfile(member, source.extractfile(member) if member.isreg() else None)

    def _chosen(self, source: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        for member in source:
            path = PurePosixPath("/", member.name)
            if not member.isdir() and any(path.match(pattern) for pattern in self._patterns):
                yield member


class TarLayer(Protocol):
    """A layer that is kept as a tar file."""

    @property
    def key(self) -> str: ...

    def file(self) -> Path: ...


def digest(inputs: Any) -> str:
    """Of anything that JSON can say."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
