"""The lanes that deliver from a registry, on real controllers: recipes pass, and what breaks is told with its code."""

import json
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from harness.exits import Exit
from harness.processes import daemons
from harness.processes.ports import free_ports
from tests.e2e.machine import LIMIT, Machine, wait_for
from tests.e2e.short_recipes import shorten
from tests.e2e.whole_recipe import passes

pytestmark = pytest.mark.e2e

LANES = ("argocd-oci", "argocd-helm-oci", "flux-oci")
LEFT = {  # the documented names of what each family of controllers leaves
    "argocd-oci": ("argo-apps.yaml", "argo-reposerver.log", "argo-appcontroller.log"),
    "flux-oci": (
        *("flux-resources.yaml", "flux-source-controller.log", "flux-kustomize-controller.log"),
        *("flux-helm-controller.log", "flux-source-watcher.log"),
    ),
}


@pytest.fixture(autouse=True)
def infrastructure(machine: Machine, tools: Callable[[str], Path]) -> None:
    """The lanes' own tools are ready, and the registry has a port that nobody else wants."""
    for name in ("registry", "redis", "kustomize", "argocd", "source-controller", "kustomize-controller"):
        tools(name)
    tools("helm-controller")
    tools("source-watcher")
    machine.environment["KWOK_REGISTRY_HOST_PORT"] = str(free_ports(1, set())[0])


@pytest.fixture
def listener(machine: Machine) -> Iterator[socket.socket]:
    """Somebody else on the registry's port."""
    with socket.create_server(("127.0.0.1", int(machine.environment["KWOK_REGISTRY_HOST_PORT"]))) as server:
        yield server


def service(machine: Machine, name: str) -> int:
    """The pid of a service of the one cluster that is up."""
    [record] = machine.state.glob(f"kwok-harness/clusters/*/services/{name}/service.json")
    return int(json.loads(record.read_text())["identity"]["pid"])


def cluster(evidence: Path) -> str:
    return str(json.loads((evidence / "run.json").read_text())["cluster"])


def first_cause(machine: Machine) -> dict[str, str]:
    """As the one failed run's evidence has it."""
    found: dict[str, str] = json.loads((machine.evidence() / "run.json").read_text())["cause"]
    return found


@pytest.mark.parametrize("lane", LANES)
def test_a_recipe_passes_and_leaves_nothing(machine: Machine, lane: str) -> None:
    """The same workloads on the same nodes as under helm; afterwards no process and no cluster."""
    phases = {"infrastructure", "pack", "push", "sync", "verify"}
    story = passes(machine, lane, digest=r"sha256:[0-9a-f]{64}", phases=phases)
    if lane == "flux-oci":
        assert re.search(r"HelmRelease flux-system/training-job nudged: what it depends on is ready", story)


