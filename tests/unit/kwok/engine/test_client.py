"""The container engine: found, asked, and what it says when it refuses. The library is real, the engine is a fake."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kwok.engine.client import Container, Engine, EngineError, EngineMissing
from tests.fakes.engine import DOCKER, PODMAN, FakeEngine, Refused, Stored

ID = "sha256:" + "1" * 64


@pytest.fixture
def fake() -> Iterator[FakeEngine]:
    with FakeEngine() as engine:
        yield engine


def container(*, running: bool, **more: Any) -> dict[str, Any]:
    state = {"Running": running, "ExitCode": 0 if running else 137}
    config = {"Image": "kindest/node:v1", "Labels": {"a": "b"}}
    return {"Id": "c1", "Name": "/node", "State": state, "Config": config, **more}


@pytest.mark.parametrize(
    ("version", "name", "podman"), [(DOCKER, "Docker 27.5.1", False), (PODMAN, "Podman 4.9.3", True)]
)
def test_an_engine_says_what_it_is(version: dict[str, Any], name: str, podman: bool) -> None:
    """Docker and Podman are told apart by the components of their version."""
    with FakeEngine(version) as fake:
        engine = Engine.connect(fake.environment)
        assert (engine.name, engine.podman, engine.root, engine.memory) == (name, podman, fake.root, 8 * 2**30)
        assert (engine.address, engine.architecture, engine.local) == (f"unix://{fake.socket}", "amd64", True)


def test_a_missing_engine_names_the_socket_and_the_way_out(tmp_path: Path) -> None:
    """What was tried, why it failed, and how to do without."""
    with pytest.raises(EngineMissing) as missing:
        Engine.connect({"DOCKER_HOST": f"unix://{tmp_path}/no.sock"})
    assert f"unix://{tmp_path}/no.sock: no such file or directory" in str(missing.value)
    assert "RUNTIME=host" in str(missing.value)


def test_a_socket_that_nobody_serves_is_a_missing_engine(tmp_path: Path) -> None:
    """What a killed daemon leaves behind."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "s"))
    with pytest.raises(EngineMissing, match="connection refused"):
        Engine.connect({"DOCKER_HOST": f"unix://{tmp_path}/s"})


def test_a_silent_engine_is_not_waited_for(tmp_path: Path) -> None:
    """A daemon that hangs accepts connections; the caller does not hang with it."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        with pytest.raises(EngineMissing, match="timed out"):
            Engine.connect({"DOCKER_HOST": f"unix://{tmp_path}/s"}, timeout=0.05)


def test_a_forbidden_socket_says_so(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to be in the group is the commonest reason, and another one than no daemon."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")  # as root no socket does

    monkeypatch.setattr("kwok.engine.client._client", refuse)
    with pytest.raises(EngineMissing, match=r"permission denied\n.*join its group"):
        Engine.connect(fake.environment)


def test_without_docker_host_every_usual_socket_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker before Podman, the machine's own and the user's."""
    tried: list[str] = []

    def refuse(_: object, address: str, *__: object) -> None:
        tried.append(address)
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr("kwok.engine.client._client", refuse)
    with pytest.raises(EngineMissing):
        Engine.connect({"XDG_RUNTIME_DIR": "/run/user/7"})
    assert tried == [
        "unix:///var/run/docker.sock",
        "unix:///run/user/7/docker.sock",
        "unix:///run/user/7/podman/podman.sock",
        "unix:///run/podman/podman.sock",
    ]


