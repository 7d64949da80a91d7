"""Python for images: Debian's interpreter, packages of the versions in constraints.txt, and the sources of the harness.

<directory>/packages-<12 hex of its key>.tar   a layer of packages: whole, it came into place by one rename
"""

import os
import shutil
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

from hack.kind_images.images import Image
from hack.kind_images.layers import File, Files, digest
from hack.kind_images.rootfs import Rootfs
from harness.errors import ToolError
from harness.processes import commands
from harness.settings import ROOT
from harness.tools.toolchain import GOARCH

VERSION = "3.11"  # of the interpreter of the suite that pins.yaml names
VALIDATORS = "kind.local/kwok-harness-validators:latest"  # as the catalog names it
SYSTEM = "python"  # the Debian system in pins.yaml
_PLACE = f"usr/local/lib/python{VERSION}/dist-packages"
_SOURCES = "opt/kwok-harness"
_MACHINE = {"amd64": "x86_64", "arm64": "aarch64"}[GOARCH]
_PLATFORMS = [f"{each}_{_MACHINE}" for each in ("manylinux2014", "manylinux_2_28", "manylinux_2_34")]  # glibc 2.36
_NOBODY = "65534:65534"


class Packages:
    """A layer of Python packages with what they need, by pip, each of the version in constraints.txt.

    `did` is told what each step took, in seconds.
    """

    def __init__(
        self, names: Sequence[str], directory: Path, *, timeout: float, did: Callable[[str, float], None]
    ) -> None:
        self._names = sorted(names)
        self._constraints = ROOT / "constraints.txt"
        self._directory = directory
        self._timeout = timeout
        self._did = did

    @property
    def key(self) -> str:
        return digest([self._names, self._constraints.read_text(encoding="utf-8"), VERSION, _PLATFORMS])

    def write(self, target: Path) -> None:
        os.link(self.file(), target)

    def file(self) -> Path:
        """The tar file; made first where it is not there. ToolError where pip cannot have a package."""
        target = self._directory / f"packages-{self.key[:12]}.tar"
        if not target.exists():
            self._make(target)
        return target

    def _make(self, target: Path) -> None:
        for left in self._directory.glob("packages-*.tmp"):
            shutil.rmtree(left, ignore_errors=True)
        temporary = self._directory / f"packages-{os.getpid()}.tmp"
        place = temporary / "layer" / _PLACE
        place.mkdir(parents=True)
        try:
            self._did("pip install of the packages", self._install(place))
            shutil.rmtree(place / "bin", ignore_errors=True)  # their commands, which name this machine's interpreter
            part = temporary / "layer.tar"
            words = ["tar", "--create", "--sort=name", "--numeric-owner", "--owner=0", "--group=0", "--mtime=@0"]
            commands.run([*words, "--directory", temporary / "layer", "--file", part, "."], timeout=self._timeout)
            part.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _install(self, place: Path) -> float:
        """For the image's interpreter, which is not the one that runs this: so wheels only."""
        words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--only-binary=:all:"]
        words += ["--implementation", "cp", "--python-version", VERSION]
        words += [word for platform in _PLATFORMS for word in ("--platform", platform)]
        words += ["--constraint", str(self._constraints), "--target", str(place), *self._names]
        try:
            return commands.run(words, timeout=self._timeout).seconds
        except commands.CommandFailed as error:
            do = "connect this machine to the package index that pip uses, and run this again"
            raise ToolError(error.what, where="packages for images", do=do) from error


def requirements() -> list[str]:
    """What the harness itself needs, by its pyproject.toml."""
    return list(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"])


def validators(system: Rootfs, packages: Packages) -> Image:
    """The image of the checks: `python3 -m harness.validators NAME`, as a user without rights. See Containerfile."""
    sources = [
        File(f"{_SOURCES}/{file.relative_to(ROOT).as_posix()}", file)
        for file in sorted((ROOT / "harness").rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    ]
    return Image(
        VALIDATORS,
        [system, packages, Files(*sources)],
        {
            "Env": [f"PYTHONPATH=/{_SOURCES}", "PYTHONUNBUFFERED=1"],
            "User": _NOBODY,
            "WorkingDir": "/",
            "Entrypoint": ["python3", "-m", "harness.validators"],
        },
    )
