"""`make conformance`: the inference stack on a real control plane, judged by the AI-conformance suite in our runner."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.settings import ROOT
from tests.e2e.machine import Machine

pytestmark = pytest.mark.e2e

LIMIT = 420.0  # seconds for cell and suite: less than the ten minutes of the assert that must not be waited for
WITHOUT_WORKLOADS = {"kgateway-crds", "dynamo-crds", "nodewright-profiles"}
LEFT_OUT = "aws-ebs-csi-driver"


def environment_of(home: Path) -> Path:
    """A virtual environment as the Makefile wants it, whose command is the one under test."""
    program = home / "bin" / "kwok-harness"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m harness "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    (home / ".ready").touch()
    return home


def operations(test: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for step in test["steps"] for operation in step["extra"]["operations"]]


def test_the_target_deploys_the_stack_and_judges_it_by_both_parts(tools: Callable[[str], Path], tmp_path: Path) -> None:
    """Workloads are simulated, never passed; the ClusterPolicy is skipped at once; the rest has passed."""
    tools("helm")
    machine, reports = Machine(tmp_path / "m"), tmp_path / "reports"
    words = ["make", "conformance", f"VENV={environment_of(tmp_path / 'venv')}", f"REPORTS={reports}"]
    environment = {**machine.environment, "RUNTIME": "host", "MAKEFLAGS": ""}
    try:
        done = subprocess.run(
            words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        machine.run("down", "--all")
    found = json.loads((reports / "ai-conformance-ctrf.json").read_text(encoding="utf-8"))["results"]["tests"]
    tests = {test["name"].rpartition("[")[2].rstrip("]"): test for test in found}
    cluster = {path.name for path in (ROOT / "kwok/suites/ai-conformance/cluster").iterdir() if path.is_dir()}
    assert set(tests) == {"recipe", "bundle"} | cluster
    passed = {"recipe", "bundle", LEFT_OUT} | WITHOUT_WORKLOADS
    assert {name for name, test in tests.items() if test["rawStatus"] == "passed"} == passed
    assert {test["rawStatus"] for name, test in tests.items() if name not in passed} == {"simulated"}
    every = [operation for test in tests.values() for operation in operations(test)]
    workloads = [operation for operation in every if operation.get("proof") == "execution"]
    assert len(workloads) > 30
    assert {operation["status"] for operation in workloads} == {"simulated"}
    [policy] = [operation for operation in every if operation["status"] == "skipped"]
    assert policy["objects"] == ["ClusterPolicy cluster-policy"]
    assert policy["message"] == "no controller of nvidia.com runs on simulated nodes: nothing writes this status"
    assert {path.suffix for path in reports.iterdir()} == {".html", ".json", ".xml"}
