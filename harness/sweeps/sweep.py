"""Many cells: each in a worker of its own, some side by side, one failure never leaking into the next.

One thread waits for workers and signals, and does nothing else that takes time. So an interrupt is seen between two
steps and never in the middle of one: no result gets lost. Results are written after every cell.
"""

import secrets
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from harness.errors import HarnessError, Terminated
from harness.exits import Exit
from harness.processes.signals import Noted, noted
from harness.results.outcome import Cause, Outcome
from harness.results.results import CellResult, Results, Status
from harness.sweeps.strikes import Strikes
from harness.sweeps.workers import Event, ready
from harness.verdict import CauseKind

LAST_WORDS = 3.3  # seconds for interrupted cells to leave evidence and take their clusters down
_LOOK = 1.0  # seconds after which the spare cluster is thought of again


@dataclass(frozen=True)
class Task:
    """One attempt at a cell. `slot` counts from 0: cells that run at once have different ones."""

    recipe: str
    deployer: str
    cluster: str
    run_id: str
    slot: int = 0
    attempt: int = 1

    @property
    def name(self) -> str:
        return f"{self.recipe}/{self.deployer}"


class Worker(Protocol):
    """harness.sweeps.workers.Worker, or what stands in for one in a test; `result` is an Outcome or None."""

    result: Outcome | None
    ended: bool

    @property
    def connection(self) -> object: ...
    def events(self) -> list[Event]: ...
    def signal(self, number: signal.Signals) -> None: ...
    def kill(self) -> None: ...
    def why(self) -> str: ...


class View(Protocol):
    """Who shows the sweep to people."""

    def started(self, task: Task) -> None: ...
    def told(self, task: Task, event: Event) -> None: ...
    def ended(self, task: Task, result: CellResult) -> None: ...
    def note(self, text: str) -> None: ...


class Spares(Protocol):
    """Who brings the next cell's cluster up while others run, and takes down what a dead worker left."""

    def prepare(self, task: Task) -> None: ...
    def give(self, task: Task) -> None: ...
    def abandoned(self, task: Task) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


def last_attempt(attempts: Sequence[Outcome]) -> CellResult:
    """What counts where nobody asked for several."""
    return CellResult(attempts[-1].recipe, attempts[-1].deployer, attempts[-1])


@dataclass
class _Running:
    task: Task
    worker: Worker
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    booting: bool = True


