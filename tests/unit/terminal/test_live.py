"""What a person sees of a sweep."""

import io

import pytest
from rich.console import Console as RichConsole

from harness.exits import Exit
from harness.results.results import CellResult
from harness.sweeps.sweep import Task
from harness.sweeps.workers import Event
from harness.terminal.live import SweepView
from tests.fakes.sweep import outcome

TASK = Task("eks-training", "flux-oci", "test-1", "1")
LONG = (
    "waiting: HelmRelease flux-system/gpu-operator-with-a-long-name is being reconciled: Progressing: Running 'install'"
)


def drawn(view: SweepView, width: int) -> list[str]:
    console = RichConsole(width=width, file=io.StringIO(), legacy_windows=False)
    with console.capture() as captured:
        console.print(view.picture())
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [80, 160])
def test_each_cell_under_way_is_one_row(width: int) -> None:
    """Whatever it waits for: a row never wraps, and says the recipe, the phase and the time against the budget."""
    view = SweepView(4, live=True, stderr=io.StringIO())
    view.started(TASK)
    view.started(Task("eks", "helm", "test-2", "2", slot=1))
    view.told(TASK, Event("started", "sync"))
    view.told(TASK, Event("waiting", "", LONG, 500.0))
    lines = drawn(view, width)
    assert len(lines) == 3
    assert all(len(line) <= width for line in lines)
    assert lines[0].startswith("eks-training/flux-oci")
    assert "sync" in lines[0]
    assert "waiting: HelmRelease" in lines[0]
    assert lines[0].rstrip().endswith("0/500 s")
    assert "starting" in lines[1]
    assert lines[2].startswith("0 of 4 cells have ended")


def test_a_phase_that_has_ended_gives_way() -> None:
    """To the one that began before it and is still under way; and waiting ends with its phase."""
    view = SweepView(1, live=True, stderr=io.StringIO())
    view.started(TASK)
    for event in (Event("started", "cluster"), Event("started", "bundle"), Event("waiting", "", "waiting: x", 5.0)):
        view.told(TASK, event)
    view.told(TASK, Event("finished", "bundle"))
    assert "cluster" in drawn(view, 80)[0]
    assert "waiting" not in drawn(view, 80)[0]


def test_a_pipe_gets_a_line_for_each_begin_and_end() -> None:
    """With the recipe and the lane in front; phases are not told one by one."""
    heard = io.StringIO()
    view = SweepView(2, live=False, stderr=heard)
    view.started(TASK)
    view.told(TASK, Event("started", "sync"))
    view.told(TASK, Event("note", "", "admission webhooks were not exercised"))
    view.ended(TASK, CellResult("eks-training", "flux-oci", outcome(TASK, Exit.SYNC_DEADLINE)))
    lines = [line[9:] for line in heard.getvalue().splitlines()]
    assert lines == [
        "eks-training/flux-oci: started on test-1",
        "eks-training/flux-oci: admission webhooks were not exercised",
        "✗ eks-training/flux-oci: 50 it was 50 (1.0 s)",
    ]


def test_counts_are_of_what_has_ended() -> None:
    """A retry is not a second cell."""
    view = SweepView(2, live=True, stderr=io.StringIO())
    for code in (Exit.FAILURE, Exit.OK):
        view.started(TASK)
        view.ended(TASK, CellResult("eks-training", "flux-oci", outcome(TASK, code)))
    assert drawn(view, 80)[-1].startswith("1 of 2 cells have ended: 1 passed")
