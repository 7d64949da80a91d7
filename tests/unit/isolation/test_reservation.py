"""A cluster is used by one cell at a time and given back as it was, or not at all."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.errors import ClusterError
from harness.helm.client import Helm
from harness.isolation import reservation as isolation
from harness.isolation.inventory import Inventory
from harness.isolation.marks import Mark, Marks, sweep_abandoned
from harness.isolation.reservation import Stay
from harness.processes import daemons
from harness.processes.daemons import Identity
from harness.processes.threads import Background
from harness.progress import Silent
from harness.results.journal import Journal
from harness.runtime import RunningCluster
from harness.settings import load
from tests.fakes.runtime import FakeRuntime

GONE = Identity(1, 0, "another boot")


@pytest.fixture
def marks(tmp_path: Path) -> Marks:
    return Marks(tmp_path)


@pytest.fixture
def journal() -> Journal:
    return Journal(Silent())


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The cluster's side is faked; the list holds what each cleaning leaves behind, and the first is used up."""
    remaining: list[tuple[str, ...]] = []
    cluster = SimpleNamespace()
    monkeypatch.setattr(isolation, "Cluster", lambda *a, **k: cluster)
    monkeypatch.setattr(isolation, "require_ours", lambda *a: None)
    monkeypatch.setattr(isolation, "apply_nodes", lambda *a: None)
    monkeypatch.setattr(isolation, "take", lambda *a: Inventory({}))

    def restore(*arguments: object) -> object:
        left = remaining.pop(0)
        return SimpleNamespace(clean=not left, remaining=left)

    monkeypatch.setattr("harness.isolation.restore.restore", restore)
    return remaining


@pytest.fixture
def stay(marks: Marks, journal: Journal, restored: object) -> Callable[..., Stay]:
    def make(runtime: FakeRuntime, *, reuse: bool) -> Stay:
        deadlines = load(environment={}).deadlines
        return Stay(runtime, marks, journal, deadlines, cell="r under helm", name="c", reuse=reuse)

    return make


def helm(running: RunningCluster) -> Helm:
    return cast(Helm, None)


def end(stay: Stay, **how: Any) -> str:
    return stay.end(helm, **({"keep": False, "hurried": False} | how))


def test_a_cluster_of_its_own_is_taken_down(stay: Callable[..., Stay], marks: Marks) -> None:
    """Nothing is cleaned, and neither the cluster nor its mark is left."""
    runtime = FakeRuntime()
    cell = stay(runtime, reuse=False)
    cell.begin([])
    mark = marks.read("c")
    assert mark is not None
    assert (mark.owner, mark.throwaway, mark.kept) == (daemons.this(), True, False)
    assert end(cell) == "taken down"
    assert (runtime.names(), marks.names(), cell.open) == ([], [], False)


def test_a_kept_cluster_stays_and_says_how_to_reach_it(stay: Callable[..., Stay], marks: Marks) -> None:
    """`--keep` prints the kubeconfig and the command that removes the cluster; its mark says that it is wanted."""
    runtime = FakeRuntime()
    cell = stay(runtime, reuse=False)
    cell.begin([])
    told = end(cell, keep=True)
    assert "KUBECONFIG=c/kubeconfig" in told
    assert "kwok-harness down c" in told
    mark = marks.read("c")
    assert mark is not None
    assert mark.kept
    assert runtime.names() == ["c"]


def test_a_reused_cluster_that_is_clean_again_stays(
    stay: Callable[..., Stay], restored: list[tuple[str, ...]], marks: Marks
) -> None:
    """The next cell finds the same cluster, without a mark."""
    restored.append(())
    runtime = FakeRuntime("c")
    cell = stay(runtime, reuse=True)
    cell.begin([])
    cell.remember()
    assert end(cell).startswith("cleaned")
    assert (runtime.names(), marks.names()) == (["c"], [])


