"""An image, and the archive in which an engine takes one: the same layers and words give the same bytes."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hack.kind_images.layers import Layer, digest
from harness.settings import Settings
from harness.tools.cache import sha256
from harness.tools.toolchain import GOARCH
from kwok.engine.images import STANDS_FOR

MADE_FROM = "kwok-harness.made-from"  # the key of everything it was made from
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """`reference` is its name and tag, `stands_for` the one in the settings; layers are the lowest first.

    `runs` are words of the OCI configuration (Entrypoint, Cmd, User, ...), to which PATH and the labels are added;
    `also` are keys of what else is in it.
    """

    reference: str
    layers: Sequence[Layer]
    runs: Mapping[str, Any] = field(default_factory=dict)
    stands_for: str = ""
    also: Sequence[str] = ()

    @cached_property
    def key(self) -> str:
        layers = [layer.key for layer in self.layers]
        return digest([self.reference, self.stands_for, layers, dict(self.runs), list(self.also)])

    @property
    def labels(self) -> dict[str, str]:
        return {STANDS_FOR: self.stands_for or self.reference, MADE_FROM: self.key}

    def write(self, archive: Path, work: Path) -> None:
        """Make the layers in `work` and the archive, which both `docker load` and `ctr images import` take."""
        files = []
        for number, layer in enumerate(self.layers):
            files.append(work / f"{number}.tar")
            layer.write(files[-1])
        ids = [sha256(file) for file in files]
        configuration = json.dumps(
            {
                "architecture": GOARCH,
                "os": "linux",
                "created": "1970-01-01T00:00:00Z",
                "config": {**self.runs, "Env": [PATH, *self.runs.get("Env", ())], "Labels": self.labels},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{each}" for each in ids]},
                "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "kwok-harness"} for _ in ids],
            },
            sort_keys=True,
        ).encode()
        name = f"{hashlib.sha256(configuration).hexdigest()}.json"
        manifest = [{"Config": name, "RepoTags": [self.reference], "Layers": [f"{each}/layer.tar" for each in ids]}]
        with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
            for each, file in zip(ids, files, strict=True):
                with file.open("rb") as stream:
                    _add(tar, f"{each}/layer.tar", stream, file.stat().st_size)
                file.unlink()
            for path, content in ((name, configuration), ("manifest.json", json.dumps(manifest).encode())):
                _add(tar, path, io.BytesIO(content), len(content))


def tag(settings: Settings, name: str) -> str:
    """The reference in the settings without its digest: what an image that is made here can be called."""
    return settings.images[name].partition("@")[0]


def _add(tar: tarfile.TarFile, path: str, stream: Any, size: int) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mode = size, 0o644
    tar.addfile(member, stream)
