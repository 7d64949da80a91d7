"""Health checks on a real control plane: as a phase of a cell, and on the cluster that is kept."""

import json
import shutil
from pathlib import Path

import pytest

from harness.cluster.api import Cluster
from harness.exits import Exit
from harness.objects import DEPLOYMENTS
from harness.settings import ROOT
from tests.e2e.machine import Machine
from tests.e2e.short_recipes import shorten

pytestmark = pytest.mark.e2e

RELEASES = {"base": ["cert-manager", "nfd"], "eks": [], "eks-training": ["gpu-operator"]}


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """Three components of the samples, in a directory of the test's own."""
    copied = tmp_path / "recipes"
    shutil.copytree(ROOT / "kwok" / "recipes", copied)
    shutil.copytree(ROOT / "kwok" / "charts", tmp_path / "charts")
    shorten(copied, RELEASES)
    return copied


def test_components_are_checked_in_a_cell_and_on_the_cluster_that_is_kept(machine: Machine, recipes: Path) -> None:
    """Simulated is told apart from passed, the recording is judged again, and what is missing is red and named."""
    data = ("-o", f"recipes={recipes}")
    done = machine.run(*data, "run", "eks-training", "--reuse", "--keep", "--health", "--no-parity", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = json.loads(done.stdout)
    checks = {each["component"]: each for each in outcome["facts"]["health"]}
    assert {name: each["status"] for name, each in checks.items()} == dict.fromkeys(
        ("cert-manager", "nfd", "gpu-operator"), "simulated"
    )
    assert any("ClusterPolicy" in note for note in checks["gpu-operator"]["notes"])
    assert "gpu-operator: healthy on simulated nodes only, which does not prove that anything runs" in outcome["notes"]
    (phase,) = [phase for phase in outcome["phases"] if phase["name"] == "health"]
    assert (phase["verdict"], phase["detail"]) == ("passed", "3 simulated")
    explained = machine.run("explain", outcome["runId"])
    assert explained.returncode == 0, explained.stdout
    assert "for health.healthy" in explained.stdout

    # The verb knows the recipe from the cluster.
    done = machine.run(*data, "health")
    assert done.returncode == 0, done.stderr
    assert "[chainsaw] nfd: health check simulated: " in done.stdout
    cluster = Cluster(machine.state / "kwok-harness" / "clusters" / "test" / "kubeconfig.yaml")
    cluster.delete(DEPLOYMENTS, "cert-manager", "cert-manager-webhook")
    done = machine.run(*data, "-o", "deadlines.health_grace=1s", "health", "cert-manager", "nfd")
    assert done.returncode == Exit.FAILURE
    assert "1 of 2 health checks failed" in done.stderr
    assert "[chainsaw] cert-manager: health check failed: Deployment cert-manager/cert-manager-webhook" in done.stderr
    assert "[chainsaw] nfd: health check simulated" in done.stdout
    done = machine.run(*data, "health", "nfdd")
    assert (done.returncode, "did you mean nfd?" in done.stderr) == (Exit.USAGE, True)


def test_a_check_that_would_do_something_is_refused_before_there_is_a_cluster(machine: Machine, recipes: Path) -> None:
    """A script in a health check ends the run with 10, the file and the line; no cluster is made."""
    file = recipes / "checks" / "nfd" / "health-check.yaml"
    file.write_text(file.read_text().replace("- assert:", "- script: {content: rm -rf /}\n        - assert:", 1))
    done = machine.run("-o", f"recipes={recipes}", "run", "eks-training", "--health")
    assert done.returncode == Exit.SETTINGS, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert (
        'component "nfd" doc[0] step "workloads-are-ready" try[0]: operation "script" is not in the read-only' in said
    )
    assert f"{file}:" in said
    assert machine.clusters() == []
