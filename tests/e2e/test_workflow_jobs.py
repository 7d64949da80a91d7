"""The jobs of the workflow, carried out here with the installed wheel: what each event selects, the cells of each tier,
and the summary that is required.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness import reports
from harness.exits import Exit
from harness.results.results import Results
from harness.settings import ROOT, load
from tests.e2e.wheel import Installed
from tests.fakes.github_jobs import TEST, WORKFLOW, Runner, machine_environment, read
from tests.fakes.results import cell, sweep

pytestmark = pytest.mark.e2e

PROJECT = ("harness", "kwok", "lanes", ".github", "pyproject.toml", "constraints.txt")
JOBS = read(WORKFLOW)["jobs"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The workspace of a runner: a checkout of the harness, as far as the workflow looks at it."""
    workspace = tmp_path / "runner" / "workspace"
    workspace.mkdir(parents=True)
    for part in PROJECT:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, workspace / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, workspace)
    git(workspace, "init", "--quiet", "--initial-branch=main")
    git(workspace, "add", ".")
    git(workspace, "commit", "--quiet", "--message=project")
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


Discover = Callable[..., dict[str, str]]


@pytest.fixture
def discovered(repository: Path, installed: Installed) -> Discover:
    """What the job that selects makes of an event, with its payload and inputs."""

    def job(event: str, payload: Mapping[str, Any], inputs: Mapping[str, str] | None = None) -> dict[str, str]:
        runner = Runner(
            repository.parent,
            machine_environment(),
            {
                "actions/checkout": lambda _: {},
                "./.github/actions/kwok-tools": lambda _: {"command": str(installed.command)},
            },
            {"event_name": event, "event": payload},
        )
        found = runner.job(JOBS["discover"], {"inputs": dict(inputs or {})})
        assert [ran.output for ran in runner.ran if ran.code] == []
        return found

    return job


def cells(matrix: str) -> set[str]:
    return {entry["cells"] for entry in json.loads(matrix)["include"]}


def test_a_pull_request_gets_tiers_1_and_2(repository: Path, discovered: Discover) -> None:
    """Every generic recipe under every lane, and under helm what the change touches."""
    base = commit(repository, "kwok/recipes/overlays/h100-eks-training.yaml", "# touched\n")
    found = discovered("pull_request", {"pull_request": {"base": {"sha": base}}})
    assert {"eks/helm", "eks/flux-oci", "eks/argocd-oci", "aks/argocd-helm-oci"} <= cells(found["tier1"])
    assert "h100-eks-training/helm" in cells(found["tier2"])
    assert "h100-aks-training/helm" not in cells(found["tier2"])
    assert found["tier3"] == ""
    assert not cells(found["tier1"]) & cells(found["tier2"]), "artifact names would meet"


@pytest.mark.parametrize("file", ["harness/cells/cell.py", "harness/settings.yaml", "kwok/nodes.py", "lanes/helm.py"])
def test_a_change_of_the_harness_touches_every_recipe(repository: Path, discovered: Discover, file: str) -> None:
    """Of the harness in the checkout: the one that asks is installed elsewhere, from the same commit."""
    base = commit(repository, file, "# touched\n")
    found = discovered("pull_request", {"pull_request": {"base": {"sha": base}}})
    assert {"h100-eks-training/helm", "gb200-eks-training/helm", "h100-aks-training/helm"} <= cells(found["tier2"])


def test_a_change_that_touches_no_recipe_has_no_tier_2(repository: Path, discovered: Discover) -> None:
    """An empty matrix, whose jobs are skipped; tier 1 runs all the same."""
    base = commit(repository, "tests.txt", "words\n")
    found = discovered("pull_request", {"pull_request": {"base": {"sha": base}}})
    assert cells(found["tier2"]) == set()
    assert "eks/helm" in cells(found["tier1"])


def test_a_merge_queue_gets_what_its_pull_request_got(repository: Path, discovered: Discover) -> None:
    """Or the required check would never come."""
    base = commit(repository, "kwok/recipes/overlays/h100-eks-training.yaml", "# touched\n")
    found = discovered("merge_group", {"merge_group": {"base_sha": base}})
    assert "eks/helm" in cells(found["tier1"])
    assert "h100-eks-training/helm" in cells(found["tier2"])


def test_documentation_alone_runs_nothing(repository: Path, discovered: Discover) -> None:
    """Empty outputs, whose tiers are skipped."""
    base = commit(repository, "kwok/recipes/README.md", "words\n")
    found = discovered("pull_request", {"pull_request": {"base": {"sha": base}}})
    assert set(found.values()) == {""}


@pytest.mark.parametrize("event", ["push", "schedule"])
def test_main_and_the_night_get_tier_3(discovered: Discover, event: str) -> None:
    """Tier 1 is part of it, so it does not run as well."""
    found = discovered(event, {})
    assert {"eks/helm", "h100-eks-training/flux-oci"} <= cells(found["tier3"])
    assert found["tier1"] == found["tier2"] == ""


def test_a_dispatch_chooses(discovered: Discover) -> None:
    """Nothing chosen is everything, as the form says."""
    everything = discovered("push", {})["tier3"]
    assert discovered("workflow_dispatch", {}, {"recipes": "", "deployer": "all"})["tier3"] == everything
    chosen = discovered("workflow_dispatch", {}, {"recipes": "eks-*", "deployer": "helm"})
    assert cells(chosen["tier3"]) == {"eks-training/helm", "eks-inference/helm"}


