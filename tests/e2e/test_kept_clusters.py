"""One cluster that is kept: recipe after recipe and lane after lane on it, each of which leaves it as it was."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cluster.api import Cluster
from harness.installers.argocd import configuration as argocd_configuration
from harness.installers.manifests import DEFINITIONS, SECRETS
from harness.isolation.inventory import Inventory, compare, take
from harness.processes.ports import free_ports
from harness.settings import ROOT
from tests.e2e.machine import Machine
from tests.e2e.short_recipes import shorten

pytestmark = pytest.mark.e2e

# Two recipes for the same nodes: small, but with CRDs, a hook, an admission webhook and namespaces of their own.
RELEASES = {"base": "cert-manager", "eks": "nfd", "eks-training": "prometheus-operator-crds"}
STUCK = tuple(  # a workload and a hook whose pods fit nowhere: the release is half installed, and stays so
    word
    for each in ("resources.", "startupapicheck.resources.")
    for word in ("--set", f"cert-manager:{each}requests.cpu=1000", "--set", "cert-manager:startupapicheck.enabled=true")
)


class Kept:
    """The cluster of a machine, and the runs on it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.directory = machine.state / "kwok-harness" / "clusters" / "test"

    def run(self, recipe: str, lane: str, *words: str, code: int = 0) -> dict[str, Any]:
        """What the run says of itself, once it has ended with that code and left the cluster as it was."""
        done = self.machine.run("run", recipe, "--deployer", lane, "--reuse", "--json", *words)
        assert done.returncode == code, done.stdout + done.stderr
        outcome: dict[str, Any] = json.loads(done.stdout)
        [teardown] = [phase for phase in outcome["phases"] if phase["name"] == "teardown"]
        assert teardown["detail"] == "cleaned: the same objects as before", outcome
        return outcome

    @property
    def identity(self) -> str:
        return str(json.loads((self.directory / "cluster.json").read_text())["identity"])

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.directory / "kubeconfig.yaml")

    def objects(self) -> Inventory:
        return take(self.cluster)

    def services(self) -> dict[str, int]:
        """The pids of those that run."""
        records = self.directory.glob("services/*/service.json")
        pids = {record.parent.name: int(json.loads(record.read_text())["identity"]["pid"]) for record in records}
        return {name: pid for name, pid in pids.items() if Path(f"/proc/{pid}").exists()}


@pytest.fixture(scope="module")
def kept(tools: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """A machine whose tools are ready, whose recipes are short, and whose cluster stays from test to test."""
    for name in ("helm", "kubectl", "registry", "redis", "kustomize", "argocd", "source-controller", "source-watcher"):
        tools(name)
    tools("kustomize-controller"), tools("helm-controller")
    home = tmp_path_factory.mktemp("kept")
    for part in ("recipes", "charts", "profiles"):
        shutil.copytree(ROOT / "kwok" / part, home / part)
    shorten(home / "recipes", dict.fromkeys(RELEASES, ()))
    for name, release in RELEASES.items():
        overlay = home / "recipes" / "overlays" / f"{name}.yaml"
        document = yaml.safe_load(overlay.read_text())
        document["spec"]["componentRefs"] = [{"name": release, "type": "Helm"}]
        overlay.write_text(yaml.safe_dump(document))
    machine = Machine(home)
    machine.environment["KWOK_REGISTRY_HOST_PORT"] = str(free_ports(1, set())[0])
    machine.environment["KWOK_RECIPES"] = str(home / "recipes")
    yield Kept(machine)
    for child in machine.children:
        child.kill()
        child.communicate()
    machine.run("down", "--all")


def break_flux(kept: Kept) -> None:
    """A controller is killed, and the kind that everything begins with is deleted."""
    os.kill(kept.services()["helm-controller"], signal.SIGKILL)
    kept.cluster.delete(DEFINITIONS, "", "ocirepositories.source.toolkit.fluxcd.io")


def break_argocd(kept: Kept) -> None:
    """A controller and the cache are killed; the project and the access to the registry are deleted."""
    for name in (argocd_configuration.CONTROLLER, argocd_configuration.REDIS):
        os.kill(kept.services()[name], signal.SIGKILL)
    kept.cluster.delete(argocd_configuration.PROJECTS, argocd_configuration.NAMESPACE, "default")
    kept.cluster.delete(SECRETS, argocd_configuration.NAMESPACE, argocd_configuration.CREDENTIALS)


@pytest.mark.parametrize(("lane", "break_it"), [("flux-oci", break_flux), ("argocd-oci", break_argocd)])
def test_recipe_after_recipe(kept: Kept, lane: str, break_it: Callable[[Kept], None]) -> None:
    """A recipe passes, another one gets stuck half-way, the infrastructure is broken, and the first one passes again:
    for the same artifact, on the same cluster with the same registry, which holds the same objects afterwards.
    """
    first = kept.run("eks", lane)
    identity, objects, services = kept.identity, kept.objects(), kept.services()
    failed = kept.run("eks-training", lane, *STUCK, code=1)
    assert "needs cpu 1000" in failed["reason"]
    assert compare(objects, kept.objects()).empty
    assert kept.services().keys() == services.keys()
    break_it(kept)
    again = kept.run("eks", lane)
    assert (again["facts"]["digest"], again["reason"]) == (first["facts"]["digest"], first["reason"])
    assert failed["facts"]["digest"] != first["facts"]["digest"]
    assert (kept.identity, kept.services()["registry"]) == (identity, services["registry"])


def test_lanes_without_infrastructure_leave_that_of_others_alone(kept: Kept) -> None:
    """helm on the cluster of the other lanes: what they need still runs afterwards, and still is what it was."""
    kept.run("eks", "argocd-helm-oci")
    objects, services = kept.objects(), kept.services()
    kept.run("eks", "helm")
    assert compare(objects, kept.objects()).empty
    assert kept.services() == services
