"""Where tools are kept between runs, so that many runs at once, killed ones among them, leave whole tools or none.

    <cache>/tools/<name>-<version>-<12 hex of what it was made from>/   the program, and tool.json about it
    <cache>/tools/<name>.tmp/                                           being made; belongs to the holder of the lock
    <cache>/tools/<name>.lock

A tool is made in the .tmp directory and moved into place by one rename. A .tmp directory that the holder of the lock
finds is a dead run's, since only the holder makes one.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness.deadline import Deadline
from harness.errors import ToolError

RECORD = "tool.json"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM}
_ELSEWHERE = "set XDG_CACHE_HOME to a directory"


@dataclass(frozen=True)
class Record:
    """What tool.json says: the program's sha256, where it came from, the seconds that took, the Go that built it.

    `vouched` is the checksum that vouched for what was downloaded; empty for a build.
    """

    sha256: str
    origin: str
    seconds: float
    go: str = ""
    vouched: str = ""


@dataclass(frozen=True)
class Stage:
    """`install` becomes the finished directory; `work` is for what is thrown away (downloads, Go's own temporaries)."""

    install: Path
    work: Path


def slot(root: Path, name: str, version: str, ingredients: Mapping[str, Any]) -> Path:
    """The directory of a tool made from these ingredients: anything that could change the program is among them."""
    digest = hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()
    return root / f"{name}-{version}-{digest[:12]}"


def installed(directory: Path, name: str) -> Record | None:
    """The record of the tool in `directory`; None where there is no whole, executable tool with a readable record."""
    if not os.access(directory / name, os.X_OK):
        return None
    try:
        return Record(**json.loads((directory / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_record(directory: Path, record: Record) -> None:
    (directory / RECORD).write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")


def sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def exclusive(lock: Path, seconds: float, cancelled: threading.Event, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the file lock for the block; `waiting` is called once when another run or thread holds it.

    Raises ToolError when it is not free within `seconds`, or when `cancelled` is set.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock)
    deadline = Deadline.after(seconds)
    told = False
    while True:
        if cancelled.is_set():
            raise ToolError("the preparation was stopped")
        try:
            held.acquire(timeout=0.2 if told else 0, poll_interval=0.05)
            break
        except Timeout:
            if deadline.expired:
                raise ToolError(f"another run has held {lock} for {seconds:g} s", do="see what that run does") from None
            if not told:
                waiting()
            told = True
    try:
        yield
    finally:
        held.release()


@contextmanager
def staged(temporary: Path, target: Path) -> Iterator[Stage]:
    """Make `target` in `temporary` beside it and move it into place at the end; a block that raises leaves neither.

    The caller holds the lock that owns `temporary`: what is found there is a dead run's and goes, as does a `target`
    that is not whole.
    """
    shutil.rmtree(temporary, ignore_errors=True)
    stage = Stage(temporary / "install", temporary / "work")
    stage.install.mkdir(parents=True)
    stage.work.mkdir()
    try:
        yield stage
        for file in filter(Path.is_file, stage.install.iterdir()):
            with file.open("rb") as stream:
                os.fsync(stream.fileno())  # else a power cut may leave the new name with an empty file
        shutil.rmtree(target, ignore_errors=True)
        stage.install.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def storage_trouble(error: OSError, cache: Path) -> ToolError:
    """What an operating system error while writing to the cache means, and what to do about it."""
    place = error.filename or cache
    if error.errno in _FULL:
        return disk_full(Path(str(place)))
    if error.errno in _REFUSED:
        return ToolError(f"{place}: cannot be written ({error.strerror})", do=f"{_ELSEWHERE} that can be written")
    return ToolError(f"{place}: {error.strerror or error}", do=f"{_ELSEWHERE} that is usable")


def disk_full(place: Path) -> ToolError:
    """The disk that holds `place` is full."""
    there = next(parent for parent in (place, *place.parents) if parent.exists())
    free = shutil.disk_usage(there).free / 2**20
    return ToolError(
        f"not enough space on the disk: {free:,.0f} MiB free at {there}",
        do=f"free some space there, or {_ELSEWHERE} on a larger disk",
    )


def full_disk_in(output: str, cache: Path) -> ToolError | None:
    """The same, where a command says so: the place that it names, else the cache."""
    if "no space left on device" not in output.lower():
        return None
    named = re.search(r"(?<![^\s'\"])(/[^\s:'\"]+)['\"]?: no space left", output, re.IGNORECASE)
    return disk_full(Path(named[1]) if named else cache)
