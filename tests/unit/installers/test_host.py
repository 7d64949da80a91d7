"""Installers as plans: what would run, where it would listen, which code a failure has. Nothing is started here."""

import base64
import contextlib
import re
import subprocess
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR, create_server
from threading import Thread
from typing import Any

import pytest
import yaml

from harness import errors
from harness.cluster.api import ApiError
from harness.deadline import Deadline
from harness.errors import ClusterError, HarnessError, ImageMissing, RegistryNotReady, RegistryUnreachable, ToolError
from harness.exits import Exit
from harness.installers import manifests
from harness.installers.argocd import configuration as argocd_configuration
from harness.installers.argocd import host as argocd
from harness.installers.flux import configuration as flux_configuration
from harness.installers.flux import host as flux
from harness.installers.installer import failing_as
from harness.installers.reachable import until_reachable
from harness.installers.registry import configuration as registry_configuration
from harness.processes.ports import require_free
from harness.processes.services import Ports, Service
from harness.publishing.oci.address import Access, Address
from harness.settings import load

DIRECTORY, KUBECONFIG = Path("/state/clusters/one/services"), Path("/state/clusters/one/kubeconfig.yaml")
OWN = Access(Address("localhost:5500", "aicr", plain_http=True))
ADDRESS = re.compile(r"(?:\d+\.){3}\d+|localhost|\[?::")


def ports(purposes: tuple[str, ...]) -> Ports:
    return {purpose: 20_000 + number for number, purpose in enumerate(purposes)}


@pytest.fixture
def controllers() -> Mapping[str, Service]:
    """Flux's services by name."""
    programs = {name: Path("/tools") / name for name in flux_configuration.CONTROLLERS}
    return {each.name: each for each in flux.plan(programs, ports(flux.PORTS), DIRECTORY, KUBECONFIG)}


@pytest.fixture
def servers() -> Mapping[str, Service]:
    """Argo CD's services by name."""
    commands = {"helm": Path("/tools/helm")}
    tools = {name: Path("/tools") / name for name in argocd.TOOLS}
    plan = argocd.plan(tools, commands, ports(argocd.PORTS), DIRECTORY, KUBECONFIG)
    return {each.name: each for each in plan}


def option(service: Service, name: str) -> str:
    found = [each.removeprefix(f"--{name}=") for each in service.arguments if each.startswith(f"--{name}=")]
    assert len(found) == 1, (name, service.arguments)
    return found[0]


# Codes


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.RegistryNotReady, 20),
        (errors.RegistryUnreachable, 21),
        (errors.ArgocdInstallFailed, 30),
        (errors.ArgocdCrdMissing, 31),
        (errors.RepositorySecretRefused, 40),
        (errors.FluxInstallFailed, 60),
        (errors.FluxRolloutFailed, 61),
        (errors.FluxCrdMissing, 62),
    ],
)
def test_each_step_has_its_documented_code(kind: type[errors.InfrastructureError], code: int) -> None:
    """An error of a step leaves with the code of the step, and with what, where and do of its cause."""
    with pytest.raises(kind) as caught, failing_as(kind):
        raise ClusterError("it said no", where="here", do="ask again")
    assert caught.value.exit == code
    assert (caught.value.what, caught.value.where, caught.value.do) == ("it said no", "here", "ask again")


@pytest.mark.parametrize("error", [ToolError("no go"), ImageMissing("no such host"), RegistryUnreachable("not there")])
def test_what_has_a_code_keeps_it(error: HarnessError) -> None:
    """What cannot be had is 10 and no failure of the step; a step within a step keeps its own code."""
    with pytest.raises(HarnessError) as caught, failing_as(RegistryNotReady):
        raise error
    assert caught.value.exit in (Exit.SETTINGS, Exit.REGISTRY_UNREACHABLE)


def test_a_defect_stays_a_defect() -> None:
    """What is no HarnessError keeps its traceback."""
    with pytest.raises(KeyError), failing_as(RegistryNotReady):
        raise KeyError("defect")


# Flux


