"""The built-in bundler: recipe data in, a bundle out, with no tool and no network.

Written to a directory beside the wanted one and renamed, so that there is a whole bundle or none.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.bundles.delivery import Target
from harness.bundles.model import Bundle
from harness.bundles.read import read
from harness.bundles.shape import PulledShape
from harness.bundles.shapes import find
from harness.errors import DataError, HarnessError, UsageError
from harness.recipes.model import Recipe
from harness.recipes.overrides import packaged
from harness.recipes.values import KWOK_PLACEMENT, NodePlacement, Selection, SetOverride, select


class BuiltinBundler:
    """A Bundler. `sets` come after `overrides` (those of the package by default) and win over them; `placement` says
    where pods go.
    """

    def __init__(
        self,
        sets: Sequence[SetOverride] = (),
        placement: NodePlacement = KWOK_PLACEMENT,
        *,
        overrides: Sequence[SetOverride] | None = None,
    ) -> None:
        self.sets: Sequence[SetOverride] = (*(packaged() if overrides is None else overrides), *sets)
        self._placement = placement

    def make(self, recipe: Recipe, shape: str, directory: Path, target: Target | None = None) -> Bundle:
        find(shape)
        try:
            files = self._files(select(recipe, self.sets), shape, target)
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", where=str(error.filename)) from error
        with replacing(directory) as fresh:
            _write(fresh, {**files, "checksums.txt": _checksums(files)})
            read(fresh, shape)
        return read(directory, shape)

    def notes(self, recipe: Recipe) -> tuple[str, ...]:
        return select(recipe, self.sets).notes

    def _files(self, selection: Selection, shape: str, target: Target | None) -> dict[str, bytes]:
        written = find(shape)
        if not isinstance(written, PulledShape):
            return written.write(selection.recipe, selection.sets, self._placement)
        if target is None:
            raise UsageError(f"a bundle of shape {shape} has to know where it will be published")
        return written.write(selection.recipe, selection.sets, self._placement, target)


@contextmanager
def replacing(directory: Path) -> Iterator[Path]:
    """A new directory that takes the place of `directory` (absent or empty) when the block ends without an error."""
    try:
        if directory.exists() and any(directory.iterdir()):
            raise DataError("is not empty", where=str(directory), do="name a new directory for the bundle")
        directory.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    except OSError as error:
        raise HarnessError(f"cannot be written: {error.strerror}", where=str(directory)) from error
    try:
        yield fresh
        fresh.chmod(0o755)
        fresh.rename(directory)
    except OSError as error:
        raise HarnessError(f"the bundle could not be written: {error.strerror}", where=str(directory)) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _write(directory: Path, files: Mapping[str, bytes]) -> None:
    """Modes are set, not inherited: the umask of whoever runs this is no part of a bundle."""
    for name, data in sorted(files.items()):
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        file.chmod(0o755 if name == "deploy.sh" else 0o644)
    for path in directory.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)


def _checksums(files: Mapping[str, bytes]) -> bytes:
    """What `sha256sum` prints for every file, by path."""
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in sorted(files.items())).encode()
