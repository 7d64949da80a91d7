"""The sample suite on the host runtime: green as it stands, and red where what it asserts is not so.

What is wrong about its processes: test_platform_suite_processes_e2e.py.
"""

import json
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from harness.exits import Exit
from harness.processes.ports import free_ports
from harness.settings import ROOT
from tests.e2e.machine import Machine

pytestmark = pytest.mark.e2e

PLATFORM = ROOT / "kwok" / "suites" / "platform"
CASES = ["01-operator-installs", "02-job-creates-pod", "03-node-heartbeat", "04-fetch-and-score", "05-trainer"]
ON_HOST = {CASES[0]: "passed", CASES[1]: "skipped", CASES[2]: "passed", CASES[3]: "skipped", CASES[4]: "passed"}

Change = Callable[[Any], None]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    folder = tmp_path / "platform"
    shutil.copytree(PLATFORM, folder)
    return folder


def change(file: Path, how: Change) -> None:
    """Alter the document of a YAML file in place."""
    document = yaml.safe_load(file.read_text())
    how(document)
    file.write_text(yaml.safe_dump(document, sort_keys=False))


def only(folder: Path, *names: str) -> None:
    """Leave these cases, and those that they need."""
    kept = {CASES[0], *names}
    change(folder / "suite.yaml", lambda suite: suite.update(cases=[e for e in suite["cases"] if e["name"] in kept]))


def steps_of(folder: Path, case: str, how: Callable[[list[dict[str, Any]]], None]) -> None:
    change(folder / "cases" / case / "chainsaw-test.yaml", lambda test: how(test["spec"]["steps"]))


def words(suite: Path, reports: Path) -> list[str]:
    registry, git = free_ports(2, set())
    options = ["-o", "runtime=host", "-o", f"ports.registry={registry}", "-o", f"ports.git={git}"]
    formats = ["--report", "JUNIT-STEP", "--report", "CTRF"]
    return [*options, "suite", "run", str(suite), *formats, "--report-path", str(reports)]


def run(machine: Machine, suite: Path, reports: Path) -> tuple[int, str]:
    """The exit code, and all that the command has said; nothing of it is left."""
    done = machine.run(*words(suite, reports))
    gone(machine)
    return done.returncode, done.stdout + done.stderr


def gone(machine: Machine) -> None:
    assert machine.processes() == []
    assert machine.clusters() == []


def test_the_sample_suite_is_green_but_for_the_declared_skips(machine: Machine, suite: Path, tmp_path: Path) -> None:
    """Three cases are judged in full, of two the half that held pods can show; reports and artifacts are there."""
    code, said = run(machine, suite, tmp_path / "reports")
    assert code == 0, said
    document = json.loads((tmp_path / "reports" / "e2e-ctrf.json").read_text())
    assert {
        test["name"].removeprefix("platform[").rstrip("]"): test["status"] for test in document["results"]["tests"]
    } == ON_HOST
    junit = ET.fromstring((tmp_path / "reports" / "e2e.xml").read_text())  # noqa: S314 - our own file
    assert [each.get("name") for each in junit.iter("testsuite")][-5:] == CASES
    assert "needs-execution" in "".join(each.get("message") or "" for each in junit.iter("skipped"))
    [evidence] = machine.artifacts.glob("kwok-debug-suite-platform-*")
    folder = evidence / "artifacts" / CASES[2]
    assert (folder / "create-node" / "applied.yaml").is_file()
    assert (folder / "node-is-healthy" / "asserted-after.yaml").is_file()
    assert "only-in-this-suite" not in "".join(each.read_text() for each in folder.rglob("*.yaml"))


def test_another_digest_in_the_registry_is_red(machine: Machine, suite: Path, tmp_path: Path) -> None:
    """The registry has a checkpoint, and not the one that is asked for."""
    only(suite, CASES[4])

    def other(steps: list[dict[str, Any]]) -> None:
        for operation in steps[-1]["try"]:
            if "artifact" in operation:
                operation["artifact"].update(reference=f"sha256:{'0' * 64}", timeout="3s")

    steps_of(suite, CASES[4], other)
    code, said = run(machine, suite, tmp_path / "reports")
    assert code == Exit.FAILURE
    assert "registry-has-the-checkpoint" in said
    assert "sha256:0000" in said


def test_an_altered_fixture_ends_the_set_up(machine: Machine, suite: Path, tmp_path: Path) -> None:
    """What is made is not what is declared: code 12, both digests, and no case is run."""

    def altered(document: dict[str, Any]) -> None:
        for step in document["setup"]:
            if "fixtures" in step:
                step["fixtures"]["files"][0]["sha256"] = "1" * 64

    change(suite / "suite.yaml", altered)
    code, said = run(machine, suite, tmp_path / "reports")
    assert code == Exit.SUITE_SET_UP
    assert "1" * 64 in said
    assert "not run: set-up step clips failed" in said


def test_a_pod_that_is_set_to_succeeded_by_hand_is_red(machine: Machine, suite: Path, tmp_path: Path) -> None:
    """Nothing ran, whatever the operator makes of it."""
    only(suite, CASES[1])
    status = {"phase": "Succeeded"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tiny-worker", "namespace": "platform"}}
    patch = {"name": "by-hand", "try": [{"patch": {"subresource": "status", "resource": {**pod, "status": status}}}]}
    steps_of(suite, CASES[1], lambda steps: steps.insert(3, patch))
    code, said = run(machine, suite, tmp_path / "reports")
    assert code == Exit.FAILURE
    assert "Pod platform/tiny-worker is Succeeded, written by kwok-harness" in said


def test_simulated_pods_prove_nothing(machine: Machine, suite: Path, tmp_path: Path) -> None:
    """With `pods: simulate` an assert on Succeeded is skipped at once, and red, since nobody declared it."""
    only(suite, CASES[1])
    change(suite / "suite.yaml", lambda document: document["cluster"].update(pods="simulate"))

    def undeclared(document: Any) -> None:
        for case in document["cases"]:
            case.pop("skips", None)

    change(suite / "suite.yaml", undeclared)
    code, said = run(machine, suite, tmp_path / "reports")
    assert code == Exit.FAILURE
    assert "no skip is declared for it on the runtime host" in said


@pytest.mark.parametrize("place", ["set-up", "case"])
def test_an_interrupt_leaves_nothing(machine: Machine, suite: Path, tmp_path: Path, place: str) -> None:
    """What always runs does, the reports are written, and cluster and processes are gone."""
    missing = {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "default", "name": "never"}
    if place == "set-up":
        waits = {"name": "waits", "timeout": "300s", "wait": missing}
        change(suite / "suite.yaml", lambda document: document["setup"].insert(1, waits))
        sign = "set-up waits"
    else:
        only(suite)
        asserted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "default", "name": "never"}}
        step = {"name": "waits", "try": [{"assert": {"timeout": "300s", "resource": asserted}}]}
        steps_of(suite, CASES[0], lambda steps: steps.insert(0, step))
        sign = f"test {CASES[0]}"
    child = machine.start(*words(suite, tmp_path / "reports"))
    lines: list[str] = []
    assert child.stderr is not None
    for line in child.stderr:
        lines.append(line)
        if sign in line:
            break
    time.sleep(1.0)  # it waits by then
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=90)
    assert child.returncode == Exit.INTERRUPTED, "".join(lines) + err
    assert "the run was interrupted" in out
    assert (tmp_path / "reports" / "e2e.xml").is_file()
    gone(machine)