def test_flux_is_four_controllers_that_need_no_container(controllers: Mapping[str, Service]) -> None:
    """Each knows the cluster and its namespace, elects nobody, serves no metrics, and is asked whether it is ready."""
    assert set(controllers) == {"source-controller", "kustomize-controller", "helm-controller", "source-watcher"}
    for service in controllers.values():
        assert service.environment == {"RUNTIME_NAMESPACE": "flux-system", "KUBECONFIG": str(KUBECONFIG)}
        assert option(service, "enable-leader-election") == "false"
        assert option(service, "metrics-addr") == "0"
        assert option(service, "health-addr") == f"127.0.0.1:{service.probes[0].port}"
        assert service.probes[0].path == "/readyz"


def test_those_that_serve_artifacts_say_where(controllers: Mapping[str, Service]) -> None:
    """The two stores listen where they tell others to fetch, keep their artifacts apart, and are probed there too."""
    for name in ("source-controller", "source-watcher"):
        service = controllers[name]
        assert option(service, "storage-addr") == option(service, "storage-adv-addr")
        assert option(service, "storage-addr") == f"127.0.0.1:{service.probes[1].port}"
        assert option(service, "storage-path") == str(DIRECTORY / name / "artifacts")
        assert any(file.startswith("artifacts/") for file in service.files)
    for name in ("kustomize-controller", "helm-controller"):
        assert not any("storage" in each for each in controllers[name].arguments)


def test_no_port_of_flux_is_used_twice(controllers: Mapping[str, Service]) -> None:
    """Six listeners, six ports, and none asked for that nobody uses."""
    used = [probe.port for service in controllers.values() for probe in service.probes]
    assert len(used) == len(set(used)) == len(flux.PORTS)


def test_helm_controller_takes_charts_out_of_artifact_generators(controllers: Mapping[str, Service]) -> None:
    """The feature gate is on for it, and for no other, which would not know it."""
    assert option(controllers["helm-controller"], "feature-gates") == "ExternalArtifact=true"
    others = [name for name, each in controllers.items() if any("feature" in word for word in each.arguments)]
    assert others == ["helm-controller"]


def test_flux_does_not_wait_for_other_peoples_clocks(controllers: Mapping[str, Service]) -> None:
    """A dependency is asked after within 5 s (30 by default), a failure tried again within 10 (15 min by default)."""
    for service in controllers.values():
        assert float(option(service, "requeue-dependency").removesuffix("s")) <= 5
        assert float(option(service, "max-retry-delay").removesuffix("s")) <= 10


def test_crds_are_those_of_the_module(tmp_path: Path) -> None:
    """Every manifest in the controller's files is read, in a stable order."""
    bases = tmp_path / "files" / "config" / "crd" / "bases"
    bases.mkdir(parents=True)
    for name in ("b", "a"):
        (bases / f"{name}.yaml").write_text(f"---\nkind: CustomResourceDefinition\nmetadata: {{name: {name}}}\n")
    assert [each["metadata"]["name"] for each in flux_configuration.crds(tmp_path / "source-controller")] == ["a", "b"]


def test_a_damaged_manifest_is_a_damaged_tool(tmp_path: Path) -> None:
    """The message names the file and what to do about it; the code is that of a tool."""
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(ToolError, match=r"bad\.yaml: cannot be read") as caught:
        manifests.read([tmp_path / "bad.yaml"])
    assert caught.value.exit == Exit.SETTINGS


def test_no_manifests_at_all_is_a_damaged_tool(tmp_path: Path) -> None:
    """A Flux without CRDs would be "served" at once and work never."""
    with pytest.raises(ToolError, match="no manifests"):
        flux_configuration.crds(tmp_path / "source-controller")


# Argo CD


def test_one_program_is_two_of_argo_cds_servers(servers: Mapping[str, Service]) -> None:
    """Which of them it is depends on the name by which it is called."""
    for name in ("argocd-repo-server", "argocd-application-controller"):
        assert (servers[name].program, servers[name].called_as) == (Path("/tools/argocd"), name)


