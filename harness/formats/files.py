"""Files of a user: regular, of a bounded size, below the directory where they belong."""

from pathlib import Path

from harness.errors import DataError
from harness.regular_files import require_regular

LARGEST = 5_000_000  # bytes of a file


def inside(directory: Path, relative: str, where: str) -> Path:
    """The existing `directory/relative`. Raises DataError if it leaves `directory`, by a symlink too."""
    path = directory / relative
    try:
        leaves = not path.resolve().is_relative_to(directory.resolve())
        missing = not path.exists()
    except (OSError, ValueError, RuntimeError) as error:  # a name too long, a NUL in it, symlinks in a circle
        raise DataError(f"{relative!r} is no path: {error}", where=where) from error
    if leaves:
        raise DataError(f"{relative} leaves {directory}", where=where, do="name a path below it")
    if missing:
        raise DataError(f"{relative} does not exist in {directory}", where=where)
    return path


def text_of_file(file: Path, *, most: int = LARGEST, do: str = "") -> str:
    """The text of a regular file of `most` bytes. Raises DataError, with the remedy `do` where it cannot be read."""
    try:
        require_regular(file)
        if file.stat().st_size > most:
            raise DataError(f"is larger than {most // 1_000_000} MB", where=str(file))
        raw = file.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(file), do=do) from error
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError("is not UTF-8", where=f"{file}:{line}", do="save it as UTF-8") from error