@pytest.mark.parametrize("tier", ["tier1", "tier2", "tier3"])
def test_a_cell_of_each_tier_runs(
    repository: Path, discovered: Discover, installed: Installed, tools: Callable[[str], Path], tier: str
) -> None:
    """Every step of the job and of its action, for a cell that discovery names: green, with results of that cell."""
    for name in load(environment={}).tools.pins:
        tools(name)
    base = commit(repository, "kwok/recipes/overlays/h100-eks-training.yaml", "# touched\n")
    event = "push" if tier == "tier3" else "pull_request"
    found = discovered(event, {"pull_request": {"base": {"sha": base}}})
    entry = next(each for each in json.loads(found[tier])["include"] if each["cells"].endswith("/helm"))
    actions: list[Runner] = []

    def test(inputs: Mapping[str, str]) -> Mapping[str, str]:
        action = Runner(
            repository.parent,
            {**machine_environment(), "XDG_STATE_HOME": str(repository.parent / "state")},
            {
                "actions/setup-python": lambda _: {"python-path": sys.executable},
                "actions/cache": lambda _: {},
                "actions/upload-artifact": lambda _: {},
            },
            done={"install": {"command": str(installed.command), "cache": "/cache", "tools": "0"}},
        )
        actions.append(action)
        outputs = action.composite(TEST, inputs)
        assert action.status == "success", action.step("run").output
        return outputs

    runner = Runner(
        repository.parent,
        machine_environment(),
        {"actions/checkout": lambda _: {}, "./.github/actions/kwok-test": test},
        {"event_name": event},
    )
    runner.job(JOBS[tier], {"matrix": entry})
    assert runner.status == "success"
    [results] = actions[0].used("actions/upload-artifact")
    assert results["name"].startswith(f"kwok-results-{entry['cells'].replace('/', '-')}")


def needs(**results: str) -> dict[str, Any]:
    """What the summary sees: tier 1 has two cells, unless it is skipped."""
    matrix = '{"include":[{"cells":"a/helm"},{"cells":"b/helm"}]}'
    given = {"discover": "success", "tier1": "success", "tier2": "skipped", "tier3": "skipped"} | results
    found: dict[str, Any] = {name: {"result": result, "outputs": {}} for name, result in given.items()}
    found["discover"]["outputs"] = {"tier1": "" if given["tier1"] == "skipped" else matrix, "tier2": "", "tier3": ""}
    return found


Summary = Callable[..., Runner]


@pytest.fixture
def summary(tmp_path: Path, installed: Installed) -> Summary:
    """The job that is required, with what it sees of the others and the results that they left."""
    return lambda seen, *results: _summary(tmp_path, installed, seen, *results)


def _summary(tmp_path: Path, installed: Installed, seen: Mapping[str, Any], *results: Results) -> Runner:
    def download(inputs: Mapping[str, str]) -> Mapping[str, str]:
        for number, each in enumerate(results):
            reports.write(each, runner.workspace / inputs["path"] / f"job-{number}")
        return {}

    runner = Runner(
        tmp_path,
        machine_environment(),
        {
            "actions/checkout": lambda _: {},
            "./.github/actions/kwok-tools": lambda _: {"command": str(installed.command)},
            "actions/download-artifact": download,
            "actions/upload-artifact": lambda _: {},
        },
    )
    runner.job(JOBS["summary"], {"needs": seen})
    return runner


def test_the_summary_is_green_when_every_cell_has_passed(summary: Summary) -> None:
    """It merges what the jobs have left, and says so in the step summary."""
    runner = summary(needs(), sweep(cell(recipe="a")), sweep(cell(recipe="b")))
    assert runner.status == "success"
    assert "2 passed" in runner.summary.read_text()
    assert runner.used("actions/upload-artifact")[0]["path"] == "kwok-report"
    assert (runner.workspace / "kwok-report" / "kwok-results.html").is_file()


def test_the_summary_is_green_when_there_was_nothing_to_run(summary: Summary) -> None:
    """All tiers skipped, after a discovery that has ended well."""
    runner = summary(needs(tier1="skipped"))
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
def test_the_summary_is_red_when_a_job_has_not_ended_well(summary: Summary, results: Mapping[str, str]) -> None:
    """Even where all the results that it found are good."""
    runner = summary(needs(**results), sweep(cell(recipe="a"), cell(recipe="b")))
    assert runner.status == "failure"
    assert "not every job has ended well" in runner.ran[-1].output


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([sweep(cell(recipe="a"))], "its job wrote no results"),
        ([sweep(cell(recipe="a")), sweep(cell(Exit.FAILURE, "b", reason="no pods"))], "no pods"),
        ([], "kwok-jobs"),
    ],
    ids=["absent", "failed", "nothing"],
)
def test_the_summary_is_red_when_a_cell_is_not_green(summary: Summary, found: list[Results], said: str) -> None:
    """Or not there: a job that ended well and wrote no results has shown nothing."""
    runner = summary(needs(), *found)
    assert runner.status == "failure"
    assert runner.step("report").code
    assert said in runner.step("report").output
