"""The aicr command line under the lanes that pull: what it pushes to a real registry, and what controllers make of it.

A stand-in plays the command line, with bundles that the real one has made, or with those of our own bundler.
"""

import json
import shutil
from pathlib import Path

import pytest

from harness.bundles.bundlers.aicr import AicrBundler
from harness.processes.ports import free_ports
from harness.publishing.oci.address import Address
from harness.publishing.publication import publication
from harness.recipes.load import Catalog
from harness.recipes.resolve import resolve
from harness.settings import ROOT
from tests.e2e.machine import Machine
from tests.e2e.own_registry import Running
from tests.fakes.aicr import LANES, StandIn, trees
from tests.fakes.bundles import REAL, REFERENCES, needs_references

pytestmark = pytest.mark.e2e


@needs_references
@pytest.mark.parametrize("name", ["eks-training", "h100-eks-ubuntu-training-kubeflow", "kind-inference"])
def test_real_bundles_go_through_the_registry(running: Running, name: str, tmp_path: Path) -> None:
    """Pushed under the tag of the run and read back, they keep the contract and deliver what the helm shape does."""
    answer = tmp_path / "answer"
    for shape, lane in {"helm": "helm", **LANES}.items():
        shutil.copytree(REFERENCES / name / lane / "bundle", answer / shape)
    shutil.copy(REFERENCES / name / "recipe.yaml", answer)
    for path in [answer, *answer.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    bundler, recipe = AicrBundler(StandIn(tmp_path, answer).binary), resolve(Catalog.load(REAL), name)
    reference = bundler.make(recipe, "helm", tmp_path / "reference")
    registry = Address(running.host, "aicr", plain_http=True)
    for shape, lane in LANES.items():
        made = publication(bundler, recipe, shape, lane, reference, registry, tmp_path / shape)
        pushed = made.push(running.registry())
        assert running.registry().resolve(f"aicr/{name}", made.target.tag) == pushed.published.digest
        assert len(pushed.delivery.names) == len(reference.folders)
    assert len(running.tags()) == len(LANES)


def test_a_cell_with_the_command_line_passes(machine: Machine, tmp_path: Path) -> None:
    """Without mirrors the controllers pull the very bytes that it pushed: their digest is the cell's."""
    made = trees(resolve(Catalog.load(ROOT / "kwok" / "recipes"), "aks"), tmp_path / "answer")
    machine.environment |= {
        "AICR_BIN": str(StandIn(tmp_path, made).binary),
        "KWOK_BUNDLER": "aicr",
        "KWOK_REGISTRY_HOST_PORT": str(free_ports(1, set())[0]),
    }
    done = machine.run("run", "aks", "--deployer", "argocd-oci", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = json.loads(done.stdout)
    assert "are where they belong" in outcome["reason"]
    assert outcome["facts"]["digest"].startswith("sha256:")
