"""The workflow and the actions: what they promise, as far as reading can tell."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.settings import ROOT
from tests.fakes.github_expressions import filled, holds
from tests.fakes.github_jobs import CHECK, E2E, RELEASE, TEST, TOOLS, WORKFLOW, read

WORKFLOWS = (WORKFLOW, CHECK, E2E, RELEASE)
# Of others than GitHub, each for one purpose: this one writes a check from files of results.
FURTHER = {"EnricoMi/publish-unit-test-result-action"}
FILES = (*WORKFLOWS, TEST / "action.yaml", TOOLS / "action.yaml")
JOBS = read(WORKFLOW)["jobs"]
TIERS = ("tier1", "tier2", "tier3")


def steps(file: Path) -> list[dict[str, Any]]:
    document = read(file)
    jobs = document["jobs"].values() if "jobs" in document else [document["runs"]]
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_no_expression_reaches_a_shell(file: Path) -> None:
    """Inputs come by the environment: text of a pull request or a dispatch is never part of a script."""
    for step in steps(file):
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_actions_are_pinned_by_commit(file: Path) -> None:
    """With the version beside it; those of this repository are the commit that runs."""
    for line in re.findall(r"uses: (.*)", file.read_text()):
        if not line.startswith("./.github/"):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)
            assert line.startswith("actions/") or line.partition("@")[0] in FURTHER


def test_both_actions_prepare_alike() -> None:
    """kwok-test repeats the steps of kwok-tools, since no relative path leads there from another repository."""
    shared = steps(TOOLS / "action.yaml")
    assert steps(TEST / "action.yaml")[1 : 1 + len(shared)] == shared


def test_jobs_have_the_least_permissions_and_a_deadline() -> None:
    """Reading the code, and no credentials left in the checkout; the harness knows the job's own deadline."""
    assert read(WORKFLOW)["permissions"] == {}
    for job in JOBS.values():
        assert job["permissions"] == {"contents": "read"}
        assert job["timeout-minutes"] <= 45
        for step in job["steps"]:
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False
            if "kwok-test" in step.get("uses", ""):
                assert step["with"]["job-timeout-minutes"] == str(job["timeout-minutes"])
    assert all(JOBS[tier]["strategy"]["fail-fast"] is False for tier in TIERS)


def test_a_release_may_sign_and_publish_and_each_job_only_one_of_them() -> None:
    """What was built is what is signed and published: the job that runs the code of the tag can do neither."""
    jobs = read(RELEASE)["jobs"]
    assert read(RELEASE)["permissions"] == {}
    assert {name: job["permissions"] for name, job in jobs.items()} == {
        "build": {"contents": "read"},
        "attest": {"id-token": "write", "attestations": "write"},
        "release": {"contents": "write"},
    }
    assert (jobs["attest"]["needs"], jobs["release"]["needs"]) == ("build", "attest")
    for name in ("attest", "release"):
        assert not [step for step in jobs[name]["steps"] if "checkout" in step.get("uses", "")]


def test_a_release_says_what_the_changelog_says(tmp_path: Path) -> None:
    """The section of the tag's version, and an error without one or with a wheel of another version."""
    (script,) = (step["run"] for step in steps(RELEASE) if "changelog" in step.get("name", ""))
    (tmp_path / "dist").mkdir()
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [0.2.0] - x\n\nnew\n\n## [0.1.0] - y\n\nold\n\n[0.1.0]: z\n"
    )

    def runs(tag: str) -> bool:
        words = ["bash", "-eo", "pipefail", "-c", script]
        variables = {"PATH": os.environ["PATH"], "GITHUB_REF_NAME": tag}
        return subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True).returncode == 0

    assert not runs("v0.2.0")
    for version in ("0.2.0", "0.3.0"):
        (tmp_path / "dist" / f"kwok_harness-{version}-py3-none-any.whl").touch()
    assert runs("v0.2.0")
    assert (tmp_path / "dist" / "notes.md").read_text().split() == ["new"]
    assert not runs("v0.3.0")


