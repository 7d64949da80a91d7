"""The registry, Flux and Argo CD for real: from nothing to ready, killed and healed, and gone with their cluster."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.errors import RegistryNotReady
from harness.installers.argocd import configuration as argocd_configuration
from harness.installers.argocd import host as argocd
from harness.installers.flux import configuration as flux_configuration
from harness.installers.flux import host as flux
from harness.installers.installer import Site
from harness.installers.registry import host as registry
from harness.objects import CONFIGMAPS, Kind, Objects
from harness.processes import daemons
from harness.processes.ports import free_ports
from harness.processes.service import MARK
from harness.processes.services import ServiceDied, Services
from harness.progress import Silent
from harness.runtime import RunningCluster
from harness.settings import Settings, load
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import wait
from kwok.host import launch
from kwok.host.runtime import HostRuntime
from tests.e2e.trivial import APPLICATIONS, GREETING, OCI_REPOSITORIES, Client, application, source, synced

pytestmark = pytest.mark.e2e

Tools = Callable[[str], Path]
OCCUPIER = """
import socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))):
    print("listening", flush=True)
    sys.stdin.read()
"""


# --- a registry needs no control plane ---


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings with a registry port that is free here and now."""
    port = free_ports(1, set())[0]
    return load(environment={}, overrides={"ports.registry": str(port), "artifacts": str(tmp_path / "artifacts")})


@pytest.fixture
def place(state: Path, settings: Settings, tools: Tools) -> Iterator[Callable[[str], Site]]:
    """Makes a cluster's directory with nothing in it: enough of a site for a registry."""
    made: list[Path] = []

    def site(name: str) -> Site:
        directory = state / "clusters" / name
        directory.mkdir(parents=True)
        made.append(directory)
        running = RunningCluster(name, directory, directory / "kubeconfig.yaml", "", "", "host", f"identity of {name}")
        no_cluster: Any = None
        return Site(settings, tools, running, no_cluster, Services(directory), Silent())

    yield site
    for directory in made:
        launch.stop(directory, {})


def test_a_registry_keeps_what_is_pushed(place: Callable[[str], Site], settings: Settings) -> None:
    """Up in moments at its address, a blob comes back as it went in, and installing again changes nothing."""
    site = place("one")
    begun = time.monotonic()
    address = registry.install(site)
    print(f"registry ready after {time.monotonic() - begun:.2f} s")
    assert address == f"localhost:{settings.ports.registry}"
    before = site.services.identity("registry")

    client = Client(address)
    digest = client.blob("aicr/trivial", b"content")
    assert registry.install(site) == address
    assert site.services.identity("registry") == before
    assert client.call("GET", f"/v2/aicr/trivial/blobs/{digest}")[2] == b"content"


def test_a_killed_registry_comes_back_with_its_content(place: Callable[[str], Site]) -> None:
    """Its death is told at once; installing again starts it on what it had stored."""
    site = place("one")
    client = Client(registry.install(site))
    digest = client.blob("aicr/trivial", b"content")
    kill(site, "registry")
    assert site.services.died.wait(5)
    with pytest.raises(ServiceDied, match=r"(?s)registry was killed by SIGKILL.*http.request.method=PUT"):
        site.services.check()
    registry.install(site)
    site.services.check()
    assert client.call("GET", f"/v2/aicr/trivial/blobs/{digest}")[2] == b"content"


