"""The scripts of the action, with a harness that only tells how it was started."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.fakes.github_jobs import TEST

Script = Callable[..., subprocess.Popen[str]]
TOLD = """\
#!/usr/bin/env bash
printf '%s\\n' "$@" > "$RUNNER_TEMP/words"
env > "$RUNNER_TEMP/environment"
exit ${CODE:-0}
"""
STUBBORN = """\
#!/usr/bin/env bash
trap 'sleep 0.3; exit 143' TERM
touch "$RUNNER_TEMP/words"
while :; do sleep 0.05; done
"""
RUN = {"CELLS": "", "RECIPES": "", "LANES": "helm", "SHARD": "", "RECIPES_DIRECTORY": "", "RUNTIME": "host"}


def heard() -> None:
    """Steps hear SIGINT, though it may be ignored where the tests were started: a shell could not undo that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Script]:
    """Start one of the scripts as a step of GitHub's does, with such an environment."""
    harness = tmp_path / "harness"
    children = contextlib.ExitStack()

    def started(name: str, environment: Mapping[str, str], program: str = TOLD) -> subprocess.Popen[str]:
        harness.write_text(program)
        harness.chmod(0o755)
        output = tmp_path / "output"
        output.write_text("")
        files = {"GITHUB_OUTPUT": str(output), "RUNNER_TEMP": str(tmp_path), "HARNESS": str(harness)}
        child = subprocess.Popen(
            [TEST / name],
            env={"PATH": os.environ["PATH"], **files, **environment},
            stdout=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            preexec_fn=heard,
        )
        children.enter_context(child)
        children.callback(child.kill)
        return child

    with children:
        yield started


def outputs(directory: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (directory / "output").read_text().splitlines())


def words(directory: Path) -> list[str]:
    return [word for word in (directory / "words").read_text().splitlines() if not word.startswith("--results=")]


@pytest.mark.parametrize(("minutes", "left"), [("6", 120), ("15", 660), ("360", 21360)])
def test_the_deadline_is_the_jobs_less_four_minutes(start: Script, tmp_path: Path, minutes: str, left: int) -> None:
    """In seconds since 1970."""
    before = int(time.time())
    assert start("deadline.sh", {"MINUTES": minutes}).wait(10) == 0
    assert before + left <= int(outputs(tmp_path)["epoch"]) <= time.time() + left


@pytest.mark.parametrize("minutes", ["", "5", "0", "08", "-6", "6.5", "six", "6\n::stop-commands::x", "$(id)", "99999"])
def test_a_deadline_that_is_none_is_refused(start: Script, tmp_path: Path, minutes: str) -> None:
    """One line says so; a line break in it begins no command of the workflow's."""
    child = start("deadline.sh", {"MINUTES": minutes})
    out, _ = child.communicate(timeout=10)
    assert child.returncode == 64
    assert out.startswith("::error::job-timeout-minutes is ")
    assert len(out.splitlines()) == 1
    assert outputs(tmp_path) == {}


@pytest.mark.parametrize(
    ("inputs", "expected", "name"),
    [
        ({"CELLS": "eks/helm"}, ["sweep", "--cells=eks/helm", "--"], "eks-helm"),
        (
            {"CELLS": "a/helm  b/flux-oci\nc/helm"},
            ["sweep", "--cells=a/helm", "--cells=b/flux-oci", "--cells=c/helm", "--"],
            "a-helm-and-2-more",
        ),
        ({"RECIPES": "eks"}, ["sweep", "--deployer=helm", "--", "eks"], "eks-helm"),
        (
            {"RECIPES": "eks aks", "LANES": "helm flux-oci"},
            ["sweep", "--deployer=helm", "--deployer=flux-oci", "--", "eks", "aks"],
            "eks-aks-helm-flux-oci",
        ),
        ({"SHARD": "2/5"}, ["sweep", "--deployer=helm", "--shard=2/5", "--"], "all-helm-shard-2-of-5"),
        ({"RECIPES": "* --help"}, ["sweep", "--deployer=helm", "--", "*", "--help"], "----help-helm"),
        ({"RECIPES": "$(id);`id`"}, ["sweep", "--deployer=helm", "--", "$(id);`id`"], "--id---id--helm"),
    ],
    ids=["cell", "cells", "recipe", "recipes", "shard", "option", "shell"],
)
def test_inputs_become_words(
    start: Script, tmp_path: Path, inputs: Mapping[str, str], expected: list[str], name: str
) -> None:
    """And the name of the artifacts. Whatever an input holds, it is a value: no option, no file name, no command."""
    assert start("run.sh", {**RUN, **inputs}).wait(10) == 0
    assert words(tmp_path) == expected
    assert outputs(tmp_path)["name"] == name


def test_results_and_evidence_have_one_place_for_each_use(start: Script, tmp_path: Path) -> None:
    """Two uses in a job do not share it; the recipes' directory is handed on, and only where there is one."""
    assert start("run.sh", {**RUN, "RECIPES_DIRECTORY": "deploy/recipes"}).wait(10) == 0
    first = outputs(tmp_path)
    environment = (tmp_path / "environment").read_text().splitlines()
    assert f"KWOK_DEBUG_ARTIFACTS_DIR={first['directory']}" in environment
    assert "KWOK_RECIPES=deploy/recipes" in environment
    assert first["results"] == f"{first['directory']}/kwok-results.json"
    assert start("run.sh", RUN).wait(10) == 0
    assert outputs(tmp_path)["directory"] != first["directory"]
    assert "KWOK_RECIPES" not in (tmp_path / "environment").read_text()


def test_the_exit_code_is_the_harnesss(start: Script, tmp_path: Path) -> None:
    """As an output too, for steps that come after a failure."""
    assert start("run.sh", {**RUN, "CODE": "50"}).wait(10) == 50
    assert outputs(tmp_path)["exit-code"] == "50"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_job_waits_for_the_harness(start: Script, tmp_path: Path, number: signal.Signals) -> None:
    """GitHub signals the step's shell only; the harness is told, and its code is that of the step."""
    child = start("run.sh", RUN, STUBBORN)
    until = time.monotonic() + 10
    while not (tmp_path / "words").exists() and time.monotonic() < until:
        time.sleep(0.02)
    child.send_signal(number)
    assert child.wait(10) == 143
    assert outputs(tmp_path)["exit-code"] == "143"
    assert outputs(tmp_path)["directory"]


@pytest.mark.parametrize("runtime", ["host", "kind", "auto"])
def test_the_runtime_is_handed_on(start: Script, tmp_path: Path, runtime: str) -> None:
    """As the variable that the harness reads."""
    assert start("run.sh", {**RUN, "RUNTIME": runtime}).wait(10) == 0
    assert f"RUNTIME={runtime}" in (tmp_path / "environment").read_text().splitlines()


@pytest.mark.parametrize("runtime", ["", "docker", "kind host"])
def test_a_runtime_that_there_is_not_is_refused(start: Script, tmp_path: Path, runtime: str) -> None:
    """Said, instead of running on something else than was asked for."""
    child = start("run.sh", {**RUN, "RUNTIME": runtime})
    out, _ = child.communicate(timeout=10)
    assert child.returncode == 64
    assert "there are host, kind and auto" in out
    assert not (tmp_path / "words").exists()
