"""A delivered bundle as the rules of the contract look at it: its files as objects, its manifest, its address.

Everything is read when a rule first asks for it, and a file that is missing is left out here: that is a rule's finding.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from harness.bundles.delivery import Target
from harness.bundles.shape import PulledShape
from harness.formats.documents import Block


@dataclass(frozen=True)
class Delivered:
    """What the rules look at. `layer` is the blob, where it is at hand; `applied` what the lane creates besides."""

    directory: Path
    shape: PulledShape
    manifest: Mapping[str, Any]
    target: Target
    layer: bytes | None = None
    applied: Sequence[Mapping[str, Any]] | None = None

    @cached_property
    def objects(self) -> tuple[Block, ...]:
        """The objects that the bundle holds as plain files: Applications, or what the kustomization lists."""
        return tuple(self.shape.objects(self.directory))

    @cached_property
    def templates(self) -> Mapping[Path, str]:
        """The templates of a wrapper chart, by file."""
        files = sorted(self.shape.templates(self.directory))
        return {file: file.read_text(encoding="utf-8", errors="replace") for file in files}

    def of(self, *kinds: str) -> list[Block]:
        return [item for item in self.objects if item.text("kind") in kinds]

    def no_chart(self, path: str) -> Iterator[str]:
        """Why there is no chart at a path of the bundle, if there is none."""
        if ".." in PurePosixPath(path).parts or PurePosixPath(path).is_absolute():
            yield f"{path} leaves the artifact"
        elif not (self.directory / path / "Chart.yaml").is_file():
            yield f"there is no chart at {path}"
