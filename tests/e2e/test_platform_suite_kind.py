"""The sample suite on Kind: its pods run on the real node, and every step of every case is judged."""

import json
from pathlib import Path

import pytest

from harness.processes.ports import free_ports
from kwok.engine.client import Engine
from kwok.engine.references import OWN_HOST
from tests.e2e.machine import Machine
from tests.e2e.test_platform_suite_e2e import CASES, PLATFORM, gone

pytestmark = [pytest.mark.e2e, pytest.mark.kind]

IMAGES = [f"{OWN_HOST}/{name}:1" for name in ("platform", "http-stub", "s3")]


@pytest.fixture(autouse=True)
def images(engine: Engine) -> None:
    if missing := [name for name in IMAGES if engine.image(name) is None]:
        pytest.skip(f"NOT TESTED HERE: the engine has no {', '.join(missing)} (make suite-images)")


def test_every_step_of_every_case_is_real(machine: Machine, tmp_path: Path) -> None:
    """Workers score, the trainer's checkpoint is in the registry, a stopped stub is noticed; nothing is left."""
    registry, git = free_ports(2, set())
    options = ["-o", f"ports.registry={registry}", "-o", f"ports.git={git}"]
    reports = ["--report", "CTRF", "--report-path", str(tmp_path / "reports")]
    done = machine.run(*options, "suite", "run", str(PLATFORM), "--runtime", "kind", *reports, limit=600)
    assert done.returncode == 0, done.stdout + done.stderr
    tests = json.loads((tmp_path / "reports" / "e2e-ctrf.json").read_text())["results"]["tests"]
    assert {test["name"].removeprefix("platform[").rstrip("]"): test["status"] for test in tests} == dict.fromkeys(
        CASES, "passed"
    )
    assert not [step["name"] for test in tests for step in test["steps"] if step["status"] != "passed"]
    [evidence] = machine.artifacts.glob("kwok-debug-suite-platform-*")
    said = [file.read_text() for file in (evidence / "artifacts" / CASES[1] / "worker-scores").rglob("logs/*.log")]
    assert said
    gone(machine)
