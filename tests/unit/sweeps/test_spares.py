"""The next cell's control plane: at most one, marked, and never left behind."""

from pathlib import Path
from typing import cast

import pytest

from harness.errors import ClusterError
from harness.isolation.marks import Mark, Marks
from harness.processes import commands, daemons
from harness.progress import Progress
from harness.runtime import RunningCluster, Runtime
from harness.sweeps.spares import Spares
from harness.sweeps.sweep import Task
from tests.fakes.runtime import FakeRuntime

FIRST, SECOND = Task("a", "helm", "c-1", "1-1"), Task("b", "helm", "c-2", "1-2")


@pytest.fixture
def marks(tmp_path: Path) -> Marks:
    return Marks(tmp_path)


def spares(runtime: FakeRuntime, marks: Marks, *, room: bool = True, keep: bool = False) -> Spares:
    return Spares(cast(Runtime, runtime), marks, lambda: room, keep=keep)


def prepared(found: Spares, task: Task) -> None:
    found.prepare(task)
    assert found._booting is not None
    assert found._booting.wait(5)


def test_a_spare_is_brought_up_under_the_cells_name(marks: Marks) -> None:
    """Marked as the harness's own until its cell has it; a second one is not begun."""
    runtime = FakeRuntime()
    found = spares(runtime, marks)
    prepared(found, FIRST)
    found.prepare(SECOND)
    assert runtime.calls == ["up c-1"]
    assert marks.read("c-1") == Mark(daemons.this(), "a under helm, prepared", throwaway=True)


def test_a_spare_that_was_given_is_the_cells_own(marks: Marks) -> None:
    """It is not taken down at the end, and the next one is begun."""
    runtime = FakeRuntime()
    found = spares(runtime, marks)
    prepared(found, FIRST)
    found.give(FIRST)
    prepared(found, SECOND)
    found.close()
    assert runtime.calls == ["up c-1", "up c-2", "down c-2"]
    assert marks.names() == ["c-1"]
    assert not commands.ALL.stopping()


def test_no_spare_without_room(marks: Marks) -> None:
    """A machine that is short of memory has one cluster less, not a dead cell."""
    runtime = FakeRuntime()
    found = spares(runtime, marks, room=False)
    found.prepare(FIRST)
    found.close()
    assert runtime.calls == []
    assert marks.names() == []


def test_a_spare_that_does_not_come_up_is_its_cells_business(marks: Marks) -> None:
    """Nothing is raised: the cell tries again, and says what is wrong."""

    class Broken(FakeRuntime):
        def up(self, name: str, progress: Progress) -> RunningCluster:
            raise ClusterError("no etcd")

    found = spares(Broken(), marks)
    prepared(found, FIRST)
    found.close()
    assert marks.names() == []


def test_what_a_dead_cell_left_is_taken_down(marks: Marks) -> None:
    """Or kept, marked so, where failed cells keep theirs."""
    mark = Mark(daemons.this(), "a under helm", throwaway=True)
    runtime = FakeRuntime("c-1")
    marks.write("c-1", mark)
    keeping = spares(runtime, marks, keep=True)
    keeping.abandoned(FIRST)
    keeping.close()
    kept = marks.read("c-1")
    assert kept is not None
    assert kept.kept
    found = spares(runtime, marks)
    found.abandoned(FIRST)
    found.close()
    assert runtime.calls == ["down c-1"]
    assert marks.names() == []
