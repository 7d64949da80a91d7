"""What is looked at before a Kind cluster is created."""

import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ClusterError, RegistryNotReady
from harness.settings import Ports
from kwok.engine.client import Container
from kwok.kind import preflight
from tests.fakes.engine_in_memory import NODE, FakeEngine

PLENTY = 64 * 1024**3


def check(engine: FakeEngine, port: int = 1, ours: Container | None = None, **given: Any) -> None:
    preflight.check(
        engine,  # type: ignore[arg-type]
        Ports(registry=port, git=given.get("git", 2)),
        ours,
        which=given.get("which", lambda name: f"/usr/bin/{name}"),
        free_memory=lambda: int(given.get("free", PLENTY)),
    )


@pytest.fixture
def port() -> Iterator[int]:
    """One on which this very process listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_machine_that_has_it_all_passes() -> None:
    """No complaint."""
    check(FakeEngine(root=Path("/nowhere")))


@pytest.mark.parametrize(
    ("engine", "given", "why"),
    [
        (FakeEngine(), {"which": lambda _: None}, "docker is not on PATH"),
        (FakeEngine(name="Podman 5.0", podman=True), {"which": lambda _: None}, "podman is not on PATH"),
        (FakeEngine(name="Docker 19.03.1"), {}, "too old"),
        (FakeEngine(name="Podman 3.4.4"), {}, "too old"),
        (FakeEngine(), {"free": 1024**3}, "2.0 GiB of memory, Docker 28.0.1 has 1.0 GiB free"),
        (FakeEngine(memory=1024**3), {}, "has 1.0 GiB in all"),
        (FakeEngine(memory=1024**3, local=False, address="ssh://far"), {"free": 1}, "has 1.0 GiB in all"),
    ],
)
def test_what_is_missing_is_said_with_the_way_out(engine: FakeEngine, given: dict[str, Any], why: str) -> None:
    """And the host runtime is always one."""
    with pytest.raises(ClusterError, match=why) as told:
        check(engine, **given)
    assert "RUNTIME=host" in told.value.do


def test_a_full_disk_is_told_by_its_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The engine's, not ours."""
    usage = type("Usage", (), {"free": 1024**3})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ClusterError, match=r"5\.0 GiB of disk, 1\.0 GiB are free") as told:
        check(FakeEngine(root=tmp_path))
    assert told.value.where == str(tmp_path)


def test_the_port_of_our_own_node_is_no_obstacle() -> None:
    """The node goes when the cluster is made anew."""
    check(FakeEngine(containers={"node": NODE}, root=Path("/nowhere")), 5500, NODE)


@pytest.mark.parametrize(
    ("labels", "who"),
    [
        ({}, "the container theirs (kindest/node:v1)"),
        ({"io.x-k8s.kind.cluster": "dev"}, "the container theirs of the Kind cluster 'dev' (kindest/node:v1)"),
    ],
)
def test_a_container_that_holds_the_port_is_named(labels: dict[str, str], who: str) -> None:
    """With the cluster that it is of."""
    theirs = replace(NODE, id="beef", name="theirs", labels=labels)
    with pytest.raises(RegistryNotReady) as told:
        check(FakeEngine(containers={"theirs": theirs}, root=Path("/nowhere")), 5500, NODE)
    assert told.value.what == f"the port is taken by {who}"
    assert "KWOK_REGISTRY_HOST_PORT" in told.value.do


def test_a_process_that_holds_the_port_is_named(port: int) -> None:
    """Found as the host runtime finds it."""
    with pytest.raises(RegistryNotReady, match="the port is taken by process"):
        check(FakeEngine(root=Path("/nowhere")), port)


def test_the_ports_of_a_far_engine_are_its_own(port: int) -> None:
    """What listens here says nothing about there."""
    check(FakeEngine(local=False), port)
