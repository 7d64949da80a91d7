"""The infrastructure of a Kind cluster as manifests: what would run where, as whom, with which words."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import ClusterError, FluxInstallFailed
from harness.helm.client import Helm
from harness.installers.argocd import configuration as argocd_configuration
from harness.installers.argocd import kind as argocd
from harness.installers.catalog import ARGOCD, FLUX, REGISTRY
from harness.installers.flux import configuration as flux_configuration
from harness.installers.flux import kind as flux
from harness.installers.in_cluster.placing import placed
from harness.installers.in_cluster.rollout import workload_of
from harness.installers.installer import KindSite
from harness.installers.registry import kind as registry
from harness.objects import DEPLOYMENTS
from harness.processes.commands import CommandFailed, Completed
from harness.progress import Silent
from harness.runtime import RunningCluster
from harness.settings import load


def manifest(kind: str = "Deployment", **container: Any) -> dict[str, Any]:
    pod = {"affinity": {"podAntiAffinity": {}}, "containers": [{"name": "main", "image": "x:latest", **container}]}
    spec = {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": pod}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "x", "namespace": "system"}, "spec": spec}


def pod_of(workload: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = workload["spec"]["template"]["spec"]
    return found


def container_of(workload: Mapping[str, Any]) -> dict[str, Any]:
    [found] = pod_of(workload)["containers"]
    return dict(found)


def write(root: Path, name: str, *documents: Mapping[str, Any]) -> None:
    (root / "files" / name).parent.mkdir(parents=True, exist_ok=True)
    (root / "files" / name).write_text(yaml.safe_dump_all(documents))


# Where everything runs


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_infrastructure_is_on_the_real_node(kind: str) -> None:
    """Selected by the label that nobody else knows; a control plane's taint is no hindrance, pressure is one."""
    pod = pod_of(placed(manifest(kind), "argocd", "x:v1"))
    assert pod["nodeSelector"] == {"kwok-harness.io/node": "infrastructure"}
    assert pod["tolerations"] == [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]
    assert "affinity" not in pod


def test_there_is_one_of_each_and_never_two() -> None:
    """Two would serve half of the artifacts each; scaled to nothing, or with another image, it is put right."""
    found = placed({**manifest(), "spec": {**manifest()["spec"], "replicas": 3}}, "argocd", "x:v1")
    assert (found["spec"]["replicas"], found["spec"]["strategy"]["type"]) == (1, "Recreate")
    assert found["metadata"]["namespace"] == "argocd"
    stateful = placed(manifest("StatefulSet"), "argocd", "x:v1")
    assert stateful["spec"]["podManagementPolicy"] == "Parallel"  # else a broken pod is never replaced
    assert "strategy" not in stateful["spec"]


def test_images_are_those_that_are_there() -> None:
    """What the node has is not asked for again: there may be no registry to ask."""
    container = container_of(placed(manifest(imagePullPolicy="Always"), "argocd", "built.example/x:v1"))
    assert (container["image"], container["imagePullPolicy"]) == ("built.example/x:v1", "IfNotPresent")


def test_a_busy_machine_ends_nothing() -> None:
    """No liveness probe and no limit stop what is only slow; readiness is asked every second, from the first on."""
    probe = {"httpGet": {"path": "/"}, "initialDelaySeconds": 5, "periodSeconds": 10}
    container = container_of(
        placed(manifest(livenessProbe=probe, readinessProbe=probe, resources={"limits": {}}), "argocd", "x:v1")
    )
    assert "livenessProbe" not in container
    assert "resources" not in container
    ready = container["readinessProbe"]
    assert (ready["initialDelaySeconds"], ready["periodSeconds"], ready["httpGet"]) == (0, 1, {"path": "/"})


def test_words_come_after_its_own_and_variables_over_them() -> None:
    """The last word of an option counts; a name twice in the environment is refused by the API server."""
    own = [{"name": "A", "valueFrom": {}}, {"name": "B", "value": "b"}]
    container = container_of(
        placed(manifest(args=["--a"], env=own), "argocd", "x:v1", arguments=["--b"], environment={"A": "1", "C": "c"})
    )
    assert container["args"] == ["--a", "--b"]
    assert container["env"] == [*own[1:], {"name": "A", "value": "1"}, {"name": "C", "value": "c"}]