def test_argo_cds_servers_find_each_other(servers: Mapping[str, Service]) -> None:
    """Both use the one Redis, the controller the one repo server, and each port is used for one thing."""
    redis = servers["argocd-redis"]
    repo_server, controller = servers["argocd-repo-server"], servers["argocd-application-controller"]
    assert option(repo_server, "redis") == option(controller, "redis") == redis.arguments[0]
    assert option(controller, "repo-server") == f"127.0.0.1:{option(repo_server, 'port')}"
    assert "--disable-tls" in repo_server.arguments
    assert "--repo-server-plaintext" in controller.arguments
    assert option(controller, "namespace") == "argocd"
    used = {
        redis.arguments[0].rpartition(":")[2],
        *(option(repo_server, name) for name in ("port", "metrics-port")),
        option(controller, "metrics-port"),
    }
    assert len(used) == len(argocd.PORTS)


def test_argo_cd_stays_out_of_shared_places(servers: Mapping[str, Service]) -> None:
    """Every path is its own: nothing of its image's /app, no socket in /tmp that two clusters would fight for."""
    for name in ("argocd-repo-server", "argocd-application-controller"):
        environment = servers[name].environment
        for variable in ("GNUPGHOME", "GPG_DATA_PATH", "TLS_DATA_PATH", "SSH_DATA_PATH", "PLUGINSOCKFILEPATH"):
            assert Path(environment[f"ARGOCD_{variable}"]).is_relative_to(DIRECTORY / name)
        assert not Path(environment["ARGOCD_ASK_PASS_SOCK"]).is_absolute()
        assert environment["ARGOCD_FAKE_IN_CLUSTER"] == "true"
        assert environment["KUBECONFIG"] == str(KUBECONFIG)
    assert servers["argocd-repo-server"].commands == {"helm": Path("/tools/helm")}


def test_the_repository_secret_is_the_documented_one() -> None:
    """A prefix for all recipes, of type oci, over plain HTTP; the flag is text, since Argo CD drops a boolean."""
    [secret] = argocd_configuration.repository_credentials(OWN, {"https://charts.example": "http://127.0.0.1:8080"})
    data = {key: base64.b64decode(text).decode() for key, text in secret["data"].items()}
    assert data == {"type": "oci", "url": "oci://localhost:5500/aicr", "insecureOCIForceHttp": "true"}
    assert secret["metadata"] == {
        "name": "aicr-oci-repo-creds",
        "namespace": "argocd",
        "labels": {"argocd.argoproj.io/secret-type": "repo-creds"},
    }


def test_argocd_is_told_of_every_chart_mirror_without_tls() -> None:
    """OCI mirrors on this machine, each once; one elsewhere keeps its TLS, and an http repository has no Secret."""
    mirrors = {
        "https://a.example": "oci://localhost:5001/charts",
        "https://b.example": "oci://localhost:5001/charts",
        "https://c.example": "oci://127.0.0.1:5002/c",
        "https://d.example": "oci://registry.example/charts",
        "https://e.example": "http://127.0.0.1:8080/charts",
    }
    told = {
        each["metadata"]["name"]: each["data"] for each in argocd_configuration.repository_credentials(OWN, mirrors)
    }
    urls = {name: base64.b64decode(data["url"]).decode() for name, data in told.items()}
    assert urls == {
        "aicr-oci-repo-creds": "oci://localhost:5500/aicr",
        "chart-mirror-1": "oci://127.0.0.1:5002/c",
        "chart-mirror-2": "oci://localhost:5001/charts",
    }


# Everybody


def test_nothing_is_told_to_listen_on_or_talk_to_other_machines(
    controllers: Mapping[str, Service], servers: Mapping[str, Service]
) -> None:
    """Every address in every argument is loopback, the registry's too; none is a name, which DNS would be asked for."""
    services = (*controllers.values(), *servers.values())
    told = [word for each in services for word in each.arguments]
    assert not any("full=true" in probe.path for each in services for probe in each.probes)  # dials itself by name
    told.append(registry_configuration.configuration("127.0.0.1:5500", "me"))
    found = [address for word in told for address in ADDRESS.findall(word)]
    assert len(found) > 10
    assert set(found) == {"127.0.0.1"}