def test_every_python_that_the_package_names_is_checked() -> None:
    """By `make check`, and with the wheel; all tests run on one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [each.rpartition(" ")[2] for each in project["classifiers"] if "Python :: 3." in each]
    jobs = read(CHECK)["jobs"]
    assert jobs["check"]["strategy"]["matrix"]["python"] == named
    assert project["requires-python"] == f">={named[0]}"
    run = {name: [step["run"].strip() for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert run["check"][:2] == ["make check", "make build"]
    assert run["test"] == ["make test"]
    assert all(job["permissions"] == {"contents": "read"} for job in jobs.values())


def test_hooks_of_git_run_what_make_check_runs() -> None:
    """What is refused later is refused before it is pushed."""
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = {hook["entry"]: hook["stages"] for hook in repository["hooks"]}
    assert hooks == {"make lint": ["pre-commit"], "make check": ["pre-push"]}


def test_only_a_pull_requests_older_run_is_ended() -> None:
    """Every commit on main has an answer of its own, and nightly runs wait for nobody."""
    rule = read(WORKFLOW)["concurrency"]
    pull = {"workflow": "K", "event_name": "pull_request", "event": {"pull_request": {"number": 7}}, "run_id": "1"}
    push = {"workflow": "K", "event_name": "push", "event": {}, "run_id": "1"}
    assert filled(rule["group"], {"github": pull}) == filled(rule["group"], {"github": {**pull, "run_id": "2"}})
    assert filled(rule["group"], {"github": push}) != filled(rule["group"], {"github": {**push, "run_id": "2"}})
    assert [filled(rule["cancel-in-progress"], {"github": github}) for github in (pull, push)] == [True, False]


def test_zizmor_finds_nothing() -> None:
    """The linter for security holes in workflows, without asking the network."""
    zizmor = Path(sys.executable).with_name("zizmor")
    done = subprocess.run(
        [zizmor, "--offline", "--no-progress", "--persona=pedantic", ROOT / ".github"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("completed") == len(FILES)


def test_the_summary_always_has_its_turn() -> None:
    """Whatever became of the others, and it waits for each of them."""
    assert JOBS["summary"]["if"] == "always()"
    assert JOBS["summary"]["needs"] == [name for name in JOBS if name != "summary"]
    needs = {"discover": {"result": "success"}, "tier1": {"result": "cancelled"}}
    assert holds(JOBS["summary"]["steps"][-1]["if"], {"needs": needs, "status": "cancelled"})


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_without_cells_is_skipped(tier: str) -> None:
    """GitHub refuses a matrix without jobs."""
    for matrix, has_turn in (("", False), ('{"include":[]}', False), ('{"include":[{"cells":"a/helm"}]}', True)):
        outputs = {"discover": {"result": "success", "outputs": {tier: matrix}}}
        assert holds(JOBS[tier]["if"], {"needs": outputs, "status": "success"}) is has_turn
        assert f"outputs.{tier})" in JOBS[tier]["strategy"]["matrix"]


@pytest.mark.parametrize(
    ("status", "code", "uploaded"),
    [
        ("success", "0", {"results"}),
        ("failure", "1", {"results", "evidence"}),
        ("cancelled", "143", {"results", "evidence"}),
        ("cancelled", "", {"results", "evidence"}),
    ],
)
def test_evidence_is_uploaded_unless_all_is_green(status: str, code: str, uploaded: set[str]) -> None:
    """A job that ran out of time or was cancelled has evidence too, though failure() does not hold there."""
    run = {"outputs": {"directory": "/somewhere", "exit-code": code}}
    uploads = [step for step in steps(TEST / "action.yaml") if "upload-artifact" in step.get("uses", "")]
    took = {step["name"] for step in uploads if holds(step["if"], {"steps": {"run": run}, "status": status})}
    assert took == {f"Upload {name}" for name in uploaded}
    assert not [step for step in uploads if holds(step["if"], {"steps": {}, "status": "failure"})]


def test_the_page_names_every_input_and_output() -> None:
    """docs/github-actions.md has a row for each, and its example gives no input that there is not."""
    page = (ROOT / "docs" / "github-actions.md").read_text()
    action = read(TEST / "action.yaml")
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)) == {*action["inputs"], *action["outputs"]}
    [example] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    used = [step for job in yaml.safe_load(example)["jobs"].values() for step in job["steps"]]
    assert set(used[-1]["with"]) <= set(action["inputs"])
    for step in used:
        directory = step["uses"].partition("@")[0].removeprefix("OWNER/kwok-harness/")
        assert step["uses"].startswith("actions/") or (ROOT / directory / "action.yaml").is_file()
