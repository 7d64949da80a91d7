"""The sample suite with one thing wrong about its processes: red, soon, and by a message that names the cause."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.processes.ports import free_ports
from harness.settings import ROOT
from tests.e2e.machine import Machine

pytestmark = pytest.mark.e2e

PLATFORM = ROOT / "kwok" / "suites" / "platform"
KEPT = ("01-operator-installs", "03-node-heartbeat")  # what needs no object store
DYING = """
import os, threading, time
def die():
    print("cannot go on: out of memory", flush=True)
    with open(os.environ["DIED"], "w") as file:
        file.write(str(time.time()))
    os.kill(os.getpid(), 9)
threading.Timer(20, die).start()
"""
NEVER = {
    "name": "waits",
    "try": [
        {
            "assert": {
                "timeout": "300s",
                "resource": {
                    "apiVersion": "scoring.example.com/v1",
                    "kind": "ScoringNode",
                    "metadata": {"name": "stub", "namespace": "platform"},
                    "status": {"message": "what nobody writes"},
                },
            }
        }
    ],
}

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A copy of the sample suite with two of its cases, which wait for ten seconds at most."""
    folder = tmp_path / "platform"
    shutil.copytree(PLATFORM, folder)

    def fewer(document: dict[str, Any]) -> None:
        document["setup"] = [each for each in document["setup"] if each["name"] not in ("clips", "services")]
        document["processes"] = [each for each in document["processes"] if each["name"] in ("node-stub", "operator")]
        document["cases"] = [each for each in document["cases"] if each["name"] in KEPT]

    change(folder / "suite.yaml", fewer)
    for name in KEPT:
        case = folder / "cases" / name / "chainsaw-test.yaml"
        change(case, lambda test: test["spec"].update({"timeouts": {"assert": "10s"}}))
    return folder


def change(file: Path, how: Change) -> None:
    """Alter the documents of a YAML file in place."""
    documents = list(yaml.safe_load_all(file.read_text()))
    for document in documents:
        how(document)
    file.write_text(yaml.safe_dump_all(documents, sort_keys=False))


def run(machine: Machine, suite: Path) -> tuple[int, str]:
    """The exit code, and all that the command has said."""
    registry, git = free_ports(2, set())
    options = ("-o", "runtime=host", "-o", f"ports.registry={registry}", "-o", f"ports.git={git}")
    done = machine.run(*options, "suite", "run", str(suite))
    assert machine.processes() == []
    return done.returncode, done.stdout + done.stderr


def test_an_operator_that_is_killed_ends_the_case_at_once(machine: Machine, suite: Path, tmp_path: Path) -> None:
    """Within moments of its death, with its last words, while the case has minutes left to wait."""
    program = suite / "programs" / "scoring_operator.py"
    text, main = program.read_text(), 'if __name__ == "__main__":'
    program.write_text(text.replace(main, f"{DYING}\n{main}"))

    def dying(document: dict[str, Any]) -> None:
        for process in document["processes"]:
            if process["name"] == "operator":
                process["environment"] = {"DIED": str(tmp_path / "died")}

    change(suite / "suite.yaml", dying)
    change(suite / "cases" / KEPT[1] / "chainsaw-test.yaml", lambda test: test["spec"]["steps"].insert(2, NEVER))
    code, said = run(machine, suite)
    assert time.time() - float((tmp_path / "died").read_text()) < 30  # teardown included
    assert code not in (0, 12)
    assert "operator was killed by SIGKILL" in said
    assert "cannot go on: out of memory" in said


def test_a_rule_that_is_missing_is_red_as_in_a_pod(machine: Machine, suite: Path) -> None:
    """The operator may not list Pods: it is not ready, the message names its account, and no case is run."""

    def without(document: dict[str, Any]) -> None:
        if document["kind"] == "Role":
            document["rules"] = [rule for rule in document["rules"] if rule["resources"] != ["pods"]]

    def hasty(document: dict[str, Any]) -> None:
        for process in document["processes"]:
            process["within"] = "10s"

    for file in (suite / "manifests" / "access").glob("*.yaml"):
        change(file, without)
    change(suite / "suite.yaml", hasty)
    code, said = run(machine, suite)
    assert code == 12
    assert "operator runs, but" in said
    assert "system:serviceaccount:platform-system:operator" in said


def test_a_name_that_is_not_declared_is_told(machine: Machine, suite: Path) -> None:
    """The node is unhealthy, and the run says which name was asked for in vain."""

    def nameless(document: dict[str, Any]) -> None:
        for process in document["processes"]:
            if process["name"] == "node-stub":
                del process["names"]

    change(suite / "suite.yaml", nameless)
    code, said = run(machine, suite)
    assert code not in (0, 12)
    assert "no process is declared for: node-stub.platform.svc.cluster.local:8080" in said