def test_a_port_that_a_stranger_holds_is_told_with_who_it_is(place: Callable[[str], Site], settings: Settings) -> None:
    """Code 20 at once, with the process and what to do; nothing of ours is left running."""
    site, port = place("one"), settings.ports.registry
    words = [sys.executable, "-c", OCCUPIER, str(port)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stranger:
        assert stranger.stdout is not None
        stranger.stdout.readline()
        with pytest.raises(RegistryNotReady, match=rf"127.0.0.1:{port}: the port is taken by process {stranger.pid}"):
            registry.install(site)
        stranger.communicate("")
    assert site.services.identity("registry") is None
    registry.install(site)  # and once it is free, all is well


def test_a_port_that_another_cluster_holds_is_told_by_its_name(place: Callable[[str], Site]) -> None:
    """The registry of another cluster is no stranger: the message says which cluster, and how to end it."""
    registry.install(place("other"))
    with pytest.raises(RegistryNotReady, match=r"by the registry of the cluster 'other'") as caught:
        registry.install(place("one"))
    assert caught.value.exit == 20
    assert "kwok-harness down other" in caught.value.do


# --- controllers on a control plane ---


@pytest.fixture
def site(runtime: HostRuntime, settings: Settings, tools: Tools) -> Site:
    """A new control plane, with nothing installed yet."""
    running = runtime.up("one", Silent())
    cluster = Cluster(running.kubeconfig, context=running.context)
    return Site(settings, tools, running, cluster, Services(running.directory), Silent())


def kill(site: Site, name: str) -> None:
    """Kill a service as the kernel would."""
    identity = site.services.identity(name)
    assert identity is not None
    os.kill(identity.pid, signal.SIGKILL)


def sockets(site: Site) -> list[tuple[str, Any]]:
    """Every internet socket of every service, by service."""
    found = []
    for name in site.services.logs():
        identity = site.services.identity(name)
        if identity is not None:
            found += [(name, each) for each in psutil.Process(identity.pid).net_connections("inet")]
    return found


def strangers(site: Site) -> list[tuple[str, Any]]:
    """Connections that services have to anything but this machine."""
    return [(name, each.raddr) for name, each in sockets(site) if each.raddr and not each.raddr.ip.startswith("127.")]


def exposed(site: Site) -> set[str]:
    """Services that listen on more than loopback."""
    listening = [(name, each) for name, each in sockets(site) if each.status == psutil.CONN_LISTEN]
    assert listening
    return {name for name, each in listening if not each.laddr.ip.startswith("127.")}


def memory(site: Site) -> str:
    sizes = {
        name: psutil.Process(identity.pid).memory_info().rss // 2**20
        for name in site.services.logs()
        if (identity := site.services.identity(name)) is not None
    }
    return f"{sum(sizes.values())} MiB: {sizes}"


def until(site: Site, kind: Kind, namespace: str, name: str, right: Callable[[Mapping[str, Any]], bool]) -> float:
    """Wait until the object is as it should be; seconds that took. A service that dies meanwhile ends the wait."""
    begun = time.monotonic()

    def gate(objects: Objects) -> Verdict:
        found = objects.get(kind, namespace, name)
        status = (found or {}).get("status", {})
        return Passed("it is") if found and right(status) else Waiting(json.dumps(status)[:2000])

    wait(site.cluster, [kind], gate, Deadline.after(60), cancelled=site.services.died)
    return time.monotonic() - begun


def test_flux_from_nothing_to_a_served_artifact(site: Site) -> None:
    """In seconds it is ready and has fetched what was pushed; a killed controller is told and healed."""
    begun = time.monotonic()
    client = Client(registry.install(site))
    flux.install(site)
    print(f"Flux ready after {time.monotonic() - begun:.1f} s, {memory(site)}")
    before = {name: site.services.identity(name) for name in flux_configuration.CONTROLLERS}
    begun = time.monotonic()
    flux.install(site)
    print(f"and again: {time.monotonic() - begun:.2f} s")
    assert {name: site.services.identity(name) for name in flux_configuration.CONTROLLERS} == before

    digest = client.artifact("aicr/trivial", "v1", {"greeting.yaml": GREETING})
    site.cluster.apply(OCI_REPOSITORIES, source(f"localhost:{site.settings.ports.registry}/aicr/trivial"))

    def fetched(status: Mapping[str, Any]) -> bool:
        ready = [each for each in status.get("conditions", []) if each["type"] == "Ready" and each["status"] == "True"]
        return bool(ready) and status.get("artifact", {}).get("revision") == f"v1@{digest}"  # Ready comes first

    print(f"artifact after {until(site, OCI_REPOSITORIES, 'flux-system', 'aicr-bundle', fetched):.2f} s")
    assert strangers(site) == []
    assert exposed(site) == set()

    kill(site, "source-controller")
    assert site.services.died.wait(5)
    with pytest.raises(ServiceDied, match=r"source-controller was killed by SIGKILL. Its last words:\n\{"):
        site.services.check()
    flux.install(site)
    site.services.check()
    digest = client.artifact("aicr/trivial", "v2", {"greeting.yaml": GREETING | {"data": {"hello": "again"}}})
    site.cluster.patch_merge(OCI_REPOSITORIES, "flux-system", "aicr-bundle", {"spec": {"ref": {"tag": "v2"}}})
    until(site, OCI_REPOSITORIES, "flux-system", "aicr-bundle", lambda status: f"v2@{digest}" in json.dumps(status))


def test_argo_cd_from_nothing_to_a_synced_application(site: Site) -> None:
    """In seconds it is ready and has applied what was pushed; a killed controller is told and healed."""
    begun = time.monotonic()
    address = registry.install(site)
    client = Client(address)
    argocd.install(site)
    print(f"Argo CD ready after {time.monotonic() - begun:.1f} s, {memory(site)}")
    services = (argocd_configuration.REDIS, argocd_configuration.REPO_SERVER, argocd_configuration.CONTROLLER)
    before = {name: site.services.identity(name) for name in services}
    begun = time.monotonic()
    argocd.install(site)
    print(f"and again: {time.monotonic() - begun:.2f} s")
    assert {name: site.services.identity(name) for name in services} == before

    client.artifact("aicr/trivial", "v1", {"greeting.yaml": GREETING})
    site.cluster.apply(APPLICATIONS, application(f"{address}/aicr/trivial"))

    print(f"Synced after {until(site, APPLICATIONS, 'argocd', 'trivial', synced):.2f} s, {memory(site)}")
    greeting = site.cluster.get(CONFIGMAPS, "default", "greeting")
    assert greeting is not None
    assert greeting["data"] == {"hello": "world"}
    assert strangers(site) == []
    assert exposed(site) <= {argocd_configuration.CONTROLLER}  # its metrics, for which it has no address to be given

    for name in (argocd_configuration.CONTROLLER, argocd_configuration.REPO_SERVER):
        kill(site, name)
        assert site.services.died.wait(5)
        with pytest.raises(ServiceDied, match=rf"{name} was killed by SIGKILL"):
            site.services.check()
        argocd.install(site)
        site.services.check()
    digest = client.artifact("aicr/trivial", "v2", {"greeting.yaml": GREETING | {"data": {"hello": "again"}}})
    change = {"spec": {"source": {"targetRevision": "v2"}}}
    site.cluster.patch_merge(APPLICATIONS, "argocd", "trivial", change)
    seconds = until(
        site,
        APPLICATIONS,
        "argocd",
        "trivial",
        lambda status: synced(status) and status["sync"]["revision"] == digest,
    )
    print(f"v2 after {seconds:.2f} s")


def test_down_takes_the_services_along(site: Site, runtime: HostRuntime) -> None:
    """After `down` there is no process of the cluster's, controllers and registry included, and no file."""
    registry.install(site)
    flux.install(site)
    directory = site.running.directory
    assert len(daemons.carrying(MARK, str(directory))) == 6  # registry, four controllers, the simulated cloud
    runtime.down("one")
    assert daemons.carrying(MARK, str(directory)) == []
    assert daemons.mentioning(directory) == []
    assert not directory.exists()
