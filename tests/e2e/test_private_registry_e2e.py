"""A real registry with TLS and a password, in the place of the run's own."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.exits import Exit
from harness.helm.client import Helm, InstallFailed
from harness.processes.ports import free_ports
from harness.progress import Silent
from harness.publishing.oci.credentials import Credentials
from harness.publishing.oci.registry import AccessRefused, Registry, RegistryError, pack_chart, pack_directory
from kwok.host.runtime import HostRuntime
from tests.e2e.machine import Machine
from tests.e2e.own_registry import ME, RETRIES, Private

pytestmark = pytest.mark.e2e


@pytest.fixture
def private(tools: Callable[[str], Path], tmp_path: Path) -> Iterator[Private]:
    """On a free port, gone after the test."""
    directory = tmp_path / "registry"
    directory.mkdir()
    private = Private(tools("registry"), directory, free_ports(1, [])[0])
    private.start()
    yield private
    private.kill()


@pytest.fixture
def logged_in(machine: Machine, private: Private) -> Machine:
    """A machine on which somebody has run `docker login`, and that delivers from this registry."""
    machine.environment["DOCKER_CONFIG"] = str(private.docker)
    machine.environment["KWOK_REGISTRY_ADDRESS"] = f"https://{private.host}/team"
    machine.environment["KWOK_REGISTRY_CA"] = str(private.certificate)
    machine.environment["RUNTIME"] = "host"
    return machine


def test_what_goes_there_comes_back_with_the_password_only(private: Private, tmp_path: Path) -> None:
    """Pushed and read with it; refused without it and with another; the authority has to be named."""
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "one.yaml").write_text("a: 1\n")
    artifact = pack_directory(tmp_path / "bundle")
    published = private.registry().push(artifact, "team/x", "t")
    assert private.registry().resolve("team/x", "t") == published.digest == artifact.digest
    for credentials in (None, Credentials("me", "another-password")):
        with pytest.raises(AccessRefused, match="401 Unauthorized: UNAUTHORIZED"):
            Registry.at(replace(private.access, credentials=credentials), retries=RETRIES).resolve("team/x", "t")
    with pytest.raises(RegistryError, match=r"registry\.ca"):
        Registry.at(replace(private.access, authority=None), retries=RETRIES).resolve("team/x", "t")


def test_a_bundle_is_pushed_there_and_helm_pulls_it(
    logged_in: Machine, private: Private, tools: Callable[[str], Path], tmp_path: Path
) -> None:
    """`bundle --push`, with the credentials of `docker login`; helm gets them in a file, which is gone afterwards."""
    words = ("bundle", "eks-training", "--push", "--deployer", "argocd-helm-oci", "--json")
    done = logged_in.run(*words, "--output", str(tmp_path / "out"))
    assert done.returncode == Exit.OK, done.stderr
    document = json.loads(done.stdout)
    address, _, tag = document["address"].rpartition(":")
    assert address == f"oci://{private.host}/team/eks-training"
    assert private.registry().resolve("team/eks-training", tag) == document["digest"]
    helm = Helm(tools("helm"), tmp_path / "helm")
    pull = ["pull", address, "--version", tag, "--ca-file", str(private.certificate), "--destination", str(tmp_path)]
    helm._run(pull, timeout=60, registry=private.access)
    assert (tmp_path / f"eks-training-{tag}.tgz").is_file()
    assert list((tmp_path / "helm").iterdir()) == []


def test_helm_installs_from_it(
    runtime: HostRuntime, private: Private, tools: Callable[[str], Path], tmp_path: Path
) -> None:
    """As the argocd-helm-oci lane does; without the credentials it does not get the chart."""
    chart = tmp_path / "chart"
    chart.mkdir()
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: stack\nversion: 1.0.0\n")
    private.registry().push(pack_chart(chart), "team/stack", "1.0.0")
    helm = Helm(tools("helm"), tmp_path / "helm", runtime.up("private", Silent()).kubeconfig)
    install = partial(
        helm.install_chart, "r", "one", f"oci://{private.host}/team/stack", version="1.0.0", values={}, timeout=60
    )
    with pytest.raises(InstallFailed, match="credential not found"):
        install(registry=replace(private.access, credentials=None))
    install(registry=private.access)
    assert [release["name"] for release in helm.releases()] == ["r"]


def test_without_the_password_nothing_is_tested(logged_in: Machine, private: Private, tmp_path: Path) -> None:
    """Code 21 and the remedy."""
    logged_in.environment["DOCKER_CONFIG"] = str(tmp_path / "nothing")
    words = ("bundle", "eks-training", "--push", "--deployer", "flux-oci", "--output", str(tmp_path / "out"))
    done = logged_in.run(*words)
    assert done.returncode == Exit.REGISTRY_UNREACHABLE
    assert f"docker login {private.host}" in done.stderr


@pytest.fixture
def controllers(tools: Callable[[str], Path]) -> None:
    """All of both families are ready."""
    for name in ("redis", "kustomize", "argocd", "source-controller", "kustomize-controller", "helm-controller"):
        tools(name)
    tools("source-watcher")


@pytest.mark.parametrize("lane", ["flux-oci", "argocd-oci", "argocd-helm-oci"])
def test_lanes_deliver_from_it(controllers: None, logged_in: Machine, private: Private, lane: str) -> None:
    """Every controller gets there with the password and the authority, and neither a recording nor a bundle has it."""
    done = logged_in.run("run", "eks-training", "--deployer", lane, "--json")
    assert done.returncode == Exit.OK, done.stderr
    assert private.tags()
    assert logged_in.left_with(ME.secrets) == []


def test_evidence_does_not_have_the_password(controllers: None, logged_in: Machine, private: Private) -> None:
    """Of a cell that fails, with the Secret in its cluster."""
    done = logged_in.run("-o", "deadlines.flux_sync=1s", "run", "eks-training", "--deployer", "flux-oci")
    assert done.returncode == Exit.SYNC_DEADLINE, done.stderr
    assert logged_in.evidence().is_dir()
    assert logged_in.left_with(ME.secrets) == []
    assert not any(secret in done.stdout + done.stderr for secret in ME.secrets)