def test_what_is_placed_is_left_as_it_was() -> None:
    """Manifests are read once and placed again."""
    before = manifest(args=["--a"])
    placed(before, "argocd", "x:v1", arguments=["--b"])
    assert before == manifest(args=["--a"])


@pytest.mark.parametrize("installer", [REGISTRY, ARGOCD, FLUX], ids=lambda each: each.name)
def test_what_stands_still_and_what_has_logs_is_known_in_the_cluster(installer: Any) -> None:
    """Reconcilers and logs are named alike on both runtimes: as the workloads in the cluster are."""
    names = {workload.name for workload in installer.kind.workloads}
    assert set(installer.reconcilers) <= names
    site: Any = type("Site", (), {"log_of": lambda self, service, *_, **__: service, "objects": lambda *_: ""})()
    assert {each for each in installer.collectors(site) if each} <= names


# The registry


def test_the_registry_has_its_documented_addresses() -> None:
    """30500 on the node leads to 5000 in the pod, which controllers find by the name of its Service."""
    assert registry.ADDRESS == "registry.aicr-registry.svc.cluster.local:5000"
    service, deployment = registry._service(), registry._deployment("registry:3", "7")
    [port] = service["spec"]["ports"]
    assert (service["spec"]["type"], port["nodePort"], port["targetPort"]) == ("NodePort", 30500, 5000)
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert workload_of(deployment) == registry.WORKLOADS[0]


def test_the_registry_says_whose_it_is() -> None:
    """Its identity is in each answer, it listens for other pods, and it stores below its working directory."""
    found = yaml.safe_load(registry._config("me")["data"]["config.yml"])
    assert found["http"]["headers"] == {"X-Kwok-Harness": ["me"]}
    assert found["http"]["addr"] == ":5000"
    container = container_of(registry._deployment("registry:3", "7"))
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert mounts["data"] == container["workingDir"]
    assert container["command"][-1] == f"{mounts['configuration']}/config.yml"


def test_another_configuration_is_another_pod() -> None:
    """A registry reads it once: a pod that was started with an edited one does not stay."""
    first, second = (registry._deployment("registry:3", revision)["spec"]["template"] for revision in "78")
    assert first != second
    assert first == registry._deployment("registry:3", "7")["spec"]["template"]


def test_variables_of_services_are_no_settings_of_the_registry() -> None:
    """Kubernetes would set REGISTRY_PORT, and each REGISTRY_ variable overrides the configuration."""
    assert pod_of(registry._deployment("registry:3", "7"))["enableServiceLinks"] is False


# Argo CD


@pytest.fixture
def argo(tmp_path: Path) -> Path:
    """A tool with manifests as Argo CD's module has them, and what is not wanted of them."""
    for part, name, kind in (
        ("base/redis", "argocd-redis", "Deployment"),
        ("base/repo-server", "argocd-repo-server", "Deployment"),
        ("base/application-controller", "argocd-application-controller", "StatefulSet"),
    ):
        found = manifest(kind, args=[f"/bin/{name}"])
        found["metadata"] = {"name": name}
        pod_of(found)["initContainers"] = [{"name": "first", "image": "x:latest"}]
        service = {"kind": "Service", "metadata": {"name": name}}
        policy = {"kind": "NetworkPolicy", "metadata": {"name": name}}
        write(tmp_path, f"manifests/{part}/all.yaml", found, service, policy)
        write(tmp_path, f"manifests/{part}/kustomization.yaml", {"kind": "Kustomization", "resources": []})
    write(tmp_path, "manifests/base/application-controller-roles/sa.yaml", {"kind": "Role", "metadata": {"name": "r"}})
    binding = {"kind": "ClusterRoleBinding", "metadata": {"name": "b"}}
    write(tmp_path, "manifests/cluster-rbac/application-controller/b.yaml", binding)
    return tmp_path / "argocd-manifests"


def test_argo_cd_is_three_workloads_that_behave_as_on_the_host(argo: Path) -> None:
    """Image by image, word by word; what prepares for plug-ins and passwords is not waited for."""
    found = argocd.workloads(argo, {"argocd": "argo:v1", "redis": "redis:v1"})
    assert {workload_of(each) for each in found} == set(argocd.WORKLOADS)
    for each in found:
        name, container = each["metadata"]["name"], container_of(each)
        assert container["image"] == ("redis:v1" if name == "argocd-redis" else "argo:v1")
        assert container["args"] == [f"/bin/{name}", *argocd_configuration.OPTIONS.get(name, ())]
        assert ({"name": "ARGOCD_K8S_CLIENT_QPS", "value": "500"} in container.get("env", [])) == (
            name != "argocd-redis"
        )
        assert "initContainers" not in pod_of(each)