def test_proxies_are_not_for_the_way_to_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is for what the engine fetches; an engine on a port is spoken to directly."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(EngineMissing, match=f"tcp://127.0.0.1:{closed}: connection refused"):
            Engine.connect({"DOCKER_HOST": f"tcp://127.0.0.1:{closed}"}, timeout=0.3)
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_a_running_container(fake: FakeEngine) -> None:
    """Its ports are those of the host; the second family of addresses adds nothing."""
    bound = [{"HostIp": "127.0.0.1", "HostPort": "5500"}, {"HostIp": "::1", "HostPort": "5500"}]
    ports = {"Ports": {"30500/tcp": bound, "53/udp": [{"HostPort": "53"}], "6443/tcp": None}}
    fake.containers["node"] = {"inspect": container(running=True, NetworkSettings=ports)}
    found = Engine.connect(fake.environment).container("node")
    assert found == Container("c1", "node", True, None, "kindest/node:v1", {"a": "b"}, {5500: 30500})


def test_a_stopped_container_still_tells_its_ports(fake: FakeEngine) -> None:
    """From what it was made with, as it has none now."""
    made = {"PortBindings": {"30500/tcp": [{"HostPort": "5500"}]}}
    fake.containers["node"] = {
        "inspect": container(running=False, NetworkSettings={"Ports": {}}, HostConfig=made),
    }
    found = Engine.connect(fake.environment).container("node")
    assert found is not None
    assert (found.running, found.exit_code, found.ports) == (False, 137, {5500: 30500})


def test_a_container_that_is_not_there(fake: FakeEngine) -> None:
    """None to look at, an error to wait for."""
    engine = Engine.connect(fake.environment)
    assert engine.container("gone") is None
    with pytest.raises(EngineError, match=r"Docker 27\.5\.1 cannot wait for container gone: No such container"):
        engine.until_stopped("gone")


def test_waiting_gives_the_exit_code(fake: FakeEngine) -> None:
    """137 of a node that was killed."""
    fake.containers["node"] = {"inspect": container(running=False)}
    assert Engine.connect(fake.environment).until_stopped("node") == 137


def test_who_holds_a_port(fake: FakeEngine) -> None:
    """Of TCP; a UDP port of that number is another one."""
    fake.containers["dns"] = {"inspect": {}, "Ports": [{"PublicPort": 5500, "Type": "udp"}]}
    fake.containers["node"] = {
        "inspect": container(running=True),
        "Ports": [{"PublicPort": 5500, "PrivatePort": 30500, "Type": "tcp"}],
    }
    engine = Engine.connect(fake.environment)
    holder = engine.publishing(5500)
    assert holder is not None
    assert holder.name == "node"
    assert engine.publishing(5501) is None


def test_images_are_read_alike_from_both_engines() -> None:
    """Podman leaves out the algorithm of an id, and lists where there are none."""
    stored = Stored(ID, tags=("docker.io/a/b:1",))
    read = []
    for version in (DOCKER, PODMAN):
        with FakeEngine(version) as fake:
            fake.images = [stored, Stored("sha256:" + "2" * 64)]
            read.append([(each.id, each.tags, each.digests) for each in Engine.connect(fake.environment).images()])
    assert read[0] == read[1] == [(ID, ("docker.io/a/b:1",), ()), ("sha256:" + "2" * 64, (), ())]


@pytest.mark.parametrize("status", [0, 500])
def test_a_refused_pull_carries_no_secret(fake: FakeEngine, status: int) -> None:
    """Neither the proxy's password nor the key in a signed address, in the stream as in the answer."""
    told = 'Get "https://cdn.example/layer?verify=s3cr3t": proxyconnect tcp: http://bob:hunter2@proxy.example: 503'
    fake.answers["a.example/b:1"] = [Refused(told, status)]
    with pytest.raises(EngineError) as refused:
        list(Engine.connect(fake.environment).pull("a.example/b:1"))
    assert "hunter2" not in str(refused.value)
    assert "s3cr3t" not in str(refused.value)
    assert 'cannot pull it: Get "https://cdn.example/layer?…"' in str(refused.value)


def test_an_engine_that_went_away_is_told(fake: FakeEngine) -> None:
    """Between two questions; not a traceback of the library."""
    engine = Engine.connect(fake.environment)
    fake.socket.unlink()
    with pytest.raises(EngineError, match=r"Docker 27\.5\.1 cannot list images: no such file or directory"):
        engine.images()
