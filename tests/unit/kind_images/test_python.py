"""Python in images: packages of the project's own versions, made once, and the image of the checks."""

import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.kind_images import pins, python
from hack.kind_images.layers import File, Files
from hack.kind_images.python import Packages, requirements, validators
from harness.errors import ToolError
from harness.settings import ROOT, load

# Stands in for the interpreter that runs pip: it notes its words and puts a package where --target says.
PIP = """#!/bin/sh
echo "$@" >> {log}
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/requests" "$2/bin" && echo x > "$2/requests/__init__.py" && echo '#!/other/python' > "$2/bin/tool"
{ending}
"""


class Pip:
    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.cache, self.log, self._program = directory / "cache", directory / "log", directory / "python"
        self.cache.mkdir()
        self.ends("true")
        patch.setattr("hack.kind_images.python.sys.executable", str(self._program))

    def ends(self, command: str) -> None:
        self._program.write_text(PIP.format(log=self.log, ending=command))
        self._program.chmod(0o755)

    def packages(self, *names: str) -> Packages:
        return Packages(names, self.cache, timeout=20, did=lambda what, seconds: None)

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pip:
    return Pip(tmp_path, monkeypatch)


def test_packages_are_installed_once_in_the_versions_of_the_project(pip: Pip) -> None:
    """As wheels for the image's interpreter; their commands, which name this machine's, are left out."""
    file = pip.packages("requests").file()
    assert pip.packages("requests").file() == file
    [words] = pip.calls()
    assert f"--constraint {ROOT / 'constraints.txt'}" in words
    assert "--only-binary=:all:" in words
    assert "--python-version 3.11" in words
    with tarfile.open(file) as tar:
        names = {member.name for member in tar if member.isreg()}
    assert names == {"./usr/local/lib/python3.11/dist-packages/requests/__init__.py"}


def test_other_packages_are_another_layer(pip: Pip) -> None:
    """Their order is none."""
    assert pip.packages("a", "b").key == pip.packages("b", "a").key != pip.packages("a").key


def test_packages_that_cannot_be_had_leave_nothing(pip: Pip) -> None:
    """And the message says what to do."""
    pip.ends("echo no such package >&2; exit 1")
    with pytest.raises(ToolError, match="no such package") as error:
        pip.packages("a").file()
    assert "connect this machine to the package index" in error.value.do
    assert list(pip.cache.iterdir()) == []


def test_the_suite_has_the_interpreter_that_packages_are_for() -> None:
    """Debian 12 has Python 3.11."""
    system = pins.load(load(environment={}).tools).rootfs[python.SYSTEM]
    assert (system.suite, python.VERSION) == ("bookworm", "3.11")
    assert "python3" in system.packages


def test_the_image_of_the_checks_is_the_one_that_the_catalog_names() -> None:
    """With the harness and what it needs; it runs without rights, and compiled files do not count."""
    layer: Any = Files()
    image = validators(layer, layer)
    catalog = yaml.safe_load((ROOT / "kwok/validators/catalog.yaml").read_text())
    assert {entry["image"] for entry in catalog["validators"]} == {image.reference}
    assert image.runs["Entrypoint"] == ["python3", "-m", "harness.validators"]
    assert image.runs["User"] == "65534:65534"
    sources = image.layers[-1]
    assert isinstance(sources, Files)
    paths = {entry.path for entry in sources.entries if isinstance(entry, File)}
    assert "opt/kwok-harness/harness/validators/__main__.py" in paths
    assert not [path for path in paths if "__pycache__" in path]


def test_the_harness_needs_what_its_project_says() -> None:
    """The Containerfile installs the project, the factory what it needs."""
    assert any(each.startswith("kubernetes") for each in requirements())
    text = (ROOT / "Containerfile").read_text()
    assert 'ENTRYPOINT ["python3", "-m", "harness.validators"]' in text
    assert "USER 65534:65534" in text