@dataclass
class Sweep:
    """`plan` are the cells in their order, those that are skipped among them; the others are carried out.

    `shared`: all cells run on `cluster`; otherwise each has one of its own, whose name begins so.

    `start` begins an attempt. `written` gets the results after every cell. A failed cell is tried up to `retries`
    times more, and `settled` says what its attempts come to.
    """

    plan: Sequence[CellResult]
    start: Callable[[Task], Worker]
    written: Callable[[Results], None]
    view: View
    spares: Spares
    run_id: str
    cluster: str
    shared: bool = False
    jobs: int = 1
    retries: int = 0
    settled: Callable[[Sequence[Outcome]], CellResult] = last_attempt
    shard: str = ""
    last_words: float = LAST_WORDS
    evidence: Callable[[Task], str] = lambda task: ""  # where a dead worker's may be

    def __post_init__(self) -> None:
        self._began = datetime.now(UTC)
        self._cells = {(cell.recipe, cell.deployer): cell for cell in self.plan}
        waiting = [cell for cell in self.plan if cell.status is Status.NOT_RUN]
        self._pending = deque(self._task(cell.recipe, cell.deployer) for cell in waiting)
        self._attempts: dict[str, list[Outcome]] = {}
        self._running: dict[int, _Running] = {}  # by slot
        self._strikes = Strikes()
        self._stopped: Exit | None = None
        self._reason = ""

    def carry_out(self) -> Results:
        """Run it to its end; results are complete whatever happens. In the main thread."""
        with noted() as interrupt:
            try:
                while self._stopped is None and (self._running or (self._pending and not self._strikes.out)):
                    self._fill()
                    self._take_turn(interrupt)
                    if interrupt.signal is not None:
                        self._end(interrupt.signal, interrupt.exit)
            finally:
                for running in self._running.values():  # a defect: nobody would look after them
                    running.worker.kill()
                    self.spares.abandoned(running.task)
                self.spares.close()
            if self._stopped is None and self._strikes.out:
                self._stopped = Exit.SYNC_DEADLINE
            results = self.results()
            self.written(results)
            return results

    def never(self, error: BaseException) -> Results:
        """What became of it where something ended it before its first cell."""
        match error:
            case HarnessError():
                self._stopped, self._reason = error.exit, str(error)
            case Terminated():
                self._stopped = Exit.TERMINATED
            case _:
                self._stopped = Exit.INTERRUPTED
        return self.results()

    def results(self) -> Results:
        """As they are now."""
        waiting = self._why_not() or "its turn has not come yet"
        cells = (
            replace(cell, reason=waiting) if cell.status is Status.NOT_RUN else cell
            for cell in (self._cells[cell.recipe, cell.deployer] for cell in self.plan)
        )
        return Results(
            run_id=self.run_id,
            started=self._began,
            ended=datetime.now(UTC),
            cells=tuple(cells),
            stopped=self._stopped,
            reason=self._why_not(),
            shard=self.shard,
        )

    def _why_not(self) -> str:
        """Why the sweep is over before its end."""
        match self._stopped:
            case Exit.INTERRUPTED:
                return "the sweep was interrupted"
            case Exit.TERMINATED:
                return "the sweep was terminated"
            case None:
                return ""
        return self._reason or self._strikes.out

    def _task(self, recipe: str, deployer: str, attempt: int = 1) -> Task:
        token = secrets.token_hex(3)
        cluster = self.cluster if self.shared else f"{self.cluster}-{token}"
        return Task(recipe, deployer, cluster, f"{self.run_id}-{token}", attempt=attempt)

    def _fill(self) -> None:
        """Every free slot gets a cell; then the cluster of the one after is prepared."""
        for slot in range(self.jobs):
            if slot in self._running or not self._pending or self._strikes.out:
                continue
            task = replace(self._pending.popleft(), slot=slot)
            self.spares.give(task)
            self.view.started(task)
            self._running[slot] = _Running(task, self.start(task))
        if self._pending and not self._strikes.out and not any(each.booting for each in self._running.values()):
            self.spares.prepare(self._pending[0])

    def _take_turn(self, interrupt: Noted | None, timeout: float = _LOOK) -> None:
        """Wait until something happens, and take note of it."""
        waited = [running.worker.connection for running in self._running.values()]
        ready([*waited, interrupt] if interrupt is not None else waited, timeout)
        for running in list(self._running.values()):
            for event in running.worker.events():
                if event.what in ("finished", "failed") and event.task == "cluster":
                    running.booting = False
                self.view.told(running.task, event)
            if running.worker.ended:
                del self._running[running.task.slot]
                self._take(running)

    def _take(self, running: _Running) -> None:
        task, outcome = running.task, running.worker.result
        if outcome is None:
            outcome = self._lost(running)
            self.spares.abandoned(task)
        attempts = self._attempts.setdefault(task.name, [])
        attempts.append(outcome)
        result = self.settled(attempts)
        self._cells[task.recipe, task.deployer] = result
        self.view.ended(task, result)
        again = result.status is Status.FAILED and len(attempts) <= self.retries
        if again and self._stopped is None and not self._strikes.out:
            self._pending.appendleft(self._task(task.recipe, task.deployer, task.attempt + 1))
        elif result.outcome is not None:
            self._strikes.ended(task.deployer, result.outcome.exit)
        if self._stopped is None:  # else they are written once, at the very end, which is near
            self.written(self.results())

    def _lost(self, running: _Running) -> Outcome:
        """The outcome of a worker that had none."""
        task, why = running.task, running.worker.why()
        cause = None
        code = self._stopped
        if code is None:
            code, cause = Exit.FAILURE, Cause(CauseKind.HARNESS, task.cluster, why)
        return Outcome(
            recipe=task.recipe,
            deployer=task.deployer,
            run_id=task.run_id,
            runtime="",
            cluster=task.cluster,
            started=running.began,
            seconds=(datetime.now(UTC) - running.began).total_seconds(),
            exit=code,
            reason=self._why_not() or f"the cell died: {why}",
            phases=(),
            evidence=self.evidence(task),
            cause=cause,
        )

    def _end(self, number: signal.Signals, code: Exit | None) -> None:
        """Somebody wants it to end: cells get `last_words` seconds to end well, then they are killed."""
        self._stopped = code
        at = time.monotonic() + self.last_words
        self.spares.stop()
        self._take_turn(None, 0.0)  # who listens by now
        for running in self._running.values():
            running.worker.signal(number)
        self.view.note(f"{self._why_not()}: {len(self._running)} cells are being terminated")
        while self._running and (left := at - time.monotonic()) > 0:
            self._take_turn(None, left)
        for running in self._running.values():
            running.worker.kill()
        while self._running:
            self._take_turn(None)
