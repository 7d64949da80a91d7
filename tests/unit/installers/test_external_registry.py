"""A registry that is not the run's: what is asked of it, and what each controller is told."""

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

from harness.bundles.delivery import Target
from harness.errors import RegistryUnreachable, RepositorySecretRefused, SettingsError
from harness.exits import Exit
from harness.helm.client import Helm
from harness.installers.argocd import configuration as argocd_configuration
from harness.installers.argocd import host as argocd
from harness.installers.argocd import kind as argocd_in_cluster
from harness.installers.catalog import ARGOCD, FLUX, REGISTRY
from harness.installers.external import located
from harness.installers.flux import configuration as flux_configuration
from harness.installers.registry import configuration as registry_configuration
from harness.installers.registry import external
from harness.installers.registry import kind as registry_in_cluster
from harness.installers.registry.store import STORE
from harness.processes import commands
from harness.processes.commands import Completed
from harness.progress import Silent
from harness.publishing.oci.address import Access, Address
from harness.publishing.oci.credentials import Credentials
from harness.settings import Settings, load
from kwok.platforms import HostPlatform, KindPlatform
from lanes import flux_oci
from tests.fakes.registry import FakeRegistry

HOST = "registry.example.com"
ME = Credentials("me", "hunter2-hunter2", source="config.json")
IDENTITY = Credentials(identity_token="identity", source="config.json")


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """The file with an authority's certificate."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


@pytest.fixture
def access(authority: Path) -> Access:
    return Access(Address(HOST, "team"), ME, authority)


@pytest.fixture
def logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DOCKER_CONFIG after `docker login` at the registry."""
    (tmp_path / "config.json").write_text(ME.docker_config(HOST))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def settings(**overrides: str) -> Settings:
    return load(environment={}, overrides={key.replace("__", "."): value for key, value in overrides.items()})


def decoded(item: dict[str, Any]) -> dict[str, str]:
    return {key: base64.b64decode(text).decode() for key, text in item["data"].items()}


# Where it is, and who asks


def test_the_runs_own_registry_is_asked_by_nobody(logged_in: Path) -> None:
    """No credentials are looked for, whatever the files of Docker's client say."""
    (logged_in / "config.json").write_text("broken")
    own = registry_configuration.access(settings())
    assert own == Access(Address("localhost:5500", "aicr", plain_http=True))
    assert registry_in_cluster.access(settings()).address.host == registry_in_cluster.ADDRESS


def test_the_settings_name_another(logged_in: Path, authority: Path) -> None:
    """With the credentials of `docker login`; controllers in a cluster are told the same address."""
    named = settings(registry__address=f"{HOST}/team", registry__ca=str(authority))
    assert registry_configuration.access(named) == registry_in_cluster.access(named)
    found = registry_configuration.access(named)
    assert (found.address, found.authority) == (Address(HOST, "team"), authority)
    assert found.credentials is not None
    assert (found.credentials.username, found.credentials.password) == ("me", "hunter2-hunter2")


@pytest.mark.parametrize("content", [None, "", "no certificate\n"])
def test_an_authority_without_a_certificate(tmp_path: Path, content: str | None, logged_in: Path) -> None:
    """Code 10, with the setting and the file."""
    file = tmp_path / "wrong.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=r"registry\.ca=.*wrong\.pem"):
        registry_configuration.access(settings(registry__address=HOST, registry__ca=str(file)))


def test_a_wrong_address_is_told_before_anything_is_begun(tmp_path: Path) -> None:
    """On both runtimes. On Kind, an address of this machine is one that pods do not reach."""
    for platform in (HostPlatform, KindPlatform):
        with pytest.raises(SettingsError, match="is not the address of a registry"):
            platform(settings(registry__address="me:pw@x/y"), Path, tmp_path).require()
    with pytest.raises(SettingsError, match="pods in the cluster do not reach") as raised:
        KindPlatform(settings(registry__address="https://localhost:5443/x"), Path, tmp_path).require()
    assert raised.value.exit is Exit.SETTINGS
    there = HostPlatform(settings(registry__address="https://localhost:5443/x"), Path, tmp_path)
    there.require()
    address = STORE.place(settings(registry__address="https://localhost:5443/x"), here=True)
    assert address == Address("localhost:5443", "x")


# What takes the place of the registry


def test_no_registry_is_installed() -> None:
    """The lane's other parts stay; neither the program nor the image of a registry is needed."""
    lane = (REGISTRY, FLUX)
    assert located(lane, settings()) == lane
    instead, flux = located(lane, settings(registry__address=HOST))
    assert (instead.name, flux) == (REGISTRY.name, FLUX)
    assert instead.host.tools == instead.kind.tools == ()
    assert instead.kind.workloads == ()
    nothing: Any = None
    assert list(instead.collectors(nothing)) == []
    assert located((REGISTRY, ARGOCD), settings(registry__address=HOST))[1] is ARGOCD


