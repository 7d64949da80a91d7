"""The Git server: how it is configured on either runtime, who pushes, and a repository of the user's own instead."""

import http.server
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from configparser import ConfigParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trustme

from harness.errors import GitNotReady, GitRefused, GitUnreachable, HarnessError, SettingsError
from harness.exits import Exit
from harness.installers.argocd import configuration as argocd
from harness.installers.catalog import ARGOCD, FLUX, GIT, REGISTRY
from harness.installers.external import located
from harness.installers.flux import configuration as flux
from harness.installers.git import configuration, host, kind
from harness.installers.git.store import STORE, check
from harness.installers.in_cluster.rollout import workload_of
from harness.installers.installer import Site
from harness.processes import ports
from harness.processes.ports import require_free
from harness.progress import Silent
from harness.publishing.git.address import Access, Credentials, Repositories
from harness.runtime import RunningCluster
from harness.settings import Settings, load
from kwok.platforms import KindPlatform
from lanes import find, flux_git
from tests.fakes.git_server import GitServer

TOKEN, OTHER = "a" * 40, "b" * 40
OWN = "https://git.example.com/team/{recipe}.git"
ME = Credentials("me", "hunter2-hunter2")


def settings(**overrides: str) -> Settings:
    return load(environment={}, overrides={key.replace("__", "."): text for key, text in overrides.items()})