def test_a_reused_cluster_that_cannot_be_cleaned_is_taken_down(
    stay: Callable[..., Stay], restored: list[tuple[str, ...]], journal: Journal
) -> None:
    """A dirty cluster is never used again, and the reason is told."""
    restored.append(("left behind: customresourcedefinitions x",))
    runtime = FakeRuntime("c")
    cell = stay(runtime, reuse=True)
    cell.begin([])
    cell.remember()
    assert end(cell) == "taken down"
    assert runtime.names() == []
    assert "left behind: customresourcedefinitions x" in journal.notes[0]


def test_there_is_no_cleaning_in_a_hurry(stay: Callable[..., Stay]) -> None:
    """After Ctrl-C a reused cluster is taken down: that takes a moment, cleaning may take minutes."""
    runtime = FakeRuntime("c")
    cell = stay(runtime, reuse=True)
    cell.begin([])
    assert end(cell, hurried=True) == "taken down"
    assert runtime.names() == []


def test_two_cells_on_one_cluster_do_not_meet(stay: Callable[..., Stay]) -> None:
    """The second is refused with who is there, and leaves the first alone, also when it ends."""
    runtime = FakeRuntime("c")
    first, second = stay(runtime, reuse=True), stay(runtime, reuse=True)
    first.begin([])
    with pytest.raises(ClusterError, match=r"in use \(r under helm, process \d+\)"):
        second.begin([])
    assert end(second) == "nothing to give back"
    assert runtime.calls == ["up c"]
    assert first.open


def test_a_cluster_is_free_again_whichever_thread_claimed_it(stay: Callable[..., Stay]) -> None:
    """A cell boots in a thread of its own and ends in another; the next cell of the same process may begin at once."""
    runtime = FakeRuntime("c")
    first, second = stay(runtime, reuse=True), stay(runtime, reuse=True)
    Background(lambda: first.begin([]), "cluster").result()
    end(first, hurried=True)
    second.begin([])
    assert second.open


@pytest.mark.parametrize(
    ("mark", "why"),
    [
        (Mark(GONE, "old", throwaway=False), "did not end"),
        (Mark(GONE, "old", throwaway=False, kept=True), "was kept"),
    ],
    ids=["killed", "kept"],
)
def test_what_an_earlier_cell_left_is_not_trusted(
    stay: Callable[..., Stay], marks: Marks, journal: Journal, mark: Mark, why: str
) -> None:
    """A cluster with a mark is replaced before it is used, and that is told."""
    marks.write("c", mark)
    runtime = FakeRuntime("c")
    stay(runtime, reuse=True).begin([])
    assert runtime.calls == ["down c", "up c"]
    assert why in journal.notes[0]


def test_what_a_killed_run_left_is_taken_down(marks: Marks, journal: Journal) -> None:
    """Only throwaway clusters whose owner is gone: not kept ones, not those of runs under way, not named ones."""
    marks.write("dead", Mark(GONE, "old", throwaway=True))
    marks.write("kept", Mark(GONE, "old", throwaway=True, kept=True))
    marks.write("busy", Mark(daemons.this(), "now", throwaway=True))
    marks.write("named", Mark(GONE, "old", throwaway=False))
    runtime = FakeRuntime("dead", "kept", "busy", "named")
    sweep_abandoned(runtime, marks, journal)
    assert runtime.calls == ["down dead"]
    assert marks.names() == ["busy", "kept", "named"]
    assert "cluster dead was left by a run that was killed (old)" in journal.notes[0]


def test_a_teardown_that_fails_can_be_tried_again(stay: Callable[..., Stay], monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it succeeds the stay is open, and the mark stays for the next run to find."""
    runtime = FakeRuntime()
    cell = stay(runtime, reuse=False)
    cell.begin([])
    with monkeypatch.context() as patch:
        patch.setattr(runtime, "down", lambda name: (_ for _ in ()).throw(ClusterError("busy")))
        with pytest.raises(ClusterError):
            end(cell)
    assert cell.open
    assert end(cell) == "taken down"


def test_a_broken_mark_is_one_clear_error(marks: Marks, tmp_path: Path) -> None:
    """A file that is not a mark is named, and not overwritten."""
    marks.write("c", Mark(GONE, "old", throwaway=True))
    (tmp_path / "cells" / "c.json").write_text("{}")
    with pytest.raises(ClusterError, match="is not a mark"):
        marks.read("c")
