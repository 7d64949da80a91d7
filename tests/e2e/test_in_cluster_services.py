"""The infrastructure in a real Kind cluster: installed, installed again, used, broken, killed, stopped; with its codes.

One cluster for all of it. What a test breaks it puts right again, which is what installers are for.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.deadline import Deadline
from harness.errors import ArgocdInstallFailed, FluxRolloutFailed, RegistryNotReady, RegistryUnreachable
from harness.evidence.collectors import EvidenceSite
from harness.installers.catalog import ARGOCD, FLUX, REGISTRY
from harness.installers.flux import kind as flux
from harness.installers.flux.configuration import options
from harness.installers.in_cluster.infrastructure import KindInfrastructure, PartDied
from harness.installers.in_cluster.rollout import pods
from harness.installers.installer import Installer, KindSite
from harness.installers.registry.kind import ADDRESS
from harness.isolation import inventory
from harness.names import INFRASTRUCTURE_NODE
from harness.objects import CONFIGMAPS, DEPLOYMENTS, NODES, STATEFULSETS, Kind, Objects
from harness.settings import Settings, load
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import wait
from kwok.engine.client import Engine
from kwok.kind.config import node_container
from tests.e2e.in_cluster import OVERRIDES, REGISTRY_PORT
from tests.e2e.trivial import APPLICATIONS, GREETING, OCI_REPOSITORIES, Client, application, source, synced

pytestmark = [pytest.mark.e2e, pytest.mark.kind]

Tools = Callable[[str], Path]

ALL = (REGISTRY, ARGOCD, FLUX)


@pytest.fixture(scope="module")
def kind_settings() -> Settings:
    """A port of the tests' own, and less patience with what will not come."""
    return load(environment={}, overrides=OVERRIDES)


@pytest.fixture(scope="module")
def infrastructure(site: KindSite) -> Iterator[KindInfrastructure]:
    """Everything, installed on a cluster that had nothing."""
    found = KindInfrastructure(site)
    for installer in ALL:
        seconds(f"{installer.name}: first time", partial(found.install, installer))
    yield found
    found.close()


@pytest.fixture
def whole(infrastructure: KindInfrastructure) -> Iterator[KindInfrastructure]:
    """The infrastructure, which is put right after the test."""
    yield infrastructure
    for installer in ALL:
        infrastructure.install(installer)
    infrastructure.check()


