"""Where recordings lie: each cell leaves one below the artifacts directory, in a directory with its run id.

Those of failed cells are evidence and stay until somebody removes them. Those of green cells are many and rarely read:
the newest are kept.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.evidence.directory import GREEN
from harness.evidence.recorder import FILE

KEPT = 50  # recordings of green cells; one of 13 charts and 54 pods has 1.4 MB

_NAME = re.compile(r"(kwok-[a-z]+)-.+-(\d{8}-\d{6}-[0-9a-f]{4})(?:-\d+)?")


@dataclass(frozen=True)
class Kept:
    """A recording's directory."""

    path: Path
    prefix: str
    run_id: str
    written: float  # seconds of the epoch: run ids count seconds only


def kept(artifacts: Path) -> list[Kept]:
    """All of them that belong to this user, the newest last."""
    return sorted(_all(artifacts), key=lambda each: (each.run_id.rpartition("-")[0], each.written))


def find(artifacts: Path, run: str) -> Path:
    """The recording of a run id, or of its last digits, which the cluster's name ends with; the newest for "".

    UsageError where there is none, or more than one.
    """
    found = [each for each in kept(artifacts) if each.run_id.endswith(run)]
    if not found or (run and len({each.run_id for each in found}) > 1):
        what = "several recordings are called" if found else "there is no recording"
        raise UsageError(
            f"{what} {run}".strip(),
            where=str(artifacts),
            do=f"Name a run id, a {FILE}, or a directory that holds one"
            + (f": {', '.join(each.run_id for each in found)}" if found else "."),
        )
    return found[-1].path


def prune(artifacts: Path, keep: int = KEPT) -> None:
    """Remove the older recordings of green cells, but nothing that somebody has put beside them."""
    green = [each for each in kept(artifacts) if each.prefix == GREEN]
    for old in green[: max(0, len(green) - keep)]:
        with suppress(OSError):  # somebody else's, just gone, or with more in it: it stays
            for file in (old.path / FILE, old.path / "run.json"):
                file.unlink(missing_ok=True)
            old.path.rmdir()


def _all(artifacts: Path) -> Iterator[Kept]:
    with suppress(OSError):
        for path in artifacts.iterdir():
            name = _NAME.fullmatch(path.name)
            with suppress(OSError):
                if name and not path.is_symlink() and path.stat().st_uid == os.geteuid():
                    yield Kept(path, name[1], name[2], (path / FILE).stat().st_mtime)
