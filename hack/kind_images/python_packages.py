"""Packages of Python as a layer, from wheels by their sha256: a list in packages/ names each, with what it needs.

<directory>/python-packages-<12 hex of its key>.tar   whole: it came into place by one rename
"""

import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from hack.kind_images.layers import File, Files, digest
from harness.errors import ToolError
from harness.processes import commands
from harness.tools.cache import sha256
from harness.tools.toolchain import GOARCH

_LISTS = Path(__file__).with_name("packages")
CHECKS, SUITE = _LISTS / "checks.txt", _LISTS / "suite.txt"
VERSION = "3.11"  # of Debian 12's python3, which looks in PLACE
PLACE = f"usr/local/lib/python{VERSION}/dist-packages"
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux_2_5", "manylinux1")  # Debian 12 has 2.36
# What pip notes about this machine, and scripts, which begin with the path of the Python that pip runs on.
_LEFT_OUT = ("bin/*", "*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED")


class PythonPackages:
    """The layer; `did` is told how long pip took, in seconds."""

    def __init__(
        self, requirements: Path, directory: Path, *, timeout: float, did: Callable[[str, float], None]
    ) -> None:
        self._directory = directory
        self._requirements = requirements
        self._timeout = timeout
        self._did = did

    @cached_property
    def key(self) -> str:
        return digest([sha256(self._requirements), VERSION, PLACE, _LEFT_OUT, GOARCH])

    def write(self, target: Path) -> None:
        shutil.copyfile(self.file(), target)

    def file(self) -> Path:
        """The tar file; made first where it is not there. ToolError where a wheel cannot be had, or is another one."""
        target = self._directory / f"python-packages-{self.key[:12]}.tar"
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=self._directory, prefix="python-packages.") as temporary:
                part = self._make(Path(temporary))
                part.rename(target)
        return target

    def _make(self, temporary: Path) -> Path:
        there = temporary / "packages"
        platforms = [f"--platform={each}_{_MACHINES[GOARCH]}" for each in _PLATFORMS]
        words = ["install", "--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps", "--require-hashes"]
        wheels = ["--only-binary=:all:", f"--python-version={VERSION}", "--implementation=cp", *platforms]
        argv: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            *words,
            *wheels,
            "--target",
            there,
            "--requirement",
            self._requirements,
        ]
        try:
            done = commands.run(argv, timeout=self._timeout)
        except commands.CommandFailed as error:
            raise ToolError(
                error.what,
                where=str(self._requirements),
                do="connect this machine to a Python package index (pip's own configuration), and run this again",
            ) from error
        self._did("packages of Python", done.seconds)
        left_out = {path for pattern in _LEFT_OUT for path in there.glob(pattern)}
        files = [each for each in sorted(there.rglob("*")) if each.is_file() and each not in left_out]
        part = temporary / "layer.tar"
        Files(*(File(f"{PLACE}/{each.relative_to(there).as_posix()}", each) for each in files)).write(part)
        return part
