"""The directory of a run's evidence: where it lies, who may read it, what it is called."""

import json
import os
import re
import secrets
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from harness.errors import HarnessError
from harness.evidence.redaction import Redactor
from harness.replacing import DRAFT, replace

DEBUG, GREEN = "kwok-debug", "kwok-run"  # what directories begin with: evidence, and no more than a recording


def new_run_id() -> str:
    """The time (UTC) and four random digits: sorts by time, and two runs in one second differ."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


class EvidenceDirectory:
    """`<prefix>-<recipe>-<deployer>-<run_id>` below `artifacts`: new, and for its owner's eyes only.

    The name is known to everybody and the parent may be a shared directory, so nothing that is there already is ever
    used. Raises HarnessError where no such directory can be made; after that nothing here raises.
    """

    def __init__(self, artifacts: Path, recipe: str, deployer: str, run_id: str, *, prefix: str = DEBUG) -> None:
        self.redactor = Redactor()
        name = re.sub(r"[^A-Za-z0-9._-]", "_", f"{prefix}-{recipe}-{deployer}-{run_id}")
        try:
            artifacts.mkdir(mode=0o700, parents=True, exist_ok=True)
            _trusted(artifacts)
            self.path = _new_directory(artifacts, name)
        except OSError as error:
            raise HarnessError(
                f"no evidence can be written: {error.strerror}", where=str(artifacts), do="set KWOK_DEBUG_ARTIFACTS_DIR"
            ) from error

    def write(self, file: str, text: str) -> str:
        """Write one redacted file as a whole or not at all. Returns why it could not be done, or an empty text."""
        return self._write(file, self.redactor.text(text))

    def write_json(self, file: str, document: Mapping[str, Any]) -> str:
        clean = self.redactor.document(json.loads(json.dumps(document, default=str)))
        return self._write(file, json.dumps(clean, indent=2, ensure_ascii=False) + "\n")

    def files(self) -> list[str]:
        """What is in it by now, as paths below it."""
        return sorted(
            path.relative_to(self.path).as_posix()
            for path in self.path.rglob("*")
            if path.is_file() and not path.name.startswith(DRAFT)
        )

    def _write(self, file: str, text: str) -> str:
        parts = PurePosixPath(file).parts
        if not parts or PurePosixPath(file).is_absolute() or ".." in parts:
            return f"{file!r} is no path below the evidence directory"
        target = self.path.joinpath(*parts)
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace(target, text)
        except OSError as error:
            return f"cannot be written: {error.strerror}"
        return ""


def _trusted(artifacts: Path) -> None:
    """Refuse a parent in which somebody else could put their own directory in the place of ours."""
    status = artifacts.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise HarnessError(
            "is a symbolic link or no directory", where=str(artifacts), do="set KWOK_DEBUG_ARTIFACTS_DIR"
        )
    sticky = status.st_uid == 0 and status.st_mode & stat.S_ISVTX  # such as /tmp: what is ours there stays ours
    if status.st_uid != os.geteuid() and not sticky:
        raise HarnessError("belongs to another user", where=str(artifacts), do="set KWOK_DEBUG_ARTIFACTS_DIR")


def _new_directory(parent: Path, name: str) -> Path:
    for number in range(1, 1000):
        path = parent / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return path
    raise HarnessError("a thousand directories of that name are there already", where=str(parent / name))
