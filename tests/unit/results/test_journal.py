"""The journal keeps what happened in order; background work hands over its result or its error."""

import threading

import pytest

from harness.errors import ClusterError
from harness.processes.threads import Background
from harness.progress import Silent, task
from harness.results.journal import Journal
from harness.results.outcome import Phase


class Recorded(Silent):
    """A Progress that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    def started(self, task: str, detail: str = "") -> None:
        self.events.append(("started", task, detail))

    def finished(self, task: str, detail: str = "") -> None:
        self.events.append(("finished", task, detail))

    def failed(self, task: str, detail: str) -> None:
        self.events.append(("failed", task, detail))

    def note(self, text: str) -> None:
        self.events.append(("note", "", text))


def test_phases_keep_the_order_in_which_they_began() -> None:
    """A cluster that boots while a bundle is made is listed first, though it ends last; begins count from the start."""
    ticks = iter(range(100))
    journal = Journal(Silent(), clock=lambda: float(next(ticks)))
    with journal.phase("cluster"), journal.phase("bundle") as phase:
        phase.detail = "3 releases"
    assert journal.phases == (
        Phase("cluster", 3.0, "passed", begun=1.0),
        Phase("bundle", 1.0, "passed", "3 releases", begun=2.0),
    )


def test_a_failing_phase_keeps_the_first_line_and_goes_on_raising() -> None:
    """The table shows what failed; the error still reaches the one who decides."""
    recorded = Recorded()
    journal = Journal(recorded, clock=lambda: 0.0)
    with pytest.raises(ClusterError), journal.phase("cluster"):
        raise ClusterError("no etcd\nlog line", do="look")
    assert journal.phases == (Phase("cluster", 0.0, "failed", "no etcd"),)
    assert recorded.events == [("started", "cluster", ""), ("failed", "cluster", "no etcd")]


def test_an_error_without_a_message_is_told_by_its_name() -> None:
    """Ctrl-C carries no text, and an empty cell in the table would say nothing."""
    journal = Journal(Silent(), clock=lambda: 0.0)
    with pytest.raises(KeyboardInterrupt), journal.phase("verify"):
        raise KeyboardInterrupt
    assert journal.phases[0].detail == "KeyboardInterrupt"


def test_a_note_is_told_once() -> None:
    """Two releases with the same webhook configuration make one note."""
    recorded = Recorded()
    journal = Journal(recorded)
    journal.note("x")
    journal.note("x")
    assert journal.notes == ["x"]
    assert recorded.events == [("note", "", "x")]


def test_a_phase_that_still_runs_is_not_listed() -> None:
    """The outcome of an interrupted cell has only what came to an end."""
    journal = Journal(Silent())
    with journal.phase("cluster"):
        assert journal.phases == ()


def test_a_task_reports_its_failure_and_goes_on_raising() -> None:
    """Progress is a witness: it changes nothing."""
    recorded = Recorded()
    with pytest.raises(ValueError, match="bad"), task(recorded, "release nfd"):
        raise ValueError("bad\nmore")
    assert recorded.events == [("started", "release nfd", ""), ("failed", "release nfd", "bad")]


def test_background_work_hands_over_its_result() -> None:
    """The value arrives where it is asked for."""
    assert Background(lambda: 42, "answer").result(5) == 42


def test_background_work_hands_over_its_error() -> None:
    """An error in another thread is not lost: it is raised where the result is asked for."""

    def work() -> None:
        raise ClusterError("no etcd")

    with pytest.raises(ClusterError, match="no etcd"):
        Background(work, "cluster").result(5)


def test_background_work_that_hangs_does_not_hang_its_caller() -> None:
    """A bounded wait ends, and the thread does not keep the program from ending."""
    gate = threading.Event()
    background = Background(gate.wait, "stuck")
    with pytest.raises(TimeoutError):
        background.result(0.01)
    assert not background.wait(0.01)
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "stuck")
    gate.set()
    assert background.wait(5)


def test_a_stage_has_phases_of_its_own_in_the_same_journal() -> None:
    """An upgrade syncs twice; its table shows both, and its notes are in one place."""
    ticks = iter(range(100))
    journal = Journal(Silent(), clock=lambda: float(next(ticks)))
    before = journal.staged("before")
    with before.phase("sync"):
        before.note("left out")
    with journal.phase("sync"):
        pass
    assert [(phase.name, phase.begun) for phase in journal.phases] == [("before: sync", 1.0), ("sync", 3.0)]
    assert journal.notes == ["left out"]