def test_it_is_asked_whether_it_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is pushed; code 21 where it does not answer, or refuses who asks."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with FakeRegistry(users={"me": "hunter2-hunter2"}) as fake:
        options = {"registry__address": f"http://{fake.host}/team", "retries__attempts": "1"}
        site: Any = SimpleNamespace(settings=settings(**options), progress=Silent())
        with pytest.raises(RegistryUnreachable, match="401 Unauthorized") as raised:
            external.check(site)
        assert raised.value.exit is Exit.REGISTRY_UNREACHABLE
        assert f"docker login {fake.host}" in raised.value.do
        (tmp_path / "config.json").write_text(ME.docker_config(fake.host))
        external.check(site)
        assert fake.requests == [("GET", "/v2/")] * 3
    with pytest.raises(RegistryUnreachable, match="Connection refused"):
        external.check(site)


# What controllers are told


def test_argocd_logs_in(access: Access) -> None:
    """By its repository Secret, for everything below the address, with TLS; the authority by the server's name."""
    [secret] = argocd_configuration.repository_credentials(access, {})
    assert decoded(secret) == {
        "type": "oci",
        "url": f"oci://{HOST}/team",
        "username": "me",
        "password": "hunter2-hunter2",
    }
    assert access.authority is not None
    assert argocd_configuration.authorities(access) == {HOST: access.authority.read_text()}
    with_port = Access(Address(f"{HOST}:5000"), None, access.authority)
    assert list(argocd_configuration.authorities(with_port)) == [HOST]
    assert argocd_configuration.authorities(Access(Address(HOST))) == {}


def test_argocd_cannot_use_an_identity_token() -> None:
    """Code 40, before a controller fails with it."""
    with pytest.raises(RepositorySecretRefused, match="identity token") as raised:
        argocd_configuration.repository_credentials(Access(Address(HOST), IDENTITY), {})
    assert raised.value.exit is Exit.ARGOCD_SECRET


def test_argocd_trusts_the_authority(access: Access) -> None:
    """On the host by a file in the repo server's home, where it looks; in a cluster by its ConfigMap."""
    trusted = argocd_configuration.authorities(access)
    ports = dict.fromkeys(argocd.PORTS, 1)
    tools = {name: Path(name) for name in argocd.TOOLS}
    plan = argocd.plan(tools, {}, ports, Path("/services"), Path("kubeconfig"), trusted)
    assert {service.name: service.files for service in plan if service.files} == {
        argocd_configuration.REPO_SERVER: trusted
    }
    [server] = [service for service in plan if service.files]
    assert server.environment["ARGOCD_TLS_DATA_PATH"] == f"/services/{argocd_configuration.REPO_SERVER}"
    maps = [{"metadata": {"name": name}} for name in (argocd_configuration.AUTHORITIES, "argocd-rbac-cm")]
    assert [each.get("data") for each in argocd_in_cluster.fenced(maps, trusted)] == [trusted, None]


@pytest.mark.parametrize("credentials", [ME, IDENTITY])
def test_flux_logs_in(access: Access, credentials: Credentials) -> None:
    """By the Secrets that the OCIRepository refers to."""
    there = Access(access.address, credentials, access.authority)
    login, authority = flux_configuration.registry_secrets(there)
    assert login["type"] == "kubernetes.io/dockerconfigjson"
    assert json.loads(decoded(login)[".dockerconfigjson"]) == json.loads(credentials.docker_config(HOST))
    assert access.authority is not None
    assert decoded(authority) == {"ca.crt": access.authority.read_text()}
    spec = flux_oci.source(Target(f"{HOST}/team/x", "t", plain_http=False), there)["spec"]
    assert spec["secretRef"] == {"name": login["metadata"]["name"]}
    assert spec["certSecretRef"] == {"name": authority["metadata"]["name"]}
    assert "insecure" not in spec


def test_flux_has_no_secret_of_the_runs_own_registry() -> None:
    """It is spoken to without TLS, and asks for nothing."""
    own = registry_configuration.access(settings())
    assert flux_configuration.registry_secrets(own) == []
    spec = flux_oci.source(Target("localhost:5500/aicr/x", "t", plain_http=True), own)["spec"]
    assert spec["insecure"] is True
    assert not {"secretRef", "certSecretRef"} & set(spec)


def test_helm_logs_in_by_a_file(access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For its owner's eyes only, in the home of that call, gone after it; no word of the command says anything."""
    seen: list[tuple[int, str]] = []
    said: list[str] = []

    def run(argv: list[Any], *, env: dict[str, str], **_: Any) -> Completed:
        file = Path(env["HELM_CONFIG_HOME"]) / "registry" / "config.json"
        seen.append((file.stat().st_mode & 0o777, file.read_text()))
        said.extend(str(word) for word in argv)
        return Completed((), 0, "", "", 0.0)

    monkeypatch.setattr(commands, "run", run)
    home = tmp_path / "home"
    Helm(tmp_path / "helm", home).install_chart(
        "r", "n", f"oci://{HOST}/team/x", version="1", values={}, timeout=9, registry=access
    )
    assert seen == [(0o600, ME.docker_config(HOST))]
    assert said[said.index("--ca-file") + 1] == str(access.authority)
    assert "--plain-http" not in said
    assert not any(secret in word for secret in ME.secrets for word in said)
    assert list(home.iterdir()) == []


def test_tls_on_this_machine_is_tls() -> None:
    """A registry with TLS on loopback is not spoken to without it because of its address; mirrors there are."""
    target = Target("localhost:5443/team/x", "t", plain_http=False)
    assert not target.plain("oci://localhost:5443/team/x")
    assert target.plain("oci://localhost:5001/charts")
