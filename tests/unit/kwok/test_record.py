"""What is written down about a cluster, and when it is believed."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.processes import daemons
from kwok import record as state
from kwok.record import FILE, Record

RECORD = Record("one", "5a", "2026-01-01T00:00:00+00:00", {"webhooks": "skip"}, {"etcdPort": 10_001})


def ready(**components: daemons.Identity) -> Record:
    return RECORD.started({}, context="kwok-one", server="https://127.0.0.1:1").seen_ready(components)


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Identities included, and the file is for its owner only."""
    record = ready(etcd=daemons.this())
    state.write(tmp_path, record)
    assert state.read(tmp_path) == record
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": "one", "components": {"etcd": {"pid": 1}}}'])
def test_half_a_record_is_none(tmp_path: Path, text: str) -> None:
    """A killed harness or a full disk leaves no record that could be taken for one."""
    (tmp_path / FILE).write_text(text)
    assert state.read(tmp_path) is None


def test_no_record_where_there_is_no_directory(tmp_path: Path) -> None:
    """Neither a missing directory nor a file in its place is an error."""
    (tmp_path / "file").touch()
    assert state.read(tmp_path / "nothing") is None
    assert state.read(tmp_path / "file") is None


def test_a_cluster_runs_while_every_component_is_the_process_that_was_started() -> None:
    """The test's own process stands for a component."""
    mine = daemons.this()
    assert ready(etcd=mine, scheduler=mine).running


@pytest.mark.parametrize(
    "stranger",
    [
        pytest.param({"start_ticks": 1}, id="the pid is somebody else's now"),
        pytest.param({"boot_id": "another"}, id="the machine was rebooted"),
        pytest.param({"pid": 2**22 + 1}, id="the process is gone"),
    ],
)
def test_one_component_that_is_not_itself_makes_a_cluster_stale(stranger: dict[str, object]) -> None:
    """Pid, start time and boot all count."""
    mine = daemons.this()
    assert not ready(etcd=mine, scheduler=replace(mine, **stranger)).running  # type: ignore[arg-type]


def test_a_cluster_that_was_never_seen_ready_does_not_run() -> None:
    """Its harness was killed in the middle: whoever finds it makes it anew."""
    assert not RECORD.started({"etcd": daemons.this()}, context="c", server="s").running
    assert not ready().running


def test_the_test_process_is_itself() -> None:
    """A guard for the tests above."""
    assert daemons.this().pid == os.getpid()
