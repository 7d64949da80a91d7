"""The workflow of end-to-end suites, carried out here step by step: which events run it, and what makes its check red.

The suite's own command is stood in for; what it does is a matter of other tests.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.settings import ROOT
from tests.fakes.github_expressions import filled, holds
from tests.fakes.github_jobs import E2E, Runner, StandIn, machine_environment, read

DOCUMENT = read(E2E)
JOBS = DOCUMENT["jobs"]
LABEL = "run-e2e-k8s"
NAME = "E2E Summary"

# Records its words in `words`, and ends with what `code` says; `kwok-harness` writes a report like a run does.
PROGRAM = """#!/usr/bin/env bash
printf '%s\\n' "$(basename "$0") $*" >> "$WORDS"
while [[ $# -gt 0 ]]; do
  if [[ $1 == --report-path ]]; then mkdir -p "$2"; echo '<testsuites/>' > "$2/e2e.xml"; fi
  shift
done
exit "${CODE:-0}"
"""
SUDO = """#!/usr/bin/env bash
printf '%s\\n' "sudo $*" >> "$WORDS"
[[ $1 == --preserve-env* ]] || exit 0
shift
exec "$@"
"""


def pull_request(action: str, *labels: str, put: str = "", fork: bool = False) -> dict[str, Any]:
    """What github has for an event of a pull request that has these labels; `put` is the label of the event."""
    pull = {"number": 7, "labels": [{"name": each} for each in labels], "head": {"repo": {"fork": fork}}}
    event = {"action": action, "pull_request": pull, **({"label": {"name": put}} if put else {})}
    return {"event_name": "pull_request", "event": event, "workflow": "E2E", "run_id": "77", "run_attempt": "1"}


def other(name: str) -> dict[str, Any]:
    return {"event_name": name, "event": {}, "workflow": "E2E", "run_id": "77", "run_attempt": "1"}


def gate(home: Path, github: Mapping[str, Any], runtime: str = "") -> str:
    """The runtimes that an event asks for; "skipped" where the gate itself has no turn."""
    contexts = {"github": github, "inputs": {"runtime": runtime}, "status": "success"}
    if not holds(JOBS["gate"].get("if"), contexts):
        return "skipped"
    runner = Runner(home, machine_environment(), github=github)
    found = runner.job(JOBS["gate"], contexts)
    assert runner.status == "success", runner.step("asked").output
    return found["runtimes"]


BOTH = '["host","kind"]'


@pytest.mark.parametrize(
    ("github", "runtimes"),
    [
        (other("schedule"), BOTH),
        (other("workflow_dispatch"), BOTH),
        (pull_request("labeled", LABEL, "docs", put=LABEL), BOTH),
        (pull_request("synchronize", "docs", LABEL), BOTH),
        (pull_request("reopened", LABEL), BOTH),
        (pull_request("opened"), ""),
        (pull_request("synchronize", "docs", "not-run-e2e-k8s"), ""),
        (pull_request("labeled", LABEL, "docs", put="docs"), "skipped"),
        (pull_request("labeled", "docs", put="docs"), "skipped"),
    ],
)
def test_what_runs_the_suite(tmp_path: Path, github: Mapping[str, Any], runtimes: str) -> None:
    """The night, a person, and a pull request with the label; that another label was put on it counts for nothing."""
    assert gate(tmp_path, github) == runtimes
    asked = {"gate": {"result": "success", "outputs": {"runtimes": runtimes}}}
    if runtimes != "skipped":
        assert holds(JOBS["suite"]["if"], {"needs": asked, "status": "success"}) is bool(runtimes)


@pytest.mark.parametrize(("runtime", "runtimes"), [("both", BOTH), ("host", '["host"]'), ("kind", '["kind"]')])
def test_a_person_chooses_the_runtime(tmp_path: Path, runtime: str, runtimes: str) -> None:
    """One of those that the form offers; the matrix is made of the answer."""
    assert gate(tmp_path, other("workflow_dispatch"), runtime) == runtimes
    inputs = DOCUMENT["on"]["workflow_dispatch"]["inputs"]
    assert runtime in inputs["runtime"]["options"]
    assert set(inputs) == {"runtime", "keep"}
    needs = {"gate": {"outputs": {"runtimes": runtimes}}}
    assert filled(JOBS["suite"]["strategy"]["matrix"]["runtime"], {"needs": needs}) == json.loads(runtimes)


def test_it_is_started_at_night_by_hand_and_by_a_label() -> None:
    """Apart from the other nightly workflow; `labeled` is among the types, or a label would do nothing."""
    assert DOCUMENT["on"]["schedule"] == [{"cron": "47 3 * * *"}]
    assert set(DOCUMENT["on"]) == {"schedule", "workflow_dispatch", "pull_request"}
    assert DOCUMENT["on"]["pull_request"]["types"] == ["opened", "synchronize", "reopened", "labeled"]


def test_another_label_ends_no_run() -> None:
    """It is in a group of its own; a push ends the older run of its pull request, and nothing else ends any."""
    rule = DOCUMENT["concurrency"]

    def group(github: Mapping[str, Any], run: str) -> Any:
        return filled(rule["group"], {"github": {**github, "run_id": run}})

    push, foreign = pull_request("synchronize", LABEL), pull_request("labeled", LABEL, "docs", put="docs")
    assert group(push, "1") == group(push, "2") == group(pull_request("labeled", LABEL, put=LABEL), "3")
    assert group(foreign, "2") != group(push, "1")
    assert group(other("schedule"), "1") != group(other("schedule"), "2")
    cancels = [filled(rule["cancel-in-progress"], {"github": each}) for each in (push, other("schedule"))]
    assert cancels == [True, False]


def test_each_job_has_the_rights_that_it_needs_and_a_deadline() -> None:
    """What runs the code can read it; what writes a check runs no code of the repository."""
    assert DOCUMENT["permissions"] == {}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "gate": {},
        "suite": {"contents": "read"},
        "publish": {"checks": "write"},
        "summary": {},
    }
    assert all(job["timeout-minutes"] <= 60 for job in JOBS.values())
    for name, job in JOBS.items():
        checkouts = [step for step in job["steps"] if "actions/checkout" in step.get("uses", "")]
        assert len(checkouts) == (1 if name == "suite" else 0)
        assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    assert not [step for step in JOBS["publish"]["steps"] if "run" in step]


def suite(home: Path, runtime: str, code: int = 0, keep: Any = "") -> tuple[Runner, list[str]]:
    """The job on one runtime, with what was run, in order. The command of the suite ends with `code`."""
    workspace = home / "workspace"
    for folder in (workspace / ".venv" / "bin", home / "bin"):
        folder.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, workspace)
    (workspace / ".venv" / ".ready").touch()
    programs = {workspace / ".venv/bin/kwok-harness": PROGRAM, workspace / ".venv/bin/python": PROGRAM}
    for file, text in {**programs, home / "bin" / "sudo": SUDO}.items():
        file.write_text(text)
        file.chmod(0o755)
    words = home / "words"
    environment = {
        **machine_environment(),
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "HOME": str(home),
        "WORDS": str(words),
        "CODE": str(code),
    }
    (home / ".cache" / "kwok-harness").mkdir(parents=True)
    names = ("actions/checkout", "actions/cache", "actions/upload-artifact")
    actions: dict[str, StandIn] = {name: lambda _: {} for name in names}
    runner = Runner(
        home, environment, {**actions, "actions/setup-python": lambda _: {"python-path": "python3"}}, other("schedule")
    )
    runner.job(JOBS["suite"], {"matrix": {"runtime": runtime}, "inputs": {"keep": keep}})
    return runner, words.read_text().splitlines() if words.exists() else []


def test_the_suite_runs_on_the_host(tmp_path: Path) -> None:
    """Without an image; its reports are an artifact, by a name that no other job and no other attempt has."""
    runner, words = suite(tmp_path, "host")
    assert runner.status == "success"
    [command] = words
    assert command.startswith("kwok-harness suite run kwok/suites/platform --runtime host --report JUNIT-STEP ")
    assert "--keep" not in command
    assert (tmp_path / "workspace/e2e-results/host/e2e.xml").is_file()
    [upload] = runner.used("actions/upload-artifact")
    assert (upload["name"], upload["path"]) == ("e2e-results-host-77-1", "e2e-results")


def test_on_kind_its_images_are_made_first(tmp_path: Path) -> None:
    """Those that no registry has, as root, in the cache of the user."""
    runner, words = suite(tmp_path, "kind", keep=True)
    assert runner.status == "success", [ran.output for ran in runner.ran if ran.code]
    made, ran = words.index("python -m hack.kind_images --suites"), len(words) - 1
    assert made < ran
    assert words[made - 1] == "sudo --preserve-env=HOME,PATH make suite-images"
    assert words[made + 1].startswith("sudo chown -R ")
    assert words[ran].startswith("kwok-harness suite run kwok/suites/platform --runtime kind --keep --report")


def test_a_red_suite_is_a_red_job_with_its_reports(tmp_path: Path) -> None:
    """Whatever its code; what it has written is uploaded all the same."""
    runner, _ = suite(tmp_path, "host", code=12)
    assert runner.status == "failure"
    assert len(runner.used("actions/upload-artifact")) == 1


@pytest.mark.parametrize(
    ("result", "github", "published"),
    [
        ("success", other("schedule"), True),
        ("failure", pull_request("synchronize", LABEL), True),
        ("failure", pull_request("synchronize", LABEL, fork=True), False),
        ("skipped", pull_request("opened"), False),
    ],
)
def test_results_are_published_where_there_are_any(result: str, github: Mapping[str, Any], published: bool) -> None:
    """Red ones too; not for a fork, whose runs may write nothing."""
    contexts = {"needs": {"suite": {"result": result}}, "github": github, "status": "failure"}
    assert holds(JOBS["publish"]["if"], contexts) is published


def test_what_is_published_decides_nothing(tmp_path: Path) -> None:
    """The artifacts of this attempt, of both runtimes; the verdict is that of the run."""
    publisher = "EnricoMi/publish-unit-test-result-action"
    names = ("actions/download-artifact", publisher)
    runner = Runner(tmp_path, machine_environment(), {name: lambda _: {} for name in names}, other("schedule"))
    runner.job(JOBS["publish"], {})
    assert runner.used("actions/download-artifact")[0]["pattern"] == "e2e-results-*-1"
    [given] = runner.used(publisher)
    assert (given["fail_on"], given["comment_mode"], given["files"]) == ("nothing", "off", "e2e-results/*/*.xml")
    assert given["check_name"] != NAME


@pytest.mark.parametrize(
    ("gate_", "runtimes", "suite_", "published", "green"),
    [
        ("success", BOTH, "success", "success", True),
        ("success", BOTH, "success", "failure", True),
        ("success", "", "skipped", "skipped", True),
        ("success", BOTH, "failure", "success", False),
        ("success", BOTH, "cancelled", "success", False),
        ("success", BOTH, "skipped", "skipped", False),
        ("failure", "", "skipped", "skipped", False),
        ("cancelled", "", "skipped", "skipped", False),
        ("skipped", "", "skipped", "skipped", False),
    ],
)
def test_the_one_check(tmp_path: Path, gate_: str, runtimes: str, suite_: str, published: str, green: bool) -> None:
    """Green where the suite has passed or was not asked for; a job that was skipped though asked for is red."""
    assert JOBS["summary"]["if"] == "always()"
    assert JOBS["summary"]["needs"] == [name for name in JOBS if name != "summary"]
    needs: dict[str, Any] = {
        "gate": {"result": gate_, "outputs": {"runtimes": runtimes}},
        "suite": {"result": suite_},
        "publish": {"result": published},
    }
    runner = Runner(tmp_path, machine_environment(), github=other("schedule"))
    runner.job(JOBS["summary"], {"needs": needs})
    assert (runner.status == "success") is green, runner.ran[-1].output


def test_another_label_does_not_touch_the_check(tmp_path: Path) -> None:
    """A red check stays red: that run reports under another name, and judges nothing."""
    foreign = pull_request("labeled", LABEL, "docs", put="docs")
    assert filled(JOBS["summary"]["name"], {"github": foreign}) != NAME
    for github in (other("schedule"), pull_request("opened"), pull_request("labeled", LABEL, put=LABEL)):
        assert filled(JOBS["summary"]["name"], {"github": github}) == NAME
    skipped = {"result": "skipped", "outputs": {}}
    runner = Runner(tmp_path, machine_environment(), github=foreign)
    runner.job(JOBS["summary"], {"needs": dict.fromkeys(("gate", "suite", "publish"), skipped)})
    assert (runner.status, runner.ran) == ("success", [])
