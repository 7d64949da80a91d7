"""Sweeps of real cells: side by side, interrupted, killed, and out of time."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from harness.exits import Exit
from harness.installers.flux import configuration as flux_configuration
from harness.processes.ports import free_ports
from tests.e2e.machine import Machine, wait_for

pytestmark = pytest.mark.e2e

LIMIT = 15.0  # seconds from a signal until everything is over; tests/benchmarks/interrupt.py measures the promised 5


@pytest.fixture
def machine(machine: Machine, tools: Callable[[str], Path]) -> Machine:
    """Flux's tools are ready, and the registry has a port that nobody else wants."""
    for name in ("registry", *flux_configuration.TOOLS):
        tools(name)
    machine.environment["KWOK_REGISTRY_HOST_PORT"] = str(free_ports(1, set())[0])
    return machine


def test_lanes_run_side_by_side_and_leave_nothing(machine: Machine) -> None:
    """helm and Flux at once, each on a cluster of its own; a recipe without nodes is skipped in a glob."""
    done = machine.run("sweep", "eks", "--deployer", "helm", "--deployer", "flux-oci", "--jobs", "2", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(done.stdout)
    assert [(cell["recipe"], cell["deployer"], cell["outcome"]["exit"]) for cell in results["cells"]] == [
        ("eks", "helm", 0),
        ("eks", "flux-oci", 0),
    ]
    assert len({cell["outcome"]["cluster"] for cell in results["cells"]}) == 2
    assert "2 cells, 2 side by side (--jobs)" in done.stderr
    reports = {f"kwok-{name}" for name in ("results.html", "results.json", "results.xml", "summary.md")}
    assert reports <= {file.name for file in machine.artifacts.iterdir()}
    assert not list(machine.artifacts.glob("kwok-debug-*"))
    assert machine.processes() == []
    assert machine.clusters() == []


@pytest.mark.parametrize(
    ("number", "code", "moment"),
    [
        (signal.SIGINT, Exit.INTERRUPTED, "eks/helm: started"),
        (signal.SIGTERM, Exit.TERMINATED, None),
    ],
    ids=["boot", "later"],
)
def test_an_interrupt_leaves_results_and_evidence_and_nothing_else(
    machine: Machine, number: signal.Signals, code: Exit, moment: str | None
) -> None:
    """In seconds: the code, a result for every cell, evidence of those that ran, no process, no cluster."""
    words = ("sweep", "eks", "eks-training", "-d", "helm", "-d", "flux-oci", "--jobs", "2")
    child = machine.start(*words)
    wait_for(child, moment or "eks/flux-oci: started")
    time.sleep(0.5 if moment else 5)
    begun = time.monotonic()
    os.kill(child.pid, number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == code, out + err
    assert time.monotonic() - begun < LIMIT
    assert "Traceback" not in out + err
    assert machine.processes() == []
    assert machine.clusters() == []
    cells = json.loads((machine.artifacts / "kwok-results.json").read_text())["results"]["tests"]
    assert len(cells) == 4
    assert [each.name for each in machine.artifacts.glob("kwok-debug-*/run.json")]


def test_what_a_killed_sweep_leaves_is_cleaned(machine: Machine) -> None:
    """kill -9 of the harness: its cells end by themselves; kill -9 of them too: the next start takes the rest down."""
    child = machine.start("sweep", "eks", "eks-training", "--jobs", "2")
    wait_for(child, "eks-training/helm: started")
    time.sleep(4)
    below = psutil.Process(child.pid).children(recursive=True)
    survivor, *others = [each for each in below if "forkserver" in " ".join(each.cmdline())][1:]
    for each in others:
        each.kill()
    os.kill(child.pid, signal.SIGKILL)
    child.communicate(timeout=60)
    survivor.wait(30)
    assert len(machine.clusters()) == 1, "the worker that lived took its own cluster down"
    done = machine.run("sweep", "eks")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "was left by a run that was killed" in done.stderr
    assert machine.processes() == []
    assert machine.clusters() == []


def test_a_job_without_time_left_starts_no_cluster(machine: Machine, tmp_path: Path) -> None:
    """$KWOK_SYNC_DEADLINE_EPOCH is near: every cell is 50 with that reason, three of them end the sweep."""
    machine.environment["KWOK_SYNC_DEADLINE_EPOCH"] = str(int(time.time()) + 60)
    machine.environment["KWOK_RESULTS_FILE"] = str(tmp_path / "mine" / "cells.json")
    done = machine.run("sweep", "--recipes", "eks*", "--jobs", "1", "--deployer", "all", "--json")
    assert done.returncode == Exit.SYNC_DEADLINE, done.stdout + done.stderr
    cells = [cell for cell in json.loads(done.stdout)["cells"] if cell["outcome"]]
    assert {cell["outcome"]["exit"] for cell in cells} == {50}
    assert "the job's own deadline leaves" in cells[0]["outcome"]["reason"]
    assert all(phase["name"] != "cluster" for cell in cells for phase in cell["outcome"]["phases"])
    assert (tmp_path / "mine" / "cells.json").is_file()