def test_installing_again_would_start_nothing_anew() -> None:
    """The same inputs are the same services: a plan with anything random in it would restart a running Flux."""
    programs = {name: Path("/tools") / name for name in flux_configuration.CONTROLLERS}
    prints = [
        [each.fingerprint for each in flux.plan(programs, ports(flux.PORTS), DIRECTORY, KUBECONFIG)] for _ in "ab"
    ]
    assert prints[0] == prints[1]
    assert len(set(prints[0])) == len(flux_configuration.CONTROLLERS)


@pytest.mark.parametrize(
    ("deadline", "seconds"),
    [
        ("registry_ready", 120),
        ("registry_reachable", 60),
        ("argocd_install", 300),
        ("argocd_crd", 120),
        ("flux_rollout", 180),
        ("flux_crd", 60),
    ],
)
def test_the_documented_deadlines_are_the_defaults(deadline: str, seconds: float) -> None:
    """As long as the bash harness waited for each step."""
    assert getattr(load(environment={}).deadlines, deadline) == seconds


# Served kinds


class FakeDiscovery:
    """Stands in for a Cluster: a group version is served from its n-th question on."""

    def __init__(self, served_from: Mapping[str, int], crd: Mapping[str, Any] | None = None) -> None:
        self.asked: dict[str, int] = {}
        self._served_from = served_from
        self._crd = crd

    def request(self, method: str, path: str) -> Mapping[str, Any]:
        version = path.removeprefix("/apis/")
        self.asked[version] = self.asked.get(version, 0) + 1
        if self.asked[version] < self._served_from.get(version, 1):
            raise ApiError(404, "NotFound", "no such version", where=path)
        return {"resources": [{"name": "frobs"}, {"name": "frobs/status"}]}

    def get(self, kind: object, namespace: str, name: str) -> Mapping[str, Any] | None:
        return self._crd


def crd(plural: str = "frobs", **versions: bool) -> Mapping[str, Any]:
    served = [{"name": name, "served": each} for name, each in versions.items()]
    spec = {"group": "example.org", "names": {"plural": plural}, "versions": served}
    return {"metadata": {"name": f"{plural}.example.org"}, "spec": spec}


def test_a_kind_counts_as_there_once_every_served_version_is_discovered() -> None:
    """A version that is not yet served is asked for again; one that never will be is not asked for."""
    cluster = FakeDiscovery({"example.org/v2": 3, "example.org/v1alpha1": 99})
    manifests.until_served(cluster, [crd(v1=True, v2=True, v1alpha1=False)], Deadline.after(5))  # type: ignore[arg-type]
    assert cluster.asked == {"example.org/v1": 1, "example.org/v2": 3}


def test_kinds_are_defined_where_none_is_missing() -> None:
    """One that went is enough for controllers to be started anew."""

    class Definitions:
        def get(self, kind: object, namespace: str, name: str) -> Mapping[str, Any] | None:
            return {} if name == "frobs.example.org" else None

    cluster: Any = Definitions()
    assert manifests.defined(cluster, [crd("frobs", v1=True)])
    assert not manifests.defined(cluster, [crd("frobs", v1=True), crd("nobs", v1=True)])


def test_a_kind_that_is_never_served_is_told_with_its_conditions() -> None:
    """The error names the CRD and what the API server says of it: a name that another CRD has, say."""
    refused = {"status": {"conditions": [{"type": "NamesAccepted", "status": "False", "message": "in use"}]}}
    cluster = FakeDiscovery({"example.org/v1": 1}, refused)
    with pytest.raises(ClusterError, match=r"nobs\.example\.org: NamesAccepted=False \(in use\)"):
        manifests.until_served(cluster, [crd("nobs", v1=True)], Deadline.after(0))  # type: ignore[arg-type]


def test_a_server_that_refuses_is_not_waited_for() -> None:
    """403 is no "not yet"."""

    class Refusing(FakeDiscovery):
        def request(self, method: str, path: str) -> Mapping[str, Any]:
            raise ApiError(403, "Forbidden", "no", where=path)

    with pytest.raises(ApiError):
        manifests.until_served(Refusing({}), [crd(v1=True)], Deadline.after(60))  # type: ignore[arg-type]


# The registry's port


