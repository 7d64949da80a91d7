"""The jobs of the workflow, carried out here: what each event selects, and the summary that is required."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness import reports
from harness.exits import Exit
from harness.results.results import Results
from harness.settings import ROOT
from tests.fakes.github_jobs import WORKFLOW, Runner, machine_environment, read
from tests.fakes.results import cell, sweep

pytestmark = pytest.mark.e2e

HARNESS = str(Path(sys.executable).with_name("kwok-harness"))
JOBS = read(WORKFLOW)["jobs"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The workspace of a runner, with the recipe data in it, under git; its last commit changes one overlay."""
    workspace = tmp_path / "runner" / "workspace"
    for part in ("recipes", "charts", "profiles"):
        shutil.copytree(ROOT / "kwok" / part, workspace / part)
    git(workspace, "init", "--quiet", "--initial-branch=main")
    git(workspace, "add", ".")
    git(workspace, "commit", "--quiet", "--message=data")
    return workspace


def git(where: Path, *words: str) -> str:
    identity = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.com")
    return subprocess.run(["git", "-C", where, *identity, *words], check=True, capture_output=True, text=True).stdout


def commit(repository: Path, file: str, text: str) -> str:
    """The commit before."""
    before = git(repository, "rev-parse", "HEAD").strip()
    with (repository / file).open("a") as stream:
        stream.write(text)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message=change")
    return before


def discovered(
    repository: Path, event: str, payload: Mapping[str, Any], inputs: Mapping[str, str] | None = None
) -> dict[str, str]:
    runner = Runner(
        repository.parent,
        {**machine_environment(), "KWOK_RECIPES": str(repository / "recipes")},
        {"actions/checkout": lambda _: {}, "./.github/actions/kwok-tools": lambda _: {"command": HARNESS}},
        {"event_name": event, "event": payload},
    )
    found = runner.job(JOBS["discover"], {"inputs": dict(inputs or {})})
    assert [ran.output for ran in runner.ran if ran.code] == []
    return found


def cells(matrix: str) -> set[str]:
    return {entry["cells"] for entry in json.loads(matrix)["include"]}


def test_a_pull_request_gets_tiers_1_and_2(repository: Path) -> None:
    """Every generic recipe under every lane, and under helm what the change touches."""
    base = commit(repository, "recipes/overlays/h100-eks-training.yaml", "# touched\n")
    found = discovered(repository, "pull_request", {"pull_request": {"base": {"sha": base}}})
    assert {"eks/helm", "eks/flux-oci", "eks/argocd-oci", "aks/argocd-helm-oci"} <= cells(found["tier1"])
    assert "h100-eks-training/helm" in cells(found["tier2"])
    assert "h100-aks-training/helm" not in cells(found["tier2"])
    assert found["tier3"] == ""
    assert not cells(found["tier1"]) & cells(found["tier2"]), "artifact names would meet"


def test_a_merge_queue_gets_what_its_pull_request_got(repository: Path) -> None:
    """Or the required check would never come."""
    base = commit(repository, "recipes/overlays/h100-eks-training.yaml", "# touched\n")
    found = discovered(repository, "merge_group", {"merge_group": {"base_sha": base}})
    assert "eks/helm" in cells(found["tier1"])
    assert "h100-eks-training/helm" in cells(found["tier2"])


def test_documentation_alone_runs_nothing(repository: Path) -> None:
    """Empty outputs, whose tiers are skipped."""
    base = commit(repository, "recipes/README.md", "words\n")
    found = discovered(repository, "pull_request", {"pull_request": {"base": {"sha": base}}})
    assert set(found.values()) == {""}


@pytest.mark.parametrize("event", ["push", "schedule"])
def test_main_and_the_night_get_tier_3(repository: Path, event: str) -> None:
    """Tier 1 is part of it, so it does not run as well."""
    found = discovered(repository, event, {})
    assert {"eks/helm", "h100-eks-training/flux-oci"} <= cells(found["tier3"])
    assert found["tier1"] == found["tier2"] == ""


