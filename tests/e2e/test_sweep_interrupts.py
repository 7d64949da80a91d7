"""Sweeps with real workers, signals and files, and cells that only sleep: whatever the moment, nothing is lost."""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness import reports
from harness.errors import Terminated
from harness.exits import Exit
from harness.processes import signals
from harness.results.results import CellResult, Results, Status
from harness.sweeps.sweep import Sweep, Task
from harness.sweeps.workers import Event, Worker, warm_up
from tests.fakes.cells import Faked, carry_out

pytestmark = pytest.mark.e2e

LANES = ("helm", "argocd-oci", "argocd-helm-oci", "flux-oci")
CELLS, MOMENTS, JOBS = 100, 50, 4


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Signals are again what they were to pytest."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    hook = sys.unraisablehook
    yield
    sys.unraisablehook = hook
    for each, handler in before.items():
        signal.signal(each, handler)


class Heard:
    """A view that knows who began and who ended; no spares."""

    def __init__(self) -> None:
        self.begun: list[Task] = []
        self.known: dict[str, CellResult] = {}
        self.gone: list[str] = []

    def started(self, task: Task) -> None:
        self.begun.append(task)

    def told(self, task: Task, event: Event) -> None: ...

    def ended(self, task: Task, result: CellResult) -> None:
        self.known[task.recipe] = result

    def note(self, text: str) -> None: ...

    def prepare(self, task: Task) -> None: ...

    def give(self, task: Task) -> None: ...

    def abandoned(self, task: Task) -> None:
        self.gone.append(task.recipe)

    def stop(self) -> None: ...

    def close(self) -> None: ...


def sweep(home: Path, heard: Heard, *, count: int = CELLS, seconds: float = 0.004, **how: bool) -> Sweep:
    cells = [CellResult(f"r{number}", LANES[number % len(LANES)]) for number in range(count)]

    def start(task: Task) -> Worker[Faked, object]:
        return Worker(carry_out, Faked(task, home, seconds, **how))

    def written(results: Results) -> None:
        assert reports.write(results, home / "results") == ()

    return Sweep(cells, start, written, heard, heard, "1", "test", jobs=JOBS)  # type: ignore[arg-type]


def workers() -> list[psutil.Process]:
    """What runs below the server from which workers are forked."""
    return [each for child in psutil.Process().children() for each in child.children(recursive=True)]


def test_a_sweep_of_a_hundred_cells_interrupted_at_fifty_moments_loses_nothing(tmp_path: Path) -> None:
    """Every cell that had begun is known to have passed or been interrupted, in the results on disk as well; all
    others were not run; no process is left.
    """
    warm_up("harness.sweeps.workers", "harness.sweeps.sweep", "pytest")  # what every worker would import
    signals.install()
    chance = random.Random(50)
    begun = time.monotonic()
    home = tmp_path / "whole"
    home.mkdir()
    assert sweep(home, Heard()).carry_out().exit is Exit.OK
    usual = time.monotonic() - begun
    late = 0
    for number in range(MOMENTS):
        home = tmp_path / str(number)
        home.mkdir()
        heard = Heard()
        which = chance.choice([signal.SIGINT, signal.SIGTERM])
        swept = sweep(home, heard)
        timer = threading.Timer(chance.random() ** 3 * usual, os.kill, (os.getpid(), which))
        try:
            timer.start()
            results = swept.carry_out()
            over = time.monotonic()
            timer.join()
            time.sleep(0.001)  # a signal that came just now is heard here
        except (KeyboardInterrupt, Terminated):  # it had ended before the signal came
            late += 1
            continue
        code = Exit.INTERRUPTED if which is signal.SIGINT else Exit.TERMINATED
        if results.stopped is None:
            late += 1
            continue
        assert results.exit is code
        assert len(results.cells) == CELLS
        by_name = {cell.recipe: cell for cell in results.cells}
        for task in heard.begun:
            assert by_name[task.recipe].status in (Status.PASSED, Status.INTERRUPTED), by_name[task.recipe]
        for file in home.iterdir():
            if file.name != "results" and file.read_text() == Exit.OK.name:
                assert by_name[file.name].status is Status.PASSED
        assert {name: known.status for name, known in heard.known.items()} == {
            task.recipe: by_name[task.recipe].status for task in heard.begun
        }
        assert results.counted()[Status.NOT_RUN] == CELLS - len(heard.begun)
        assert [c.status for c in reports.read(home / "results" / reports.RESULTS_FILE).cells] == [
            c.status for c in results.cells
        ]
        assert time.monotonic() - over < 10
        assert workers() == []
    assert late < MOMENTS / 4


def test_a_worker_that_will_not_end_is_killed_in_time(tmp_path: Path) -> None:
    """Long before the cells would end by themselves; tests/benchmarks/interrupt.py measures the promised 5 s."""
    warm_up("harness.sweeps.workers", "harness.sweeps.sweep", "pytest")  # what every worker would import
    heard = Heard()
    swept = sweep(tmp_path, heard, count=JOBS, seconds=30, stuck=True)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    begun = time.monotonic()
    timer.start()
    results = swept.carry_out()
    assert time.monotonic() - begun < 15
    assert results.exit is Exit.INTERRUPTED
    assert results.counted()[Status.INTERRUPTED] == JOBS
    assert sorted(heard.gone) == sorted(task.recipe for task in heard.begun)
    assert workers() == []


def test_a_worker_that_dies_is_a_failed_cell(tmp_path: Path) -> None:
    """The others run as if nothing had been."""
    warm_up("harness.sweeps.workers", "harness.sweeps.sweep", "pytest")  # what every worker would import
    heard = Heard()
    results = sweep(tmp_path, heard, count=3, dies=True).carry_out()
    assert [cell.why for cell in results.cells] == ["the cell died: its process ended with 9 and wrote no result"] * 3
    assert results.exit is Exit.FAILURE
