"""The lanes that deliver from Git, on real controllers: a recipe passes at the commit that was pushed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from harness.processes.ports import free_ports
from tests.e2e.machine import Machine
from tests.e2e.whole_recipe import passes

pytestmark = pytest.mark.e2e

LANES = ("argocd-git", "flux-git")


@pytest.fixture(autouse=True)
def infrastructure(machine: Machine, tools: Callable[[str], Path]) -> None:
    """The lanes' own tools are ready, and the Git server has a port that nobody else wants."""
    for name in ("gitea", "redis", "kustomize", "argocd", "source-controller", "kustomize-controller"):
        tools(name)
    tools("helm-controller")
    tools("source-watcher")
    machine.environment["KWOK_GITEA_HOST_PORT"] = str(free_ports(1, set())[0])


@pytest.mark.parametrize("lane", LANES)
def test_a_recipe_passes_and_leaves_nothing(machine: Machine, lane: str) -> None:
    """The same workloads on the same nodes as under helm, and the same objects; no process and no cluster is left."""
    passes(machine, lane, digest=r"[0-9a-f]{40}", phases={"infrastructure", "pack", "push", "sync", "parity"})


@pytest.mark.parametrize("lane", LANES)
def test_what_a_red_cell_leaves(machine: Machine, lane: str) -> None:
    """The end of the server's log, and the objects of the controllers, which name the commit."""
    words = ("--set", "gpu-operator:operator.resources.requests.cpu=1000")
    done = machine.run("run", "eks", "--deployer", lane, *words)
    assert done.returncode == 1, done.stdout
    evidence = machine.evidence()
    cluster = json.loads((evidence / "run.json").read_text())["cluster"]
    log = (evidence / f"{cluster}-gitea.log").read_text()
    assert 0 < len(log.splitlines()) <= 200
    assert "/aicr/eks.git/" in log
    objects = "argo-apps" if lane == "argocd-git" else "flux-resources"
    items = yaml.safe_load((evidence / f"{cluster}-{objects}.yaml").read_text())["items"]
    kinds = {item["kind"] for item in items}
    assert kinds >= ({"Application"} if lane == "argocd-git" else {"GitRepository", "HelmChart", "HelmRelease"})