def seconds(what: str, work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    taken = time.monotonic() - begun
    print(f"{what}: {taken:.1f} s")
    return taken


def state(site: KindSite) -> dict[str, Any]:
    """Every workload's generation, and every pod's uid and restarts."""
    found: dict[str, Any] = {}
    for workload in (workload for installer in ALL for workload in installer.kind.workloads):
        item = site.cluster.get(workload.kind, *workload.key)
        assert item is not None, workload
        found[str(workload)] = item["metadata"]["generation"]
        for pod in pods(site.cluster, workload):
            restarts = [each["restartCount"] for each in pod["status"]["containerStatuses"]]
            found[pod["metadata"]["name"]] = (pod["metadata"]["uid"], restarts)
    return found


def until(site: KindSite, kind: Kind, namespace: str, name: str, right: Callable[[Mapping[str, Any]], bool]) -> None:
    """Wait until the object's status is as it should be. A node that stops meanwhile ends the wait."""

    def gate(objects: Objects) -> Verdict:
        status = (objects.get(kind, namespace, name) or {}).get("status", {})
        return Passed("it is") if right(status) else Waiting(json.dumps(status)[:2000])

    wait(site.cluster, [kind], gate, Deadline.after(60), cancelled=site.lost)


def kill(engine: Engine, site: KindSite, program: str) -> None:
    """End a program in the node of this cluster, and in no other: they are all processes of this machine."""
    script = f"""for each in /proc/[0-9]*; do
        if tr '\\0' ' ' < $each/cmdline 2>/dev/null | grep -q '^[^ ]*{program}'; then kill -9 ${{each#/proc/}}; fi
    done"""
    code, said = engine.execute(node_container(site.running.name), ["sh", "-c", script])
    assert code == 0, said


# --- as it should be ---


def test_installing_again_changes_nothing(infrastructure: KindInfrastructure, site: KindSite) -> None:
    """All on the real node, one pod of each, none started again: what is right stays as it is."""
    before = state(site)
    for installer in ALL:
        seconds(f"{installer.name}: again", partial(infrastructure.install, installer))
    assert state(site) == before
    infrastructure.check()
    [node] = [
        each
        for each in site.cluster.list(NODES).items
        if dict([INFRASTRUCTURE_NODE]).items() <= each["metadata"]["labels"].items()
    ]
    for workload in (workload for installer in ALL for workload in installer.kind.workloads):
        [pod] = pods(site.cluster, workload)
        assert pod["spec"]["nodeName"] == node["metadata"]["name"]


def test_each_part_has_a_log(infrastructure: KindInfrastructure) -> None:
    """Evidence is asked for by the names that the host runtime has too."""
    nothing: Any = None
    for installer in ALL:
        for collector in installer.collectors(EvidenceSite("c", nothing, infrastructure.log)):
            if collector.name.startswith("log "):
                assert str(collector.produce(5.0)).strip(), collector.name


def test_flux_fetches_what_is_pushed(infrastructure: KindInfrastructure, site: KindSite) -> None:
    """Pushed to localhost, pulled by the name of the Service, and served at the address that others can use."""
    digest = Client(f"localhost:{REGISTRY_PORT}").artifact("aicr/trivial", "v1", {"greeting.yaml": GREETING})
    kustomizations = Kind("kustomize.toolkit.fluxcd.io/v1", "kustomizations", "Kustomization")
    kustomization = {
        "apiVersion": kustomizations.api_version,
        "kind": kustomizations.kind,
        "metadata": {"name": "trivial", "namespace": "flux-system"},
        "spec": {
            "interval": "1m",
            "prune": True,
            "path": "./",
            "targetNamespace": "default",
            "sourceRef": {"kind": "OCIRepository", "name": "aicr-bundle"},
        },
    }
    site.cluster.apply(OCI_REPOSITORIES, source(f"{ADDRESS}/aicr/trivial"))
    site.cluster.apply(kustomizations, kustomization)
    applied = partial(until, site, kustomizations, "flux-system", "trivial")
    seconds("applied", lambda: applied(lambda status: digest in status.get("lastAppliedRevision", "")))
    assert site.cluster.get(CONFIGMAPS, "default", "greeting") is not None
    site.cluster.delete(kustomizations, "flux-system", "trivial")


def test_argo_cd_syncs_what_is_pushed(infrastructure: KindInfrastructure, site: KindSite) -> None:
    """It has its default project, its key and the registry's plain HTTP from the beginning: no wait of a minute."""
    Client(f"localhost:{REGISTRY_PORT}").artifact("aicr/other", "v1", {"greeting.yaml": GREETING})
    site.cluster.apply(APPLICATIONS, application(f"{ADDRESS}/aicr/other"))

    assert seconds("synced", lambda: until(site, APPLICATIONS, "argocd", "trivial", synced)) < 40
    site.cluster.delete(APPLICATIONS, "argocd", "trivial")


# --- put right ---


def test_what_is_broken_is_put_right(whole: KindInfrastructure, site: KindSite) -> None:
    """Deleted, scaled to nothing, with another image, with an edited configuration: as it was, and it answers."""
    cluster = site.cluster
    cluster.delete(DEPLOYMENTS, "flux-system", "source-watcher")
    cluster.patch_merge(DEPLOYMENTS, "argocd", "argocd-redis", {"spec": {"replicas": 0}})
    item = cluster.get(STATEFULSETS, "argocd", "argocd-application-controller")
    assert item is not None
    containers = item["spec"]["template"]["spec"]["containers"]
    broken = {"containers": [{**containers[0], "image": "nowhere.example/nothing:1"}]}
    cluster.patch_merge(
        STATEFULSETS, "argocd", "argocd-application-controller", {"spec": {"template": {"spec": broken}}}
    )
    before = cluster.get(CONFIGMAPS, "aicr-registry", "registry")
    assert before is not None
    cluster.patch_merge(CONFIGMAPS, "aicr-registry", "registry", {"data": {"config.yml": "version: 0.1\n"}})
    time.sleep(2)  # the controllers of the cluster make of it what they make of it
    for installer in ALL:
        seconds(f"{installer.name}: put right", partial(whole.install, installer))
    whole.check()
    after = cluster.get(CONFIGMAPS, "aicr-registry", "registry")
    assert after is not None
    assert after["data"] == before["data"]
    [pod] = pods(cluster, ARGOCD.kind.workloads[2])
    assert pod["spec"]["containers"][0]["image"] == containers[0]["image"]


def test_stopped_is_stopped_and_leaves_the_cluster_as_it_was(whole: KindInfrastructure, site: KindSite) -> None:
    """Controllers stand still while a cluster is cleaned; neither that nor their return counts as a difference."""
    before = inventory.take(site.cluster)
    reconcilers = [*ARGOCD.reconcilers, *FLUX.reconcilers]
    seconds("stopped", lambda: whole.stop(*reconcilers))
    workloads = [workload for each in (ARGOCD, FLUX) for workload in each.kind.workloads]
    assert [pod for workload in workloads for pod in pods(site.cluster, workload)] == []
    assert inventory.compare(before, inventory.take(site.cluster)).lines() == ()
    whole.check()
    for installer in (ARGOCD, FLUX):
        seconds(f"{installer.name}: back again", partial(whole.install, installer))
    assert inventory.compare(before, inventory.take(site.cluster)).lines() == ()


# --- failures, with their codes ---


def with_image(site: KindSite, **images: str) -> KindSite:
    """A site whose images are others than those that were loaded."""
    return replace(site, images=lambda names: {**site.images(names), **images})


def test_a_registry_whose_image_cannot_be_had_is_20(whole: KindInfrastructure, site: KindSite) -> None:
    """After the patience for what does not heal, not after the deadline; the pod and the image are named."""
    begun = time.monotonic()
    with pytest.raises(RegistryNotReady) as caught:
        REGISTRY.kind.install(with_image(site, registry="nowhere.invalid/registry:3"))
    assert time.monotonic() - begun < 60
    assert caught.value.exit == 20
    assert "cannot have the image nowhere.invalid/registry:3" in caught.value.what
    assert caught.value.where == "Deployment aicr-registry/registry"


def test_a_port_that_is_not_mapped_is_21(whole: KindInfrastructure, site: KindSite) -> None:
    """The registry runs, and this machine has another port for it than the settings say."""
    overrides = OVERRIDES | {"ports.registry": "5539", "deadlines.registry_reachable": "1s"}
    elsewhere = replace(site, settings=load(environment={}, overrides=overrides))
    with pytest.raises(RegistryUnreachable, match="the registry runs, but nobody answers") as caught:
        REGISTRY.kind.install(elsewhere)
    assert caught.value.exit == 21
    assert "another port of this machine" in caught.value.do


def test_an_argo_cd_whose_image_is_something_else_is_30(whole: KindInfrastructure, site: KindSite) -> None:
    """A container that cannot be started does not get better; what the engine says of it is told."""
    wrong = site.images(["registry"])["registry"]
    begun = time.monotonic()
    with pytest.raises(ArgocdInstallFailed) as caught:
        ARGOCD.kind.install(with_image(site, argocd=wrong))
    assert time.monotonic() - begun < 60
    assert caught.value.exit == 30
    assert "argocd-repo-server" in str(caught.value)


def test_a_flux_controller_that_crashes_is_61_with_its_last_words(
    whole: KindInfrastructure, site: KindSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option that it does not know: the message is the controller's own."""

    def wrong(name: str) -> tuple[str, ...]:
        return (*options(name), *(["--frobnicate"] if name == "helm-controller" else []))

    monkeypatch.setattr(flux, "options", wrong)
    begun = time.monotonic()
    with pytest.raises(FluxRolloutFailed) as caught:
        FLUX.kind.install(site)
    assert time.monotonic() - begun < 90
    assert caught.value.exit == 61
    assert caught.value.where == "Deployment flux-system/helm-controller"
    assert "does not stay: manager ended with status" in caught.value.what
    assert "unknown flag: --frobnicate" in caught.value.do


# --- deaths ---


@pytest.mark.parametrize(
    ("program", "name", "installer"),
    [
        ("source-controller", "source-controller", FLUX),
        ("argocd-application-controller", "argocd-application-controller", ARGOCD),
        ("/bin/registry", "registry", REGISTRY),
    ],
    ids=["flux", "argocd", "registry"],
)
def test_a_killed_part_is_noticed_with_its_last_words(
    whole: KindInfrastructure, site: KindSite, engine: Engine, program: str, name: str, installer: Installer
) -> None:
    """Within moments, though the kubelet starts it again; installed again, it is a new life."""
    kill(engine, site, program)
    begun = time.monotonic()
    assert whole.died.wait(15)
    print(f"{name}: noticed after {time.monotonic() - begun:.1f} s")
    with pytest.raises(PartDied, match=rf"{name} \(pod .*\) ended with status 137") as caught:
        whole.check()
    assert "(none)" not in caught.value.what
    whole.install(installer)
    whole.check()


def test_a_node_that_stops_is_the_last_death(
    infrastructure: KindInfrastructure, site: KindSite, engine: Engine
) -> None:
    """Noticed by the engine's word, not by a server that no longer answers."""
    infrastructure.check()
    subprocess.run(["docker", "kill", node_container(site.running.name)], check=True, capture_output=True)
    begun = time.monotonic()
    assert infrastructure.died.wait(15)
    print(f"node: noticed after {time.monotonic() - begun:.1f} s")
    with pytest.raises(PartDied, match="the node stopped with exit code 137"):
        infrastructure.check()
