"""The host runtime where no process is needed: what it refuses, finds, and leaves alone."""

from pathlib import Path

import pytest

from harness.errors import ClusterError, NotOurs, ToolError
from harness.processes import daemons
from harness.progress import Silent
from harness.settings import Settings, load
from kwok import record as state
from kwok.clusters import Clusters
from kwok.host.runtime import HostRuntime


def no_tools(name: str) -> Path:
    raise ToolError(f"{name} was asked for")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def settings() -> Settings:
    return load(environment={})


def record_running(home: Path, made_with: dict[str, str]) -> state.Record:
    """A cluster whose one component is this test's own process."""
    clusters = Clusters(home, (), lambda directory, record: None)
    record = clusters.reserve("one", made_with, lambda _: {"etcdPort": 20_000})
    record = record.started({}, context="kwok-one", server="https://127.0.0.1:20002")
    record = record.seen_ready({"etcd": daemons.this()})
    state.write(clusters.directory("one"), record)
    return record


def test_get_finds_a_cluster_whose_processes_run(home: Path, settings: Settings) -> None:
    """With what is needed to reach and to recognise it."""
    record = record_running(home, {})
    found = HostRuntime(settings, no_tools, home).get("one")
    assert found is not None
    assert (found.name, found.runtime, found.identity) == ("one", "host", record.identity)
    assert (found.context, found.server) == ("kwok-one", "https://127.0.0.1:20002")
    assert found.kubeconfig == home / "clusters" / "one" / "kubeconfig.yaml"


def test_nothing_is_found_where_nothing_was_made(home: Path, settings: Settings) -> None:
    """And asking makes no file."""
    runtime = HostRuntime(settings, no_tools, home)
    assert (runtime.get("one"), runtime.names()) == (None, [])
    runtime.down("one")
    assert not home.exists()


def test_a_cluster_made_with_other_settings_is_not_passed_off_as_the_wanted_one(home: Path, settings: Settings) -> None:
    """Nor thrown away unasked: a person decides. The message names what differs."""
    runtime = HostRuntime(settings, no_tools, home)
    record_running(home, runtime._made_with() | {"webhooks": "refuse"})
    with pytest.raises(ClusterError, match=r"webhooks: refuse \(settings: skip\)") as refused:
        runtime.up("one", Silent())
    assert "kwok-harness down one" in refused.value.do
    assert "etcd" not in refused.value.what
    assert runtime.get("one") is not None


def test_a_tool_that_cannot_be_had_leaves_nothing(home: Path, settings: Settings) -> None:
    """Tools come before the directory; etcd is the first that is needed."""
    runtime = HostRuntime(settings, no_tools, home)
    with pytest.raises(ToolError, match="etcd was asked for"):
        runtime.up("one", Silent())
    assert runtime.names() == []


def test_tools_are_asked_for_in_the_order_in_which_they_are_declared(home: Path, settings: Settings) -> None:
    """So that they can be built in that order."""
    asked: list[str] = []

    def tools(name: str) -> Path:
        asked.append(name)
        if name == "kwokctl":
            raise ToolError("enough")
        return home / name

    with pytest.raises(ToolError):
        HostRuntime(settings, tools, home).up("one", Silent())
    assert tuple(asked) == HostRuntime.tools


def test_down_refuses_what_the_harness_did_not_make(home: Path, settings: Settings) -> None:
    """A directory of the user's in the wrong place."""
    file = home / "clusters" / "one" / "notes.txt"
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with pytest.raises(NotOurs):
        HostRuntime(settings, no_tools, home).down("one")
    assert file.read_text() == "mine"


def test_a_state_directory_that_cannot_be_written_is_told(home: Path, settings: Settings) -> None:
    """With the path and what to set."""
    home.write_text("a file in its place")
    with pytest.raises(ClusterError, match="cannot be written") as told:
        HostRuntime(settings, no_tools, home).up("one", Silent())
    assert str(home) in told.value.where
    assert "XDG_STATE_HOME" in told.value.do


def test_logs_are_those_that_are_there(home: Path, settings: Settings) -> None:
    """By component."""
    record_running(home, {})
    runtime = HostRuntime(settings, no_tools, home)
    found = runtime.get("one")
    assert found is not None
    log = found.directory / "logs" / "kube-apiserver.log"
    log.parent.mkdir()
    log.touch()
    assert runtime.logs(found) == {"kube-apiserver": log}