def test_the_same_recipe_has_the_same_digest(machine: Machine, data: Path) -> None:
    """Two runs on two clusters push the same bytes under the same tag."""
    shorten(data, {"base": ("nfd", "cert-manager", "prometheus-operator-crds"), "eks": ()})
    machine.environment["KWOK_RECIPES"] = str(data)
    digests = set()
    for _ in range(2):
        done = machine.run("run", "eks", "--deployer", "flux-oci", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        digests.add(json.loads(done.stdout)["facts"]["digest"])
    assert len(digests) == 1


@pytest.mark.parametrize("lane", ["argocd-oci", "flux-oci"])
def test_a_pod_that_fits_nowhere_ends_the_sync_early(machine: Machine, lane: str) -> None:
    """The controllers would wait for minutes; the scheduler's refusal ends it, explained as under helm."""
    words = ("--set", "gpu-operator:operator.resources.requests.cpu=1000")
    done = machine.run("run", "eks", "--deployer", lane, *words)
    assert done.returncode == 1, done.stdout
    assert "Deployment gpu-operator/gpu-operator" in done.stdout
    assert "needs cpu 1000, has 16" in done.stdout
    evidence = machine.evidence()
    left = {each.name.removeprefix(f"{cluster(evidence)}-"): each for each in evidence.iterdir()}
    assert {"summary.txt", "run.jsonl", "registry.log", *LEFT[lane]} <= left.keys()
    assert not evidence.joinpath("services-logs").exists()
    for name, file in left.items():
        if name.endswith(".log"):
            assert 0 < len(file.read_text().splitlines()) <= (200 if name == "registry.log" else 500), name
            assert name in (evidence / "summary.txt").read_text()
    kinds = {item["kind"] for item in yaml.safe_load(left[LEFT[lane][0]].read_text())["items"]}
    assert kinds >= ({"Application", "AppProject"} if lane == "argocd-oci" else {"OCIRepository", "HelmRelease"})
    assert "AGE" in left["pods.txt"].read_text()
    cause = first_cause(machine)
    assert (cause["kind"], cause["subject"]) == ("schedule", "Deployment gpu-operator/gpu-operator")
    assert "needs cpu 1000, has 16" in cause["message"]


@pytest.mark.parametrize(
    ("lane", "setting", "subject"),
    [
        ("argocd-oci", "deadlines.argocd_sync=8s", "Application argocd/"),
        ("flux-oci", "deadlines.flux_sync=8s", "flux-system/"),
    ],
)
def test_the_sync_deadline_is_50_and_says_what_was_missing(
    machine: Machine, lane: str, setting: str, subject: str
) -> None:
    """The object that was waited for and its last condition, not just that time is up."""
    done = machine.run("-o", setting, "run", "eks-training", "--deployer", lane)
    assert done.returncode == Exit.SYNC_DEADLINE, done.stdout
    assert re.search(r"after [78]\.\d s: ", done.stdout), done.stdout
    assert subject in done.stdout, done.stdout
    assert "last change:" in done.stdout, done.stdout
    assert first_cause(machine)["kind"] == "deadline"


@pytest.mark.usefixtures("listener")
def test_a_taken_port_is_20_and_says_by_whom(machine: Machine) -> None:
    """Before anything is pushed: who holds the port, and which variable chooses another."""
    done = machine.run("run", "eks", "--deployer", "flux-oci")
    assert done.returncode == Exit.REGISTRY_NOT_READY, done.stdout
    assert f"the port is taken by process {os.getpid()}" in done.stdout
    assert "KWOK_REGISTRY_HOST_PORT" in done.stdout
    assert first_cause(machine)["kind"] == "registry"
    assert machine.clusters() == []


@pytest.mark.parametrize(
    ("lane", "name"),
    [
        ("flux-oci", "source-watcher"),
        ("flux-oci", "registry"),
        ("argocd-oci", "argocd-repo-server"),
        ("argocd-oci", "argocd-application-controller"),
    ],
)
def test_a_controller_that_dies_is_told_at_once(machine: Machine, lane: str, name: str) -> None:
    """With its last words, in seconds and not at the deadline; and nothing is left of the others."""
    child = machine.start("run", "eks-training", "--deployer", lane)
    wait_for(child, "sync: started")
    os.kill(service(machine, name), signal.SIGKILL)
    out, err = child.communicate(timeout=LIMIT)
    assert child.returncode == 1, out + err
    assert name in out
    assert "Its last words" in out
    kind = "registry" if name == "registry" else "infrastructure"
    assert first_cause(machine) == {"kind": kind, "subject": name, "message": f"{name} was killed by SIGKILL."}
    [sync] = [line for line in out.splitlines() if line.startswith("sync ")]
    assert float(sync.split()[1]) < 15
    assert machine.processes() == []
    assert machine.clusters() == []


@pytest.mark.parametrize(("lane", "phase"), [("helm", "install"), ("flux-oci", "sync")])
def test_an_api_server_that_dies_is_told_within_seconds(machine: Machine, lane: str, phase: str) -> None:
    """Whatever failed for want of it, and not at a deadline: it is the cluster that ended, and nobody's chart."""
    child = machine.start("run", "eks-training", "--deployer", lane)
    wait_for(child, f"{phase}: started")
    [pid] = machine.state.glob("kwok-harness/clusters/*/pids/kube-apiserver.pid")
    os.kill(int(pid.read_text(encoding="utf-8")), signal.SIGKILL)
    out, err = child.communicate(timeout=LIMIT)
    assert child.returncode == Exit.FAILURE, out + err
    assert "kube-apiserver" in out
    assert "Its last words" in out
    assert first_cause(machine)["subject"] == "kube-apiserver"
    assert first_cause(machine)["kind"] == "infrastructure"
    [line] = [line for line in out.splitlines() if line.startswith(f"{phase} ")]
    assert float(line.split()[1]) < 60
    assert machine.processes() == []
    assert machine.clusters() == []


def test_an_interrupt_leaves_no_controller(machine: Machine) -> None:
    """Ctrl-C during the sync: 130, and neither the control plane nor a controller is left."""
    child = machine.start("run", "eks-training", "--deployer", "argocd-oci")
    wait_for(child, "sync: started")
    os.kill(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == Exit.INTERRUPTED, out + err
    assert "Traceback" not in out + err
    assert machine.processes() == []
    assert daemons.mentioning(machine.state) == []


def test_no_second_of_a_cell_is_unaccounted_for(machine: Machine) -> None:
    """From the boot through the releases, one after the other, to the verdict; offline the same as at its end."""
    done = machine.run("run", "eks", "--deployer", "flux-oci", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = json.loads(done.stdout)
    path = outcome["facts"]["critical path"]
    hops = path["hops"]
    assert [hop["begun"] for hop in hops[1:]] == [hop["ended"] for hop in hops[:-1]]
    teardown = next(phase for phase in outcome["phases"] if phase["name"] == "teardown")
    assert hops[-1]["ended"] == pytest.approx(teardown["begun"], abs=2.0)  # the recording is closed and copied between
    assert sum(path["shares"].values()) == pytest.approx(path["seconds"], abs=0.01)
    assert all(path["shares"][whose] > 0 for whose in ("ours", "deployer"))
    told = [(hop["what"], hop["cause"]) for hop in hops]
    assert any(cause == "our boot" for _, cause in told)
    assert any(what.startswith("HelmRelease ") for what, _ in told)
    # What delivered and what was delivered have to stand once, together, at the end.
    settled = sum(hop["ended"] - hop["begun"] for hop in hops if hop["cause"].startswith("our settle"))
    assert 2.0 <= settled < 4.0
    offline = machine.run("explain", outcome["runId"], "--critical-path", "--json")
    assert offline.returncode == 0, offline.stderr
    assert [(hop["what"], hop["cause"]) for hop in json.loads(offline.stdout)["hops"]] == told
    shown = machine.run("explain", outcome["runId"], "--critical-path").stdout
    assert f"ours: {path['shares']['ours']:.1f} s of {path['seconds']:.1f} s" in shown
