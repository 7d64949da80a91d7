"""A bundle's directory as Git will hold it: every file by its path, its bytes as they are, and nothing of the disk.

Neither attributes nor ignored patterns nor line endings of whoever runs this have a say: blobs are made of the bytes.
"""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.errors import DataError

FILE, PROGRAM, LINK = "100644", "100755", "120000"


@dataclass(frozen=True)
class Entry:
    """One path of the tree; `link` is what a symbolic link leads to."""

    path: str
    mode: str
    link: str = ""


@dataclass(frozen=True)
class Tree:
    """A bundle ready to be committed, with the `message` of its commit.

    `digest` is the id of the commit that it becomes in an empty repository; `manifest` and `layer` are an artifact's.
    """

    directory: Path
    message: str
    digest: str = ""
    manifest: bytes = b"{}"
    layer: bytes | None = None

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """In order. Raises DataError for what cannot be in a repository, or would not be what it is here."""
        return tuple(sorted(_entries(self.directory, self.directory), key=lambda entry: entry.path))


def _entries(directory: Path, root: Path) -> Iterator[Entry]:
    for item in directory.iterdir():
        path = item.relative_to(root).as_posix()
        _check_name(item.name, path, root)
        if item.is_symlink():
            yield Entry(path, LINK, str(item.readlink()))
        elif item.is_dir():
            yield from _entries(item, root)
        elif item.is_file():
            yield Entry(path, PROGRAM if item.stat().st_mode & stat.S_IXUSR else FILE)
        else:
            raise DataError("is neither a file nor a directory", where=str(item))


def _check_name(name: str, path: str, root: Path) -> None:
    where = str(root / ascii(path).strip("'"))
    if name.lower() == ".git":
        raise DataError(
            "is a repository within the bundle", where=where, do="remove it: its files would not be committed"
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError("has a name that is not UTF-8", where=where, do="rename it") from None
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise DataError("has a control character in its name", where=where, do="rename it")
