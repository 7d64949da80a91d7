"""AICR's recipe eks-training with its thirteen upstream charts: green under every lane, red for what is broken."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.exits import Exit
from harness.processes.ports import free_ports
from harness.recipes.load import Catalog
from harness.recipes.resolve import resolve
from harness.settings import ROOT
from tests.e2e.charts import listening
from tests.e2e.machine import Machine
from tests.fakes.recipes import REAL

CHARTS = ROOT.parent / "shared" / "charts"
RECIPE = "eks-training"
LANES = ("helm", "argocd-oci", "argocd-helm-oci", "flux-oci")
# What their own operator would label nodes for (docs/lanes.md, what none of the lanes covers).
EMPTY = [
    "nvsentinel/gpu-health-monitor-dcgm-3.x",
    "nvsentinel/gpu-health-monitor-dcgm-4.x",
    "nvsentinel/metadata-collector",
    "nvsentinel/syslog-health-monitor-kata",
    "nvsentinel/syslog-health-monitor-regular",
]
PATIENCE = {"argocd_sync": "900s", "flux_sync": "900s"}  # with other tests beside it: what is asserted is not a time
SMALL = ("aws-efa", "cert-manager")  # a DaemonSet on nodes with GPUs, and Deployments on the others

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (CHARTS.is_dir() and REAL.is_dir()),
        reason="the real charts and recipes (../shared) are not beside this clone",
    ),
]


@pytest.fixture(scope="module")
def mirror() -> Iterator[str]:
    """The packaged charts on this machine."""
    with listening(CHARTS) as address:
        yield address


@pytest.fixture
def real(machine: Machine, mirror: str, tools: Callable[[str], Path]) -> Machine:
    """A machine whose own settings file says where charts are had, and which DaemonSets match no node here."""
    for name in ("registry", "redis", "kustomize", "argocd", "source-controller", "kustomize-controller"):
        tools(name)
    tools("helm-controller"), tools("source-watcher")
    asked = yaml.safe_load((CHARTS / "mirrors.yaml").read_text(encoding="utf-8"))["mirrors"]
    held = {url: f"{mirror}/{address.split('/', 3)[3]}" for url, address in asked.items()}
    settings = {"recipes": str(REAL), "mirrors": held, "empty_daemonsets": EMPTY, "deadlines": PATIENCE}
    (machine.home / "settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    machine.environment["KWOK_REGISTRY_HOST_PORT"] = str(free_ports(1, set())[0])
    return machine


def cell(machine: Machine, lane: str, *words: str) -> tuple[int, dict[str, Any]]:
    """The exit code of a cell, and its outcome."""
    settings = str(machine.home / "settings.yaml")
    done = machine.run("--settings", settings, "run", RECIPE, "--deployer", lane, "--json", *words, limit=1200)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def small(machine: Machine, *overrides: str) -> tuple[int, dict[str, Any]]:
    """Under helm, of the components of SMALL alone."""
    others = [each.name for each in resolve(Catalog.load(REAL), RECIPE).components if each.name not in SMALL]
    return cell(
        machine, "helm", *(f"--set={text}" for text in (*(f"{name}:enabled=false" for name in others), *overrides))
    )


def phases(outcome: dict[str, Any]) -> dict[str, float]:
    return {each["name"]: each["seconds"] for each in outcome["phases"]}


@pytest.mark.parametrize("lane", LANES)
def test_the_real_recipe_is_green_under_every_lane(real: Machine, lane: str) -> None:
    """Every workload is where it belongs, every object is the one that helm would make, and what is empty is told."""
    code, outcome = cell(real, lane)
    assert code == Exit.OK, outcome["reason"]
    details = {each["name"]: each["detail"] for each in outcome["phases"]}
    assert "are where they belong" in details["verify"]
    assert "objects are those that helm would make" in details["parity"]
    for name in EMPTY:
        assert any(name in note for note in outcome["notes"])
    assert real.clusters() == []


def without_tolerations(machine: Machine, component: str) -> None:
    """A copy of the recipe data whose registry does not say where the tolerations of a component go."""
    data = machine.home / "data"
    shutil.copytree(REAL.parent, data, symlinks=True)
    registry = data / "recipes" / "registry.yaml"
    registry.chmod(0o644)
    document = yaml.safe_load(registry.read_text(encoding="utf-8"))
    [entry] = [each for each in document["components"] if each["name"] == component]
    for paths in entry["nodeScheduling"].values():
        paths.pop("tolerationPaths", None)
    registry.write_text(yaml.safe_dump(document), encoding="utf-8")
    machine.environment["KWOK_RECIPES"] = str(data / "recipes")


def test_a_daemon_set_that_lost_its_tolerations_has_no_node(real: Machine) -> None:
    """It matches none of the simulated nodes, and the taint is named."""
    without_tolerations(real, "aws-efa")
    code, outcome = small(real)
    assert code == Exit.FAILURE
    assert "DaemonSet kube-system/aws-efa-k8s-device-plugin: matches no node" in outcome["reason"]
    assert "is not tolerated" in outcome["reason"]
    assert outcome["cause"]["kind"] == "schedule"


def test_a_deployment_that_lost_its_tolerations_is_red_within_its_deadline(real: Machine) -> None:
    """Its pods fit no node; told before the 60 s are over."""
    without_tolerations(real, "cert-manager")
    code, outcome = small(real)
    assert code == Exit.FAILURE
    assert outcome["cause"]["subject"].startswith(("Deployment cert-manager/cert-manager", "Pod cert-manager/cert-man"))
    assert "is not tolerated" in outcome["reason"]
    assert outcome["cause"]["kind"] == "schedule"
    assert phases(outcome)["verify"] < 60


def test_sixteen_gpus_of_a_node_that_has_eight(real: Machine) -> None:
    """What was asked for and what the nearest node has."""
    code, outcome = small(real, r"aws-efa:resources.limits.nvidia\.com/gpu=16")
    assert code == Exit.FAILURE
    assert "needs nvidia.com/gpu 16, has 8" in outcome["reason"]
    assert outcome["cause"]["kind"] == "schedule"


def test_values_that_a_chart_refuses_are_red_before_anything_is_installed(real: Machine) -> None:
    """A word where the chart's schema wants a number."""
    code, outcome = small(real, "cert-manager:replicaCount=two")
    assert code == Exit.FAILURE
    assert "replicaCount" in outcome["reason"]
    assert outcome["cause"]["kind"] == "render"
    assert "install" not in phases(outcome)


def test_a_chart_version_that_is_not_there_is_red_before_anything_is_installed(real: Machine, tmp_path: Path) -> None:
    """Which chart, which version, and where it was looked for."""
    data = tmp_path / "data"
    shutil.copytree(REAL.parent, data, symlinks=True)
    registry = data / "recipes" / "overlays" / "base.yaml"
    registry.chmod(0o644)
    registry.write_text(registry.read_text(encoding="utf-8").replace("v1.20.2", "v1.99.0"), encoding="utf-8")
    real.environment["KWOK_RECIPES"] = str(data / "recipes")
    code, outcome = small(real)
    assert code == Exit.FAILURE
    assert "cert-manager" in outcome["reason"]
    assert "v1.99.0" in outcome["reason"]
    assert outcome["cause"]["kind"] == "pull"
    assert "install" not in phases(outcome)
