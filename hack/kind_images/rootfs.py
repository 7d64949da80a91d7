"""Debian systems by debootstrap, each kept as one tar file: a layer.

<directory>/<name>-<12 hex of its key>.tar    whole: it came into place by one rename
<directory>/<name>.<pid>.tmp/                 being made; another run's goes, and does not share the name: what a run
                                              that was killed had begun may still write there
<directory>/packages/                         .deb files, so that an interrupted run need not fetch them again
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from hack.kind_images.layers import digest
from hack.kind_images.pins import System
from harness.errors import ToolError
from harness.processes import commands
from harness.tools.toolchain import GOARCH

_UNUSED = (
    "var/cache/apt/archives/*.deb", "var/lib/apt/lists/*", "usr/share/doc/*", "usr/share/man/*", "usr/share/locale/*",
    "var/log/*.log", "var/log/apt/*", "var/cache/debconf/*",
)  # fmt: skip


class Rootfs:
    """One system; `did` is told what each step took, in seconds."""

    def __init__(
        self, name: str, system: System, directory: Path, *, timeout: float, did: Callable[[str, float], None]
    ) -> None:
        self._name = name
        self._system = system
        self._directory = directory
        self._timeout = timeout
        self._did = did

    @property
    def key(self) -> str:
        return digest([self._system.model_dump(), _UNUSED, GOARCH])

    def write(self, target: Path) -> None:
        os.link(self.file(), target)

    def file(self) -> Path:
        """The tar file; made first where it is not there. ToolError where it cannot be."""
        target = self._directory / f"{self._name}-{self.key[:12]}.tar"
        if not target.exists():
            self._make(target)
        return target

    def _make(self, target: Path) -> None:
        for left in self._directory.glob(f"{self._name}.*tmp"):
            shutil.rmtree(left, ignore_errors=True)
        temporary = self._directory / f"{self._name}.{os.getpid()}.tmp"
        packages = self._directory / "packages"
        system = temporary / "system"
        system.mkdir(parents=True)
        packages.mkdir(exist_ok=True)
        try:
            self._did(f"debootstrap {self._name}", self._bootstrap(system, packages))
            for pattern in (*_UNUSED, *self._system.drop):
                for found in system.glob(pattern):
                    shutil.rmtree(found) if found.is_dir() and not found.is_symlink() else found.unlink()
            for user, number in self._system.users.items():
                _append(system / "etc" / "passwd", f"{user}:x:{number}:{number}::/home/{user}:/bin/sh\n")
                _append(system / "etc" / "group", f"{user}:x:{number}:\n")
            part = temporary / "layer.tar"
            words = ("tar", "--create", "--sort=name", "--numeric-owner", "--hard-dereference")
            done = commands.run([*words, "--directory", system, "--file", part, "."], timeout=self._timeout)
            part.rename(target)
            self._did(f"layer of {self._name}", done.seconds)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _bootstrap(self, system: Path, packages: Path) -> float:
        """In a mount namespace of its own: what it mounts in there is gone with it, however it ends."""
        include = ",".join(self._system.packages)
        words = ["--variant=minbase", "--force-check-gpg", f"--cache-dir={packages}", f"--include={include}"]
        argv = ["unshare", "--mount", "--propagation", "private", "--", "debootstrap", *words]
        try:
            return commands.run([*argv, self._system.suite, system], timeout=self._timeout).seconds
        except commands.CommandFailed as error:
            log = system / "debootstrap" / "debootstrap.log"
            said = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
            raise ToolError(
                "\n  ".join([error.what, *said]),
                where=f"system {self._name}",
                do="connect this machine to the mirror that debootstrap uses, and run this again",
            ) from error


def _append(file: Path, line: str) -> None:
    with file.open("a", encoding="utf-8") as stream:
        stream.write(line)
