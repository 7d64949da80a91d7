"""Directories of clusters: what is cleared, what is refused, who waits for whom."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import ClusterError, NotOurs, UsageError
from harness.processes import daemons
from kwok import record as state
from kwok.clusters import Clusters
from kwok.host import launch
from kwok.host.components import PORTS


@pytest.fixture
def clusters(tmp_path: Path) -> Clusters:
    return Clusters(tmp_path / "home", {"kwok.yaml", "pki", "etcd", "bin", "logs"}, stop)


@pytest.fixture
def bystander() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that has nothing to do with us."""
    child = subprocess.Popen(["sleep", "60"])
    yield child
    child.kill()
    child.wait()


def numbered(reserved: set[int]) -> dict[str, int]:
    """Ports from 10001 on, as a chooser that gives the lowest would."""
    return dict(zip(PORTS, (port for port in range(10_001, 10_100) if port not in reserved), strict=False))


def stop(directory: Path, record: state.Record | None) -> None:
    """As the host runtime does it."""
    launch.stop(directory, record.components if record is not None else {})


def test_a_new_cluster_has_a_private_directory_and_a_record_before_anything_runs(clusters: Clusters) -> None:
    """A harness killed a moment later leaves something that can be recognised."""
    record = clusters.reserve("one", {"webhooks": "skip"}, numbered)
    assert clusters.directory("one").stat().st_mode & 0o777 == 0o700
    assert clusters.record("one") == record
    assert set(record.ports) == set(PORTS)
    assert not record.running


def test_two_clusters_get_different_ports_and_identities(clusters: Clusters) -> None:
    """Ports are reserved by being written down, before anybody listens on them."""
    one, two = (clusters.reserve(name, {}, numbered) for name in ("one", "two"))
    assert not set(one.ports.values()) & set(two.ports.values())
    assert one.identity != two.identity


def test_clear_removes_a_cluster_and_nothing_else(clusters: Clusters) -> None:
    """The directory with all it holds; the neighbour stays."""
    for name in ("one", "two"):
        clusters.reserve(name, {}, numbered)
    (clusters.directory("one") / "of-a-lane").mkdir()
    clusters.clear("one")
    assert clusters.names() == ["two"]


def test_clear_of_nothing_is_done_already(clusters: Clusters) -> None:
    """No directory, no complaint."""
    clusters.clear("never-made")
    assert clusters.names() == []


@pytest.mark.parametrize("entries", [[], ["kwok.yaml", "pki", "etcd"], ["cluster.json.new"]])
def test_what_a_killed_harness_left_is_cleared_without_a_record(clusters: Clusters, entries: list[str]) -> None:
    """Only names that up and kwokctl make."""
    directory = clusters.directory("half")
    for entry in entries or [""]:
        (directory / entry).mkdir(parents=True)
    clusters.clear("half")
    assert not directory.exists()


def test_a_directory_that_holds_something_of_the_user_is_refused(clusters: Clusters) -> None:
    """Without a record, one unknown name is enough."""
    directory = clusters.directory("thesis")
    directory.mkdir(parents=True)
    (directory / "thesis.tex").write_text("years of work")
    (directory / "pki").mkdir()
    with pytest.raises(NotOurs, match=r"thesis\.tex") as refused:
        clusters.clear("thesis")
    assert refused.value.where == str(directory)
    assert (directory / "thesis.tex").read_text() == "years of work"


def test_a_link_to_somewhere_else_is_refused(clusters: Clusters, tmp_path: Path) -> None:
    """Even where the other end looks like a cluster."""
    clusters.reserve("elsewhere", {}, numbered)
    elsewhere = clusters.directory("elsewhere").rename(tmp_path / "elsewhere")
    clusters.directory("one").symlink_to(elsewhere)
    with pytest.raises(NotOurs, match="no directory"):
        clusters.clear("one")
    assert (elsewhere / state.FILE).exists()