def answering(identity: str | None) -> ThreadingHTTPServer:
    """A server on loopback that answers as a registry of that identity would (None: as any other)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            if identity is not None:
                self.send_header(registry_configuration.HEADER, identity)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Any:
    """Answers on a port as the test's parameter says."""
    server = answering(request.param)
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("served", ["me"], indirect=True)
def test_localhost_leads_to_our_registry(served: int) -> None:
    """It answers with the cluster's identity."""
    until_reachable(registry_configuration.SERVED, served, "me", Deadline.after(5))


@pytest.mark.parametrize("served", ["somebody else", None], indirect=True)
def test_another_registry_behind_localhost_is_no_registry(served: int) -> None:
    """A 200 is not enough: what does not say our identity is refused at once, with code 21."""
    with pytest.raises(RegistryUnreachable, match="where something else answers") as caught:
        until_reachable(registry_configuration.SERVED, served, "me", Deadline.after(600))
    assert caught.value.exit == 21


def test_nobody_behind_localhost_is_told_at_the_deadline() -> None:
    """The message names the addresses that were tried."""
    with create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(RegistryUnreachable, match=r"nobody answers at .*127\.0\.0\.1"):
        until_reachable(registry_configuration.SERVED, port, "me", Deadline.after(0))


def test_a_proxy_before_a_registry_that_is_not_there_yet_is_nobody() -> None:
    """The engine's proxy takes each connection and hangs up while no pod is behind it: not another registry."""
    with create_server(("127.0.0.1", 0)) as proxy:

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    proxy.accept()[0].close()

        Thread(target=hang_up, daemon=True).start()
        with pytest.raises(RegistryUnreachable, match="nobody answers") as caught:
            until_reachable(
                registry_configuration.SERVED, proxy.getsockname()[1], "me", Deadline.after(0.3), do="look there"
            )
        proxy.shutdown(SHUT_RDWR)
    assert caught.value.do == "look there"


def test_the_registrys_configuration_is_yaml_that_says_who_it_is() -> None:
    """Loopback, a directory beside it, deletion allowed, and the identity in each answer."""
    found = yaml.safe_load(registry_configuration.configuration("127.0.0.1:5500", "me"))
    assert found["http"]["addr"] == "127.0.0.1:5500"
    assert found["http"]["headers"] == {registry_configuration.HEADER: ["me"]}
    assert found["storage"]["delete"] == {"enabled": True}
    assert not Path(found["storage"]["filesystem"]["rootdirectory"]).is_absolute()


LISTENER = """
import socket, sys
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("called", "who", "do"),
    [
        ("/state/clusters/other/services/registry/registry", "by the registry of the cluster 'other'", "down other"),
        ("/nowhere/frob", "by process {pid}: /nowhere/frob", "end it"),
    ],
)
def test_whoever_holds_the_port_is_named(called: str, who: str, do: str) -> None:
    """Another cluster's registry by its cluster, anybody else by pid and words, each with what to do."""
    with subprocess.Popen(
        [called, "-c", LISTENER],
        executable=sys.executable,
        env={"PYTHONHOME": sys.base_prefix},  # Python looks for its library near the name by which it is called
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        with pytest.raises(RegistryNotReady) as caught:
            require_free(port)
        child.communicate("")
    require_free(port)
    assert caught.value.what.startswith(f"the port is taken {who.format(pid=child.pid)}")
    assert caught.value.where == f"127.0.0.1:{port}"
    assert do in caught.value.do
    assert "KWOK_REGISTRY_HOST_PORT" in caught.value.do


# Trying again


def test_what_may_succeed_later_is_tried_again_with_growing_pauses() -> None:
    """Five attempts, 5 s and then doubling, as documented; not for what will never be accepted."""
    again = flux_configuration.persistently(load(environment={}).retries)
    pauses: list[float] = []
    attempts = 0

    def refuse(status: int) -> None:
        nonlocal attempts
        attempts += 1
        raise ApiError(status, "Reason", "no")

    again.sleep = pauses.append
    with pytest.raises(ApiError):
        again(refuse, 503)
    assert (attempts, pauses) == (5, [5, 10, 20, 40])
    with pytest.raises(ApiError):
        again(refuse, 422)
    assert attempts == 6
