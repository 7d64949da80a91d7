"""A changed bundle is delivered where another one runs: it converges on the new digest, and what vanished is pruned."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.exits import Exit
from harness.processes.ports import free_ports
from tests.e2e.machine import Machine

pytestmark = pytest.mark.e2e

LANES = ("helm", "argocd-oci", "argocd-helm-oci", "flux-oci", "argocd-git", "flux-git")


@pytest.fixture
def small(data: Path, machine: Machine, tools: Callable[[str], Path]) -> Path:
    """Recipes of one or two charts: `one` has both, `two` has other values for the first, and no second."""
    for name in ("registry", "gitea", "redis", "kustomize", "argocd", "source-controller", "kustomize-controller"):
        tools(name)
    tools("helm-controller")
    tools("source-watcher")
    registry, git = free_ports(2, set())
    machine.environment |= {"KWOK_REGISTRY_HOST_PORT": str(registry), "KWOK_GITEA_HOST_PORT": str(git)}
    machine.environment["KWOK_RECIPES"] = str(data)
    for file in (data / "overlays").iterdir():
        file.unlink()
    nfd = {"name": "nfd", "type": "Helm", "version": "0.9.1"}
    fabric = {"name": "aws-efa", "type": "Helm", "version": "0.5.0"}
    overlay(data, "base")
    overlay(data, "one", nfd, fabric, criteria={"service": "eks", "intent": "training"})
    overlay(
        data,
        "two",
        nfd | {"overrides": {"master": {"replicas": 2}}},
        criteria={"service": "eks", "intent": "inference"},
    )
    return data


def overlay(data: Path, name: str, *components: dict[str, Any], criteria: dict[str, str] | None = None) -> None:
    spec = {"componentRefs": list(components), **({"criteria": criteria} if criteria else {})}
    document = {
        "apiVersion": "aicr.nvidia.com/v1alpha1",
        "kind": "RecipeMetadata",
        "metadata": {"name": name},
        "spec": spec,
    }
    (data / "overlays" / f"{name}.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


@pytest.mark.parametrize("lane", LANES)
def test_an_upgrade_converges_and_prunes(machine: Machine, small: Path, lane: str) -> None:
    """The second bundle's workloads are there, those that only the first had are gone and stay away."""
    done = machine.run("run", "two", "--upgrade-from", "one", "--deployer", lane, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = json.loads(done.stdout)
    details = {phase["name"]: phase["detail"] for phase in outcome["phases"]}
    assert "are where they belong" in details["before: verify"]
    assert "objects that are no longer asked for are gone" in details["prune"]
    assert details["steady"] == "what passed passes still, and nothing came back"
    assert details["verify"] != details["before: verify"]
    if lane != "helm":
        assert outcome["facts"]["digest"] != outcome["facts"]["upgraded from"]["digest"]
    assert machine.clusters() == []


def test_what_nobody_prunes_is_found(machine: Machine, small: Path) -> None:
    """A chart's object that its controller leaves behind ends the cell at the deadline, named."""
    template = small.parent / "charts" / "network-fabric" / "templates" / "device-plugin.yaml"
    documents = template.read_text(encoding="utf-8")
    left = "annotations: {argocd.argoproj.io/sync-options: Delete=false}"
    template.write_text(documents.replace("metadata:\n", f"metadata:\n  {left}\n", 1), encoding="utf-8")
    words = ("run", "two", "--upgrade-from", "one", "--deployer", "argocd-oci")
    done = machine.run("-o", "deadlines.prune=8s", *words)
    assert done.returncode == Exit.SYNC_DEADLINE, done.stdout + done.stderr
    assert "DaemonSet" in done.stdout
    assert "is still there" in done.stdout


def test_the_same_recipe_of_another_directory_may_be_the_earlier_one(
    machine: Machine, small: Path, tmp_path: Path
) -> None:
    """What a pull request changes is upgraded from what the main branch has."""
    main = tmp_path / "main"
    shutil.copytree(small.parent, main)
    overlay(
        small,
        "two",
        {"name": "nfd", "type": "Helm", "version": "0.9.1", "overrides": {"master": {"replicas": 1}}},
        criteria={"service": "eks", "intent": "inference"},
    )
    done = machine.run("run", "two", "--upgrade-from", str(main / "recipes"), "--deployer", "helm")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing vanished" in done.stdout
    done = machine.run("run", "two", "--upgrade-from", "two", "--deployer", "helm")
    assert done.returncode == Exit.SETTINGS, done.stdout
    assert "nothing would be upgraded" in done.stdout