def parsed(text: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read_string(f"[top]\n{text}")
    return parser


@pytest.fixture
def running(tmp_path: Path) -> RunningCluster:
    return RunningCluster("c", tmp_path, tmp_path / "kubeconfig", "c", "https://x", "host", "me")


@pytest.fixture
def port() -> Iterator[int]:
    """A server that takes TOKEN for the user's."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(200 if self.headers.get("Authorization") == f"token {TOKEN}" else 401)
            self.end_headers()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


# As a process


def test_it_listens_on_loopback_and_nobody_registers(tmp_path: Path) -> None:
    """Reading needs no user, the first push makes a public repository, all that nobody uses is off."""
    service = host.plan(tmp_path / "gitea", Path("/usr/bin/git"), tmp_path / "home", 3300, "me")
    found = parsed(service.files["app.ini"])
    assert (found["server"]["HTTP_ADDR"], found["server"]["HTTP_PORT"]) == ("127.0.0.1", "3300")
    assert found["server"]["ROOT_URL"] == "http://localhost:3300/"
    assert found["repository"]["ENABLE_PUSH_CREATE_USER"] == "true"
    assert found["repository"]["DEFAULT_PUSH_CREATE_PRIVATE"] == "false"
    assert found["repository"]["DEFAULT_BRANCH"] == "main"
    assert found["service"]["DISABLE_REGISTRATION"] == found["server"]["DISABLE_SSH"] == "true"
    assert found["service"]["REQUIRE_SIGNIN_VIEW"] == found["actions"]["ENABLED"] == "false"
    assert service.files[configuration.IDENTITY] == "me"
    assert service.commands == {"git": Path("/usr/bin/git")}
    assert str(tmp_path / "home") in found["database"]["PATH"]


def test_installing_again_changes_nothing(tmp_path: Path) -> None:
    """What is secret of a cluster's server is the same each time, and another one's is not."""
    one, same, other = (host.plan(tmp_path, tmp_path, tmp_path, 3300, name) for name in ("me", "me", "you"))
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert parsed(one.files["app.ini"])["security"]["INTERNAL_TOKEN"] not in other.files["app.ini"]


# In the cluster


def test_the_pod_has_its_documented_addresses() -> None:
    """30300 on the node leads to 3000 in the pod, which controllers find by the name of its Service."""
    assert kind.ADDRESS == "gitea.aicr-registry.svc.cluster.local:3000"
    service, deployment = kind._service(), kind._deployment("gitea:1", "me")
    [mapped] = service["spec"]["ports"]
    assert (service["spec"]["type"], mapped["nodePort"], mapped["targetPort"]) == ("NodePort", 30300, 3000)
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert workload_of(deployment) == kind.WORKLOADS[0]
    found = parsed(kind._configuration("me"))
    assert (found["server"]["HTTP_ADDR"], found["server"]["HTTP_PORT"]) == ("0.0.0.0", "3000")  # noqa: S104 - a pod


def test_the_pod_says_whose_it_is_and_has_its_configuration_from_a_secret() -> None:
    """Another configuration is another pod; the file by which it is known is the one that the process serves."""
    secret, deployment = kind._secret("me"), kind._deployment("gitea:1", "me")
    assert secret["stringData"]["identity"] == "me"
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    volumes = {each["name"]: each for each in deployment["spec"]["template"]["spec"]["volumes"]}
    [item] = volumes["identity"]["secret"]["items"]
    assert f"{mounts['identity']}/{item['path']}".endswith(configuration.IDENTITY)
    assert container["command"][2] == f"--config={mounts['configuration']}/app.ini"
    assert container["readinessProbe"]["httpGet"] == {"path": "/api/healthz", "port": 3000, "scheme": "HTTP"}
    assert deployment["spec"]["template"]["spec"]["enableServiceLinks"] is False
    revision = deployment["spec"]["template"]["metadata"]["annotations"]
    assert revision != kind._deployment("gitea:1", "you")["spec"]["template"]["metadata"]["annotations"]


# Who pushes


def answering(*answers: str | HarnessError) -> tuple[list[Sequence[str]], Callable[[Sequence[str]], str]]:
    called: list[Sequence[str]] = []

    def administer(words: Sequence[str]) -> str:
        called.append(words)
        answer = answers[len(called) - 1]
        if isinstance(answer, HarnessError):
            raise answer
        return answer

    return called, administer


def test_the_user_is_made_once_and_pushes_with_a_token(running: RunningCluster, port: int) -> None:
    """Which nobody else may read; no password is among the words. A token that is taken stays."""
    called, administer = answering(f"New user!\nAccess token was successfully created... {TOKEN}\n")
    assert configuration.credentials(running) is None
    for _ in range(2):
        configuration.user_that_pushes(running, port, administer)
    [words] = called
    assert "--random-password" in words
    assert not [word for word in words if word.startswith("--password")]
    assert configuration.credentials(running) == Credentials("aicr", TOKEN)
    assert configuration.token_file(running.directory).stat().st_mode & 0o777 == 0o600


def test_a_user_that_is_there_gets_another_token(running: RunningCluster, port: int) -> None:
    """Where the one that is known is not taken any more."""
    configuration.token_file(running.directory).write_text(OTHER)
    called, administer = answering(HarnessError("CreateUser: user already exists [name: aicr]"), f"{TOKEN}\n")
    configuration.user_that_pushes(running, port, administer)
    assert [words[2] for words in called] == ["create", "generate-access-token"]
    assert configuration.credentials(running) == Credentials("aicr", TOKEN)


@pytest.mark.parametrize(
    "answers",
    [
        (HarnessError("database is locked"),),
        (HarnessError("user already exists"), HarnessError("no")),
        ("nothing of the kind",),
        (f"created... {OTHER}",),
    ],
    ids=["refused", "no-token", "says-nothing", "not-taken"],
)
def test_a_server_that_makes_no_user_is_72(
    running: RunningCluster, port: int, answers: tuple[str | HarnessError, ...]
) -> None:
    """Before anything is pushed; what it printed is not shown, for it may be a token."""
    _, administer = answering(*answers)
    with pytest.raises(GitRefused) as raised:
        configuration.user_that_pushes(running, port, administer)
    assert raised.value.exit is Exit.GIT_REFUSED
    assert OTHER not in str(raised.value)


# What bundles are pushed to


def test_each_runtime_calls_it_by_its_own_name(running: RunningCluster) -> None:
    """And reads without credentials: only who pushes has some."""
    configuration.token_file(running.directory).write_text(TOKEN)
    here, inside = (get(settings(), running) for get in (STORE.here, STORE.inside))
    assert here.address == Repositories("http://localhost:3300/aicr/{recipe}.git")
    assert inside.address == Repositories(f"http://{kind.ADDRESS}/aicr/{{recipe}}.git")
    access = cast(Access, here)
    assert (access.credentials, access.reader) == (Credentials("aicr", TOKEN), None)
    assert access.secrets >= {TOKEN}
    assert flux.git_secrets(access) == argocd.git_credentials(access, access.address.target("x", "y")) == []
    assert "secretRef" not in flux_git.source(access.address.target("x", "y"), access)["spec"]


def test_no_server_is_installed_where_a_repository_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither program nor image is needed, and its log is not ours; the other parts stay."""
    monkeypatch.setenv("KWOK_GIT_USER", "me")
    monkeypatch.setenv("KWOK_GIT_PASSWORD", "hunter2-hunter2")
    named = settings(git__remote=OWN)
    assert located((GIT, FLUX), settings()) == (GIT, FLUX)
    instead, other = located((GIT, FLUX), named)
    assert (instead.host.tools, instead.kind.tools, instead.kind.workloads, other) == ((), (), (), FLUX)
    nothing: Any = None
    assert list(instead.collectors(nothing)) == []
    access = cast(Access, STORE.here(named, None))
    assert (access.address.template, access.reader) == (OWN, ME)
    assert located((REGISTRY, ARGOCD), named) == (REGISTRY, ARGOCD)


def test_controllers_are_given_who_asks_at_a_repository_of_ones_own(tmp_path: Path) -> None:
    """In a Secret of each; the GitRepository refers to it."""
    (tmp_path / "ca").write_text("certificate")
    access = Access(Repositories(OWN), ME, tmp_path / "ca")
    target = access.address.target("eks", "flux-git")
    [secret] = flux.git_secrets(access)
    assert secret["data"].keys() == {"username", "password", "ca.crt"}
    assert flux_git.source(target, access)["spec"]["secretRef"] == {"name": secret["metadata"]["name"]}
    [repository] = argocd.git_credentials(access, target)
    assert repository["metadata"]["labels"] == {"argocd.argoproj.io/secret-type": "repository"}
    assert repository["data"].keys() == {"type", "url", "username", "password", "forceHttpBasicAuth"}


def test_argocd_trusts_the_authority_of_a_repository_of_ones_own(tmp_path: Path) -> None:
    """By the name of its server, without the port; of the registry's as well, where that is at the same server."""
    files = [tmp_path / "git.pem", tmp_path / "registry.pem"]
    texts = []
    for file in files:
        trustme.CA().cert_pem.write_to_path(str(file))
        texts.append(file.read_text())
    named = {"git__remote": "https://git.example.com:3000/x.git", "git__ca": str(files[0])}
    assert argocd.all_authorities(settings()) == {}
    assert argocd.all_authorities(settings(**named)) == {"git.example.com": texts[0]}
    same = {"registry__address": "git.example.com", "registry__ca": str(files[1])}
    [both] = argocd.all_authorities(settings(**named, **same)).values()
    assert all(text.strip() in both for text in texts)
    other = {"registry__address": "registry.example.com", "registry__ca": str(files[0])}
    assert argocd.all_authorities(settings(**named, **other)).keys() == {"git.example.com", "registry.example.com"}


def test_one_of_this_machine_is_refused_on_kind(tmp_path: Path) -> None:
    """Pods would look for it in themselves."""
    with pytest.raises(SettingsError, match="which pods in the cluster do not reach") as raised:
        KindPlatform(settings(git__remote="http://localhost:3000/x.git"), Path, tmp_path).require()
    assert raised.value.where == "git.remote"


def test_a_file_without_a_certificate_is_refused(tmp_path: Path) -> None:
    """With the setting's name."""
    (tmp_path / "ca").write_text("nothing")
    with pytest.raises(SettingsError, match="no certificate was found"):
        STORE.here(settings(git__remote=OWN, git__ca=str(tmp_path / "ca")), None)


def test_it_is_asked_whether_it_would_take_a_push(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """71 where it does not answer, 72 where it refuses who asks; not asked where its name depends on the recipe."""
    fast = {"retries__attempts": "1"}

    def site(remote: str) -> Site:
        return cast(Site, SimpleNamespace(settings=settings(git__remote=remote, **fast), progress=Silent()))

    with GitServer(tmp_path, credentials="me:hunter2-hunter2") as server:
        server.repository("x")
        url = f"http://{server.host}/x.git"
        with pytest.raises(GitRefused):
            check(site(url))
        monkeypatch.setenv("KWOK_GIT_USER", "me")
        monkeypatch.setenv("KWOK_GIT_PASSWORD", "hunter2-hunter2")
        check(site(url))
    with pytest.raises(GitUnreachable):
        check(site(url))
    check(site(f"http://{server.host}/{{recipe}}.git"))


def test_the_lanes_are_what_their_tuples_say() -> None:
    """A Git server and one family of controllers each; the store is the server."""
    for name, controllers in (("argocd-git", ARGOCD), ("flux-git", FLUX)):
        lane = find(name)
        assert lane.infrastructure == (GIT, controllers)
        assert lane.store is STORE
        assert lane.shape == name


def test_a_port_that_the_server_itself_holds_is_free_for_it() -> None:
    """Anybody else's is 70, whether the server runs meanwhile or not: it would run on without a port."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        require_free(port, ports.GIT, os.getpid())
        for ours in (None, os.getppid()):
            with pytest.raises(GitNotReady, match=f"the port is taken by process {os.getpid()}") as raised:
                require_free(port, ports.GIT, ours)
            assert raised.value.exit is Exit.GIT_NOT_READY
            assert "KWOK_GITEA_HOST_PORT" in raised.value.do
