"""Packages of Python as a layer: by their sha256, whole or not there, and the same bytes on every machine."""

import re
import sys
import tarfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hack.kind_images import python_packages
from hack.kind_images.python_packages import CHECKS, PLACE, SUITE, PythonPackages
from harness.errors import ToolError
from harness.processes import commands
from harness.processes.commands import CommandFailed, Completed
from harness.settings import ROOT


class Pip:
    """Stands in for pip: installs two packages, with what it notes about the machine."""

    def __init__(self, machine: str) -> None:
        self.machine = machine
        self.calls: list[list[str]] = []
        self.fails = False

    def run(self, argv: Sequence[Any], **_: Any) -> Completed:
        words = [str(each) for each in argv]
        self.calls.append(words)
        there = Path(words[words.index("--target") + 1])
        files = {
            "kopf/__init__.py": "one",
            "yarl/_quoting.so": "two",
            "kopf-1.dist-info/METADATA": "Name: kopf",
            "kopf-1.dist-info/RECORD": self.machine,
            "bin/kopf": f"#!{self.machine}",
        }
        for name, text in files.items():
            (there / name).parent.mkdir(parents=True, exist_ok=True)
            (there / name).write_text(text)
        done = Completed(tuple(words), 1 if self.fails else 0, "", "hashes are required", 0.1)
        if self.fails:
            raise CommandFailed(done)
        return done


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Pip:
    found = Pip("/one/python")
    monkeypatch.setattr(commands, "run", found.run)
    return found


def packages(directory: Path) -> PythonPackages:
    directory.mkdir(exist_ok=True)
    return PythonPackages(SUITE, directory, timeout=20, did=lambda *_: None)


def test_the_layer_is_made_once_and_is_the_same_everywhere(tmp_path: Path, pip: Pip) -> None:
    """Neither scripts, which name the Python of this machine, nor pip's own notes are in it."""
    first = packages(tmp_path / "a").file()
    assert packages(tmp_path / "a").file() == first
    assert len(pip.calls) == 1
    pip.machine = "/other/python"
    assert packages(tmp_path / "b").file().read_bytes() == first.read_bytes()
    with tarfile.open(first) as tar:
        assert set(tar.getnames()) == {
            f"{PLACE}/kopf/__init__.py",
            f"{PLACE}/kopf-1.dist-info/METADATA",
            f"{PLACE}/yarl/_quoting.so",
        }


def test_only_wheels_with_a_known_checksum_are_taken(tmp_path: Path, pip: Pip) -> None:
    """For Debian's Python, whatever runs here; by the pip of this environment, and no index is named."""
    packages(tmp_path).file()
    [words] = pip.calls
    assert words[:4] == [sys.executable, "-m", "pip", "install"]
    assert {"--require-hashes", "--no-deps", "--only-binary=:all:", "--python-version=3.11"} <= set(words)
    assert "://" not in " ".join(words)


def test_packages_that_cannot_be_had_leave_nothing(tmp_path: Path, pip: Pip) -> None:
    """And say what to do."""
    pip.fails = True
    with pytest.raises(ToolError) as told:
        packages(tmp_path).file()
    assert "Python package index" in str(told.value.do)
    assert list(tmp_path.iterdir()) == []


def test_another_list_is_another_layer(tmp_path: Path) -> None:
    """Known before anything is made."""
    made = PythonPackages(CHECKS, tmp_path, timeout=1, did=lambda *_: None)
    assert made.key != packages(tmp_path).key


@pytest.mark.parametrize("file", [CHECKS, SUITE], ids=lambda file: file.stem)
def test_the_versions_are_those_of_the_environment(file: Path) -> None:
    """A program runs on the same packages in a pod as it does beside a cluster; each has a checksum."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    named = {line.split()[0].lower().replace("_", "-") for line in lines}
    constraints = {each.lower().replace("_", "-") for each in (ROOT / "constraints.txt").read_text().split()}
    assert named <= constraints
    assert all(re.fullmatch(r"\S+==\S+( --hash=sha256:[0-9a-f]{64})+", line) for line in lines)
    assert python_packages.VERSION in PLACE


def test_the_checks_have_all_that_the_harness_needs() -> None:
    """Each dependency of the project is in the list."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = {line.split("==")[0].lower() for line in CHECKS.read_text().splitlines()}
    assert {re.split(r"[<>=]", each)[0] for each in project["dependencies"]} <= listed