def test_a_dispatch_chooses(repository: Path) -> None:
    """Nothing chosen is everything, as the form says."""
    everything = discovered(repository, "push", {})["tier3"]
    assert discovered(repository, "workflow_dispatch", {}, {"recipes": "", "deployer": "all"})["tier3"] == everything
    chosen = discovered(repository, "workflow_dispatch", {}, {"recipes": "eks-*", "deployer": "helm"})
    assert cells(chosen["tier3"]) == {"eks-training/helm", "eks-inference/helm"}


def needs(**results: str) -> dict[str, Any]:
    """What the summary sees: tier 1 has two cells, unless it is skipped."""
    matrix = '{"include":[{"cells":"a/helm"},{"cells":"b/helm"}]}'
    given = {"discover": "success", "tier1": "success", "tier2": "skipped", "tier3": "skipped"} | results
    found: dict[str, Any] = {name: {"result": result, "outputs": {}} for name, result in given.items()}
    found["discover"]["outputs"] = {"tier1": "" if given["tier1"] == "skipped" else matrix, "tier2": "", "tier3": ""}
    return found


def summary(tmp_path: Path, seen: Mapping[str, Any], *results: Results) -> Runner:
    def download(inputs: Mapping[str, str]) -> Mapping[str, str]:
        for number, each in enumerate(results):
            reports.write(each, runner.workspace / inputs["path"] / f"job-{number}")
        return {}

    runner = Runner(
        tmp_path,
        machine_environment(),
        {
            "actions/checkout": lambda _: {},
            "./.github/actions/kwok-tools": lambda _: {"command": HARNESS},
            "actions/download-artifact": download,
            "actions/upload-artifact": lambda _: {},
        },
    )
    runner.job(JOBS["summary"], {"needs": seen})
    return runner


def test_the_summary_is_green_when_every_cell_has_passed(tmp_path: Path) -> None:
    """It merges what the jobs have left, and says so in the step summary."""
    runner = summary(tmp_path, needs(), sweep(cell(recipe="a")), sweep(cell(recipe="b")))
    assert runner.status == "success"
    assert "2 passed" in runner.summary.read_text()
    assert runner.used("actions/upload-artifact")[0]["path"] == "kwok-report"
    assert (runner.workspace / "kwok-report" / "kwok-results.html").is_file()


def test_the_summary_is_green_when_there_was_nothing_to_run(tmp_path: Path) -> None:
    """All tiers skipped, after a discovery that has ended well."""
    runner = summary(tmp_path, needs(tier1="skipped"))
    assert runner.status == "success"
    assert runner.used("actions/download-artifact") == []


@pytest.mark.parametrize(
    "results",
    [
        {"discover": "failure", "tier1": "skipped"},
        {"discover": "cancelled", "tier1": "skipped"},
        {"discover": "skipped", "tier1": "skipped"},
        {"tier1": "failure"},
        {"tier1": "cancelled"},
        {"tier2": "failure"},
        {"tier3": "cancelled"},
    ],
    ids=str,
)
def test_the_summary_is_red_when_a_job_has_not_ended_well(tmp_path: Path, results: Mapping[str, str]) -> None:
    """Even where all the results that it found are good."""
    runner = summary(tmp_path, needs(**results), sweep(cell(recipe="a"), cell(recipe="b")))
    assert runner.status == "failure"
    assert "not every job has ended well" in runner.ran[-1].output


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([sweep(cell(recipe="a"))], "its job has left no results"),
        ([sweep(cell(recipe="a")), sweep(cell(Exit.FAILURE, "b", reason="no pods"))], "no pods"),
        ([], "kwok-jobs"),
    ],
    ids=["absent", "failed", "nothing"],
)
def test_the_summary_is_red_when_a_cell_is_not_green(tmp_path: Path, found: list[Results], said: str) -> None:
    """Or not there: a job that ended well and left no results has shown nothing."""
    runner = summary(tmp_path, needs(), *found)
    assert runner.status == "failure"
    assert runner.step("report").code
    assert said in runner.step("report").output
