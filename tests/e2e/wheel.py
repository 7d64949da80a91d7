"""The package as users get it: an sdist, the wheel that is built from it, and an environment with nothing else."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.settings import ROOT
from tests.fakes.github_jobs import machine_environment


@dataclass(frozen=True)
class Installed:
    """The built wheel, and the path of the command in an environment into which it was installed."""

    wheel: Path
    command: Path


def build(directory: Path) -> Path:
    """Build the sdist and, from it, the wheel into `directory`; the wheel's path."""
    _python(sys.executable, "build", "--outdir", directory, ROOT)
    [wheel] = directory.glob("*.whl")
    return wheel


def install(directory: Path) -> Installed:
    """Build, and install into a new environment below `directory`; done once, however many processes ask for it."""
    command = directory / "environment" / "bin" / "kwok-harness"
    if not command.exists():
        build(directory / "dist")
        _python(sys.executable, "venv", directory / "environment")
        [wheel] = (directory / "dist").glob("*.whl")
        quiet = ("--quiet", "--disable-pip-version-check", "--constraint", ROOT / "constraints.txt")
        _python(command.with_name("python"), "pip", "install", *quiet, wheel)
    [wheel] = (directory / "dist").glob("*.whl")
    return Installed(wheel, command)


def _python(python: str | Path, module: str, *words: str | Path) -> None:
    done = subprocess.run(
        [python, "-m", module, *words], capture_output=True, text=True, timeout=900, env=machine_environment()
    )
    assert done.returncode == 0, done.stdout + done.stderr
