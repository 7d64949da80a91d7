"""Real misfortunes of a Kind cluster in the middle of a lane, and machines that lack something: each with its code."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.exits import Exit
from kwok.engine.client import Engine
from tests.e2e.machine import Machine, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.kind]

PORT = "5550"
NODE = "test-control-plane"
SOON = 60.0  # seconds until a cell has noticed, taken evidence and given back what is left


@pytest.fixture(scope="module")
def machine(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A user's machine, whose cluster is gone after the tests."""
    made = Machine(tmp_path_factory.mktemp("machine"))
    made.environment |= {"RUNTIME": "kind", "KWOK_REGISTRY_HOST_PORT": PORT, "KWOK_DEADLINES_CLUSTER_READY": "5m"}
    yield made
    made.run("down", "--all")


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


def ended(child: "subprocess.Popen[str]", since: float) -> str:
    """What a command printed, which ends soon."""
    out, err = child.communicate(timeout=SOON)
    print(f"ended after {time.monotonic() - since:.1f} s")
    return out + err


def test_an_engine_that_does_not_run_is_told_at_once(machine: Machine, tmp_path: Path) -> None:
    """Code 10, which sockets were tried, and what to do without one. Nothing was begun."""
    machine.environment["DOCKER_HOST"] = f"unix://{tmp_path}/nowhere.sock"
    try:
        done = machine.run("run", "eks", "-d", "helm")
    finally:
        del machine.environment["DOCKER_HOST"]
    assert done.returncode == Exit.SETTINGS
    assert "nowhere.sock" in done.stderr
    assert "RUNTIME=host" in done.stderr
    assert not machine.artifacts.exists()


def test_a_port_that_is_taken_is_told_before_anything_is_created(machine: Machine) -> None:
    """Code 20, and who has it."""
    with socket.create_server(("127.0.0.1", int(PORT))):
        done = machine.run("run", "eks", "-d", "helm")
    assert done.returncode == Exit.REGISTRY_NOT_READY
    assert f"process {os.getpid()}" in done.stderr + done.stdout
    assert NODE not in docker("ps", "--all")


def test_an_image_that_cannot_be_had_is_told_before_anything_is_created(machine: Machine) -> None:
    """Code 10, which one, why, and three ways out."""
    done = machine.run("-o", "images.kwok=kwok-harness.invalid/kwok:1", "up")
    assert done.returncode == Exit.SETTINGS
    for text in ("kwok (kwok-harness.invalid/kwok:1)", "images load", "make kind-images", "RUNTIME=host"):
        assert text in done.stderr
    assert NODE not in docker("ps", "--all")


@pytest.mark.parametrize("lane", ["flux-oci", "helm"])
def test_a_node_that_is_killed_ends_the_cell(machine: Machine, lane: str) -> None:
    """In seconds, and it says so; what is left goes, and the next run makes a new cluster."""
    child = machine.start("run", "eks", "-d", lane)
    wait_for(child, "✓ push" if lane == "flux-oci" else "release .*: started")
    time.sleep(1)
    killed = time.monotonic()
    docker("kill", "--signal", "KILL", NODE)
    told = ended(child, killed)
    assert child.returncode == Exit.FAILURE, told
    assert "stopped with exit code 137" in told
    assert "Traceback" not in told
    assert NODE not in docker("ps", "--all")
    evidence = re.search(r"^evidence: (/.*)$", told, re.MULTILINE)
    assert evidence is not None
    assert Path(evidence[1], "run.json").is_file()


def test_a_node_without_room_on_its_disk_takes_no_controller(machine: Machine) -> None:
    """The kubelet says that its disk is full, so the registry gets no node: code 20, and the reason is the disk."""
    assert machine.run("up").returncode == Exit.OK
    # "Full" by what the kubelet is told to take for it; everything after that is its own doing. 100% would mean never.
    full = "s/nodefs.available: .*/nodefs.available: 99%/"
    docker("exec", NODE, "sed", "-i", full, "/var/lib/kubelet/config.yaml")
    docker("exec", NODE, "systemctl", "restart", "kubelet")
    time.sleep(15)  # it looks each ten seconds
    child = machine.start("run", "eks", "-d", "flux-oci")
    told = ended(child, time.monotonic())
    assert child.returncode == Exit.REGISTRY_NOT_READY, told
    assert f"node {NODE} has taint node.kubernetes.io/disk-pressure" in told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_cell_takes_its_cluster_down(machine: Machine, number: signal.Signals) -> None:
    """In seconds: results are told, evidence is there, no container is left."""
    child = machine.start("run", "eks", "-d", "flux-oci")
    wait_for(child, "infrastructure: started")
    time.sleep(3)
    begun = time.monotonic()
    os.kill(child.pid, number)
    told = ended(child, begun)
    assert child.returncode == (Exit.INTERRUPTED if number is signal.SIGINT else Exit.TERMINATED), told
    assert time.monotonic() - begun < 10
    assert "Traceback" not in told
    assert NODE not in docker("ps", "--all")
