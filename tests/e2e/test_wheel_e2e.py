"""The wheel, as somebody uses it who has no checkout: its contents, and the verbs in a directory that is in no
repository.
"""

import email
import json
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from build.util import project_wheel_metadata

from harness.exits import Exit
from harness.settings import ROOT
from kwok.host.runtime import HostRuntime
from tests.e2e.wheel import Installed
from tests.fakes.github_jobs import machine_environment

pytestmark = pytest.mark.e2e

PACKAGES = ("harness", "kwok", "lanes")


class Outside:
    """A user in a directory of their own, which is in no repository, with the command of the wheel."""

    def __init__(self, command: Path, directory: Path) -> None:
        self.command = command
        self.directory = directory
        self.environment = {
            **machine_environment(),
            "XDG_STATE_HOME": str(directory.parent / "state"),
            "KWOK_DEBUG_ARTIFACTS_DIR": str(directory.parent / "artifacts"),
        }

    def run(self, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.command, *words],
            cwd=self.directory,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=300,
        )

    def succeeds(self, *words: str, **variables: str) -> str:
        done = self.run(*words, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def outside(installed: Installed, tmp_path: Path) -> Outside:
    directory = tmp_path / "somewhere"
    directory.mkdir()
    return Outside(installed.command, directory)


@pytest.fixture
def ready(tools: Callable[[str], Path]) -> None:
    """What a cell of the helm lane needs is in the cache of this machine."""
    for name in (*HostRuntime.tools, "helm", "kubectl"):
        tools(name)


def tracked(directory: str) -> set[str]:
    """The files of a directory that are, or are about to be, under git."""
    words: list[str | Path] = [
        "git",
        "-C",
        ROOT,
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "--",
        directory,
    ]
    listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split("\0")
    return {name for name in listed if name and (ROOT / name).exists()}


def test_the_wheel_has_the_three_packages_and_nothing_else(installed: Installed) -> None:
    """Every file of each, data included; no file of its own lands beside them in site-packages."""
    names = set(zipfile.ZipFile(installed.wheel).namelist())
    ours = {name for name in names if name.partition("/")[0] in PACKAGES}
    assert ours == {name for package in PACKAGES for name in tracked(package)}
    assert {name.partition("/")[0] for name in names - ours} == {installed.wheel.name.rsplit("-", 3)[0] + ".dist-info"}
    assert {f"{package}/py.typed" for package in PACKAGES} | {"harness/settings.yaml", "kwok/overrides.yaml"} <= ours


def test_the_sdist_has_what_a_build_needs_and_no_tests(installed: Installed) -> None:
    """The wheel here was built from it, without git."""
    [sdist] = installed.wheel.parent.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        tops = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert {*PACKAGES, "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"} <= tops
    assert not {"tests", "docs", ".github", "Makefile"} & tops


def test_all_three_say_one_version(installed: Installed, outside: Outside) -> None:
    """The wheel's name, its metadata and the command."""
    name = next(name for name in zipfile.ZipFile(installed.wheel).namelist() if name.endswith("/METADATA"))
    metadata = email.message_from_bytes(zipfile.ZipFile(installed.wheel).read(name))
    version = metadata["Version"]
    assert installed.wheel.name.startswith(f"kwok_harness-{version}-")
    assert outside.succeeds("--version").strip().endswith(f"version {version}")
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"


def test_a_cell_passes(outside: Outside, ready: None) -> None:
    """`run`, with the samples of the package."""
    outcome = json.loads(outside.succeeds("run", "eks", "--deployer", "helm", "--json"))
    assert (outcome["exit"], outcome["recipe"]) == (0, "eks")


def test_a_sweep_passes_and_is_reported(outside: Outside, ready: None) -> None:
    """`sweep` writes where it is told, `report` merges that."""
    outside.succeeds("sweep", "eks", "--deployer", "helm", "--results", "jobs/one")
    assert (outside.directory / "jobs/one/kwok-results.json").is_file()
    outside.succeeds("report", "jobs", "--output", "whole")
    assert (outside.directory / "whole/kwok-results.html").is_file()


def test_cells_are_selected(outside: Outside) -> None:
    """`matrix`: of the samples; what a change touches only where there is a repository, or files are named."""
    entries = json.loads(outside.succeeds("matrix", "--tier", "1", "--format", "github"))["include"]
    assert "eks/helm" in {entry["cells"] for entry in entries}
    refused = outside.run("matrix", "--tier", "2", "--base", "main", "--format", "github", "--allow-empty")
    assert (refused.returncode, refused.stdout) == (Exit.SETTINGS, "")
    assert "is not in a git repository" in refused.stderr
    assert "Traceback" not in refused.stderr
    outside.succeeds("matrix", "--tier", "2", "--changed", "page.md", "--allow-empty")


def test_recipes_of_the_package_are_told_from_those_of_a_checkout(outside: Outside) -> None:
    """In a repository of somebody else's the samples are nobody's change: that is said, with the way out."""
    identity = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.com")
    for words in (("init", "--quiet", "--initial-branch=main"), ("commit", "--quiet", "--allow-empty", "--message=x")):
        subprocess.run(["git", *identity, *words], cwd=outside.directory, check=True)
    refused = outside.run("matrix", "--tier", "2", "--base", "main", "--allow-empty")
    assert refused.returncode == Exit.SETTINGS
    assert re.search(r"is not part of the repository .*\n.*-o recipes=", refused.stderr)


def test_a_bundle_is_written(outside: Outside, ready: None) -> None:
    """`bundle`, in the shape of each kind of lane."""
    for lane in ("helm", "argocd-oci", "flux-oci"):
        outside.succeeds("bundle", "eks-training", "--deployer", lane, "--output", lane)
        assert any((outside.directory / lane).iterdir())


def test_tools_are_prepared(outside: Outside, ready: None) -> None:
    """`tools prepare`, from the pins and the wrapper modules of the package: what this checkout made is found again."""
    shown = outside.succeeds("tools", "prepare", "helm", "etcd")
    for line in shown.splitlines()[1:]:
        assert os.access(line.split()[1], os.X_OK)
    assert all(row["state"] for row in json.loads(outside.succeeds("tools", "list", "--json")))


def test_a_machine_is_examined_and_the_tab_key_answers(outside: Outside) -> None:
    """`doctor` names no file of a checkout; completion knows the recipes of the package."""
    assert "recipes" in outside.run("doctor").stdout
    assert "_KWOK_HARNESS_COMPLETE=bash_complete" in outside.succeeds("completion", "bash")
    tab = {"_KWOK_HARNESS_COMPLETE": "bash_complete", "COMP_WORDS": "kwok-harness run eks-t", "COMP_CWORD": "2"}
    assert outside.succeeds(**tab) == "plain,eks-training\n"


def test_a_settings_file_of_ones_own_holds_what_differs(outside: Outside) -> None:
    """Nothing has to be copied out of site-packages."""
    (outside.directory / "own.yaml").write_text("deployer: flux-oci\n")
    (outside.directory / "wrong.yaml").write_text("deployerr: flux-oci\n")
    assert "eks" in outside.succeeds("--settings", "own.yaml", "recipes", "list")
    refused = outside.run("--settings", "wrong.yaml", "recipes", "list")
    assert (refused.returncode, "did you mean deployer" in refused.stderr) == (Exit.SETTINGS, True)


@pytest.mark.parametrize(
    ("tag", "git", "version"),
    [("v0.7.0", True, r"0\.7\.0"), ("", True, r"0\.0\.1\.dev1\+g[0-9a-f]+"), ("", False, r"0\.0\.0")],
    ids=["tag", "no tag", "no git"],
)
def test_the_version_is_that_of_the_tag(tmp_path: Path, tag: str, git: bool, version: str) -> None:
    """A clone without tags has a development version, and a copy without git, as an action of GitHub is, builds too."""
    copy = tmp_path / "copy"
    for name in (
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "harness/__init__.py",
        "kwok/__init__.py",
        "lanes/__init__.py",
    ):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    identity = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.com")
    words = [("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message=x"), *([("tag", tag)] if tag else [])]
    for each in words if git else []:
        subprocess.run(["git", "-C", copy, *identity, *each], check=True)
    assert re.fullmatch(version, project_wheel_metadata(copy)["Version"])