def test_of_argo_cd_comes_what_it_needs_and_no_network_policy(argo: Path) -> None:
    """Accounts, roles and services, in its namespace where they have one."""
    found = [(each["kind"], each["metadata"].get("namespace")) for each in argocd.plain(argo)]
    assert found == [("Service", "argocd")] * 3 + [("Role", "argocd"), ("ClusterRoleBinding", None)]


def test_redis_has_a_password_that_stays(argo: Path) -> None:
    """The same for a cluster each time, or its users would be started with another one; nobody else's."""
    assert argocd.redis_password("me") == argocd.redis_password("me") != argocd.redis_password("you")
    assert len(base64.b64decode(argocd.redis_password("me")["data"]["auth"])) == 64


# Flux


@pytest.fixture
def controllers(tmp_path: Path) -> Mapping[str, Path]:
    """Tools with manifests as the modules of Flux's controllers have them."""
    for name in flux_configuration.CONTROLLERS:
        found = manifest(args=["--enable-leader-election"])
        found["metadata"] = {"name": name}
        write(tmp_path / name, "config/manager/deployment.yaml", found)
        write(tmp_path / name, "config/manager/kustomization.yaml", {"kind": "Kustomization"})
    write(tmp_path / "source-controller", "config/manager/s.yaml", {"kind": "Service", "metadata": {"name": "s"}})
    return {name: tmp_path / name / f"{name}-manifests" for name in flux_configuration.CONTROLLERS}


def test_flux_behaves_as_on_the_host(controllers: Mapping[str, Path]) -> None:
    """The same options, after those of the manifest; each under the account that the roles are given to."""
    images = {name: f"{name}:v1" for name in controllers}
    _, deployments, _ = flux.parted([part for program in controllers.values() for part in flux.parts(program)])
    found = flux.workloads(deployments, images)
    assert {workload_of(each) for each in found} == set(flux.WORKLOADS)
    for each in found:
        name = each["metadata"]["name"]
        assert container_of(each)["args"] == ["--enable-leader-election", *flux_configuration.options(name)]
        assert container_of(each)["image"] == f"{name}:v1"
        assert pod_of(each)["serviceAccountName"] == name
    assert {each["metadata"]["name"] for each in flux.accounts()} == set(controllers)


def test_options_say_nothing_of_addresses(controllers: Mapping[str, Path]) -> None:
    """In a cluster the manifest's own addresses hold: a Service before each store."""
    assert not any("addr" in option for name in controllers for option in flux_configuration.options(name))
    _, _, [service] = flux.parted([part for program in controllers.values() for part in flux.parts(program)])
    assert (service["kind"], service["metadata"]["namespace"]) == ("Service", "flux-system")


def test_other_controllers_than_those_that_are_waited_for_are_60(controllers: Mapping[str, Path]) -> None:
    """Nothing is ready because nothing was there."""
    with pytest.raises(FluxInstallFailed, match="manifests of no controller instead of helm-controller, kustomize"):
        flux.parted([])
    made = [part for program in controllers.values() for part in flux.parts(program)]
    made[0]["metadata"]["name"] = "image-reflector-controller"
    with pytest.raises(FluxInstallFailed, match="image-reflector-controller") as caught:
        flux.parted(made)
    assert caught.value.exit == 60


# Alternatives: a chart, and a command


def site(tmp_path: Path, **overrides: str) -> KindSite:
    nothing: Any = None
    running = RunningCluster("one", tmp_path, tmp_path / "kubeconfig.yaml", "kind-one", "", "kind", "me")
    settings = load(environment={}, overrides=overrides)
    return KindSite(settings, lambda name: tmp_path / name, running, nothing, nothing, nothing, Silent())


