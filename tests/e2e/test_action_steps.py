"""The composite action, step by step as GitHub runs it: installed anew, with real cells, and what it would upload."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness.settings import ROOT, load
from tests.e2e.wheel import Installed
from tests.fakes.github_jobs import TEST, WORKFLOW, Runner, machine_environment, read

pytestmark = pytest.mark.e2e

ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"
NEVER_FITS = """
    - name: gpu-operator
      type: Helm
      overrides: {operator: {resources: {requests: {cpu: 1000}}}}
"""


class Artifacts:
    """What jobs have uploaded, below `directory`, as GitHub keeps it: by names that differ."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def upload(self, runner: Runner, inputs: Mapping[str, str]) -> Mapping[str, str]:
        name = inputs["name"]
        assert re.fullmatch(r"[A-Za-z0-9._-]+", name)
        target = self.directory / name
        assert not target.exists() or inputs.get("overwrite") == "true"
        for pattern in inputs["path"].split():
            for each in Path("/").glob(str(runner.workspace / pattern).lstrip("/")):
                for file in [each] if each.is_file() else filter(Path.is_file, each.rglob("*")):
                    inside = file.relative_to(each.parent if each.is_file() else each)
                    assert not set(str(inside)) & set('":<>|*?\r\n'), f"GitHub refuses {inside}"
                    (target / inside).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, target / inside)
        return {}

    def download(self, runner: Runner, inputs: Mapping[str, str]) -> Mapping[str, str]:
        for found in self.directory.glob(inputs["pattern"]):
            shutil.copytree(found, runner.workspace / inputs["path"] / found.name)
        return {}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tools: Callable[[str], Path]) -> Path:
    """The machine of all jobs here; every tool is in the cache."""
    for name in load(environment={}).tools.pins:
        tools(name)
    return tmp_path_factory.mktemp("runner")


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path / "artifacts")


@pytest.fixture
def runner(home: Path, artifacts: Artifacts, installed: Installed, tmp_path: Path) -> Runner:
    own = {"XDG_STATE_HOME": str(tmp_path / "state"), "KWOK_DEADLINES_UNSCHEDULABLE": "5s"}
    made = Runner(home, {**machine_environment(), **own})
    made.workspace = tmp_path / "workspace"  # of the repository that uses the action: nothing of the harness is in it
    made.workspace.mkdir()
    made.summary = tmp_path / "summary.md"
    made.stand_ins = {
        "actions/setup-python": lambda _: {"python-path": sys.executable},
        "actions/cache": lambda _: {},
        "actions/checkout": lambda _: {},
        "actions/upload-artifact": lambda inputs: artifacts.upload(made, inputs),
        "actions/download-artifact": lambda inputs: artifacts.download(made, inputs),
    }
    made.done = {"install": {"command": str(installed.command), "cache": "/cache", "tools": "0"}}
    return made


def test_a_passing_cell(runner: Runner, artifacts: Artifacts) -> None:
    """Installed from the sources of the action; green, with results and no evidence uploaded; the step summary says it;
    the key of the cache names the pins.
    """
    runner.done = {}
    outputs = runner.composite(TEST, {"cells": "eks/helm", "job-timeout-minutes": "15"})
    assert runner.status == "success", runner.ran[-1].output
    assert outputs["exit-code"] == "0"
    tests = json.loads(Path(outputs["results"]).read_text())["results"]["tests"]
    assert [(test["name"], test["status"]) for test in tests] == [("kwok/eks/helm", "passed")]
    assert [each.name for each in artifacts.directory.iterdir()] == ["kwok-results-eks-helm-77-1"]
    names = {file.name for file in (artifacts.directory / "kwok-results-eks-helm-77-1").iterdir()}
    assert names == {"kwok-results.html", "kwok-results.json", "kwok-results.xml", "kwok-summary.md"}
    assert "1 passed" in runner.summary.read_text()
    [cache] = runner.used("actions/cache")
    assert re.fullmatch(r"kwok-tools-Linux-X64-[0-9a-f]{16}", cache["key"])
    assert Path(cache["path"], "tools").is_dir()


def test_a_failing_cell(runner: Runner, artifacts: Artifacts, installed: Installed) -> None:
    """Of the caller's own data: red, the cause at its overlay, evidence uploaded; the summary of such a run is red."""
    for part in ("recipes", "charts", "profiles"):
        shutil.copytree(ROOT / "kwok" / part, runner.workspace / "deploy" / part)
    with (runner.workspace / "deploy/recipes/overlays/eks.yaml").open("a") as overlay:
        overlay.write(NEVER_FITS)
    inputs = {"recipes": "eks", "recipes-directory": "deploy/recipes", "job-timeout-minutes": "15"}
    outputs = runner.composite(TEST, inputs)
    assert (runner.status, outputs["exit-code"]) == ("failure", "1")
    assert "::error file=deploy/recipes/overlays/eks.yaml" in runner.step("run").output
    assert "cpu 1000" in runner.summary.read_text()
    assert {each.name for each in artifacts.directory.iterdir()} == {
        "kwok-results-eks-helm-77-1",
        "kwok-debug-eks-helm-77",
    }
    assert (artifacts.directory / "kwok-debug-eks-helm-77" / "kwok-results.html").is_file()
    assert list((artifacts.directory / "kwok-debug-eks-helm-77").glob("kwok-debug-eks-helm-*/summary.txt"))
    matrix = '{"include":[{"cells":"eks/helm"}]}'
    seen = {name: {"result": "skipped", "outputs": {}} for name in ("tier2", "tier3")}
    seen["discover"] = {"result": "success", "outputs": {"tier1": matrix}}
    seen["tier1"] = {"result": "failure", "outputs": {}}
    runner.stand_ins = {
        **runner.stand_ins,
        "./.github/actions/kwok-tools": lambda _: {"command": str(installed.command)},
    }
    runner.job(read(WORKFLOW)["jobs"]["summary"], {"needs": seen})
    assert runner.status == "failure"
    assert runner.step("report").code == 1
    assert (artifacts.directory / "kwok-report-77-1" / "kwok-results.html").is_file()


def test_wrong_inputs_run_nothing(runner: Runner, artifacts: Artifacts) -> None:
    """A recipe that nobody has: exit code 64, and the job is red; there are results of nothing to upload."""
    outputs = runner.composite(TEST, {"recipes": "$(touch here) --help", "job-timeout-minutes": "15"})
    assert (runner.status, outputs["exit-code"]) == ("failure", "64")
    assert not (runner.workspace / "here").exists()
    assert not list(artifacts.directory.rglob("kwok-results.json"))


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    """The linter of workflows; it comes by the Go module proxy, and without an answer from there nothing is shown."""
    built = subprocess.run(
        ["go", "install", ACTIONLINT],
        env={**os.environ, "GOBIN": str(tmp_path), "GOFLAGS": "-mod=mod"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    if built.returncode:
        pytest.skip(f"NOT TESTED HERE: the workflow by actionlint, which could not be had: {built.stderr[-300:]}")
    done = subprocess.run([tmp_path / "actionlint", WORKFLOW], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