def test_a_copy_of_another_cluster_is_refused(clusters: Clusters) -> None:
    """Its record names the other one, whose processes must not be ended for it."""
    clusters.reserve("one", {}, numbered)
    shutil.copytree(clusters.directory("one"), clusters.directory("copy"))
    with pytest.raises(NotOurs, match="names 'one'"):
        clusters.clear("copy")


def test_a_process_that_only_has_the_pid_of_a_component_is_not_signalled(
    clusters: Clusters, bystander: "subprocess.Popen[bytes]"
) -> None:
    """The recorded component has ended, and its pid belongs to a stranger now."""
    stranger = daemons.identify(bystander.pid)
    assert stranger is not None
    record = clusters.reserve("one", {}, numbered)
    then = replace(stranger, start_ticks=stranger.start_ticks - 1)
    state.write(clusters.directory("one"), record.seen_ready({"etcd": then}))
    clusters.clear("one")
    assert bystander.poll() is None


def test_a_component_is_ended(clusters: Clusters, bystander: "subprocess.Popen[bytes]") -> None:
    """Pid and start time are those that were recorded."""
    identity = daemons.identify(bystander.pid)
    assert identity is not None
    record = clusters.reserve("one", {}, numbered)
    state.write(clusters.directory("one"), record.seen_ready({"etcd": identity}))
    clusters.clear("one")
    assert bystander.wait(5) < 0


def test_without_a_record_programs_of_the_cluster_are_found_and_readers_of_its_files_left_alone(
    clusters: Clusters,
) -> None:
    """A component runs from bin/ below the directory; a pager of the user's merely mentions it."""
    directory = clusters.directory("half")
    (directory / "bin").mkdir(parents=True)
    (directory / "logs").mkdir()
    (directory / "logs" / "etcd.log").touch()
    (directory / "bin" / "etcd").symlink_to(shutil.which("sleep") or "")
    component = subprocess.Popen([directory / "bin" / "etcd", "60"])
    reader = subprocess.Popen(["tail", "-f", directory / "logs" / "etcd.log"], stderr=subprocess.DEVNULL)
    try:
        clusters.clear("half")
        assert component.wait(5) < 0
        assert reader.poll() is None
    finally:
        for child in (component, reader):
            child.kill()
            child.wait()


@pytest.mark.parametrize("name", ["", "../etc", "a/b", "-a", "A", "a" * 60])
def test_a_name_is_one_path_segment(clusters: Clusters, name: str) -> None:
    """No name leads out of the directory of clusters."""
    with pytest.raises(UsageError):
        clusters.clear(name)


def test_one_at_a_time_in_threads_too(clusters: Clusters) -> None:
    """Who comes second is told after its patience; another name does not wait."""
    told: list[str] = []

    def second(name: str) -> None:
        try:
            with clusters.alone(name, patience=0.2):
                told.append(f"{name} entered")
        except ClusterError as error:
            told.append(error.what)

    with clusters.alone("one", patience=1):
        for name in ("one", "two"):
            thread = threading.Thread(target=second, args=(name,))
            thread.start()
            thread.join()
    assert told == ["another harness has been busy with the cluster 'one' for 0.2 s", "two entered"]


def test_a_lock_that_is_forgotten_still_excludes(clusters: Clusters) -> None:
    """Whoever waited for a removed lock and whoever made a new one must not both believe to be alone."""
    inside, most, entered = 0, 0, 0
    guard = threading.Lock()
    leaving = threading.Event()

    def visit() -> None:
        nonlocal inside, most, entered
        with clusters.alone("one", patience=5):
            with guard:
                inside, entered = inside + 1, entered + 1
                most = max(most, inside)
            leaving.wait(0.05)
            with guard:
                inside -= 1
            clusters.forget("one")

    threads = [threading.Thread(target=visit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, entered) == (1, 6)
    assert list((clusters.home / "locks").iterdir()) == []