def test_argo_cd_by_its_chart(tmp_path: Path) -> None:
    """Pinned, from its repository, waited for, on the real node; values are strings: Argo CD drops a boolean."""
    said = tmp_path / "said"
    (tmp_path / "helm").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {said}\n')
    (tmp_path / "helm").chmod(0o755)
    here = site(tmp_path)
    argocd.by_chart(here, here.settings.kind.argocd_chart, 300)
    words = said.read_text().splitlines()
    assert words[:6] == ["upgrade", "--install", "argocd", "argo-cd", "--version", "9.5.14"]
    assert words[6:8] == ["--repo", "https://argoproj.github.io/argo-helm"]
    assert {"--wait", "--create-namespace"} <= set(words)
    values = [words[number + 1] for number, word in enumerate(words) if word == "--set-string"]
    assert {
        r"configs.params.server\.insecure=true",
        r"global.nodeSelector.kwok-harness\.io/node=infrastructure",
    } <= set(values)
    assert "--plain-http" not in words


def test_a_chart_of_the_clusters_own_registry_has_no_repository(tmp_path: Path) -> None:
    """The same call with an address of this machine: no TLS, and nothing is waited for."""
    said = tmp_path / "said"
    (tmp_path / "helm").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {said}\n')
    (tmp_path / "helm").chmod(0o755)
    Helm(tmp_path / "helm", tmp_path).install_chart("r", "n", "oci://x/y", version="1", values={}, timeout=9)
    assert "--plain-http" in said.read_text()
    assert "--wait" not in said.read_text()


def flux_command(tmp_path: Path, succeeds_at: int, exports: str = "kind: Service\nmetadata: {name: x}\n") -> Path:
    command = tmp_path / "flux"
    (tmp_path / "exported").write_text(exports)
    command.write_text(
        f'#!/bin/sh\nprintf "%s " "$@" >> {tmp_path}/said; echo >> {tmp_path}/said\n'
        f'[ $(wc -l < {tmp_path}/said) -ge {succeeds_at} ] || {{ echo "✗ no internet" >&2; exit 1; }}\n'
        f"cat {tmp_path}/exported\n"
    )
    command.chmod(0o755)
    return command


def test_flux_by_its_command(tmp_path: Path) -> None:
    """What it would apply, of the pinned version, with the source watcher; tried again with the documented pauses."""
    pauses: list[float] = []
    found = flux.by_command(site(tmp_path), str(flux_command(tmp_path, succeeds_at=3)), pauses.append)
    assert found == [{"kind": "Service", "metadata": {"name": "x"}}]
    said = (tmp_path / "said").read_text().splitlines()
    assert (len(said), pauses) == (3, [5, 10])
    words = said[0].split()
    assert words[:3] == ["install", "--export", "--version=v2.9.5"]
    assert "--components-extra=source-watcher" in words


@pytest.mark.parametrize("exports", ["flux: command of another kind", "kind: Frobnicator", "a: b: c"])
def test_a_command_that_prints_something_else_is_told(tmp_path: Path, exports: str) -> None:
    """Another program of that name, or a version with kinds that nobody here knows."""
    with pytest.raises(ClusterError, match="`flux` has printed"):
        flux.by_command(site(tmp_path), str(flux_command(tmp_path, 1, exports)), lambda _: None)


def test_a_command_that_never_succeeds_is_60(tmp_path: Path) -> None:
    """Five attempts, and what it said at the last one."""
    with pytest.raises(FluxInstallFailed, match=r"failed 5 times: ✗ no internet") as caught:
        flux.by_command(site(tmp_path), str(flux_command(tmp_path, succeeds_at=9)), lambda _: None)
    assert caught.value.exit == 60


def test_a_command_that_is_not_there_is_60(tmp_path: Path) -> None:
    """With what to do instead."""
    with pytest.raises(FluxInstallFailed, match="not on PATH") as caught:
        flux.by_command(site(tmp_path), None)
    assert "kind.flux: manifests" in caught.value.do


def test_only_a_failed_command_is_run_again() -> None:
    """A defect is not."""
    again = flux.attempts(load(environment={}).retries)
    again.sleep = lambda _: None
    tried: list[int] = []

    def failing(error: Exception) -> None:
        tried.append(1)
        raise error

    with pytest.raises(KeyError):
        again(failing, KeyError("x"))
    with pytest.raises(CommandFailed):
        again(failing, CommandFailed(Completed(("flux",), 1, "", "", 0.0)))
    assert len(tried) == 1 + 5


def test_workloads_are_named_by_what_they_are() -> None:
    """The gate looks for them by kind, namespace and name."""
    found = workload_of(placed(manifest(), "argocd", "x:v1"))
    assert (found.kind, found.key, str(found)) == (DEPLOYMENTS, ("argocd", "x"), "Deployment argocd/x")
