"""A sweep whose cells are faked: workers that have ended by the time anybody looks."""

import os
import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from harness.exits import Exit
from harness.results.outcome import Outcome
from harness.results.results import CellResult, Results
from harness.sweeps.sweep import Sweep, Task
from harness.sweeps.workers import Event

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def outcome(task: Task, code: Exit) -> Outcome:
    return Outcome(task.recipe, task.deployer, task.run_id, "host", task.cluster, NOW, 1.0, code, f"it was {code}", ())


class Always:
    """Something that has always something to say."""

    def __init__(self) -> None:
        self._read, written = os.pipe()
        os.write(written, b"!")
        os.close(written)

    def fileno(self) -> int:
        return self._read

    def close(self) -> None:
        os.close(self._read)


class Ended:
    """A worker that ends with this result, or with none, when it has been looked at `turns` times."""

    def __init__(self, result: Outcome | None, turns: float = 1) -> None:
        self._result = result
        self._turns = turns
        self.result: Outcome | None = None
        self.ended = False
        self.connection = Always()
        self.heard: list[signal.Signals] = []
        self.killed = False

    def events(self) -> list[Event]:
        self._turns -= 1
        if self._turns > 0:
            return []
        self.result, self.ended = self._result, True
        self.connection.close()
        return [Event("finished", "cluster")]

    def signal(self, number: signal.Signals) -> None:
        self.heard.append(number)

    def kill(self) -> None:
        self.killed, self._turns, self._result = True, 0, None

    def why(self) -> str:
        return "its process was ended by SIGKILL"


class Watcher:
    """A view, and whoever has the spares, that write down what they are told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def started(self, task: Task) -> None:
        self.lines.append(f"started {task.name} in {task.slot}")

    def told(self, task: Task, event: Event) -> None: ...

    def ended(self, task: Task, result: CellResult) -> None:
        self.lines.append(f"ended {task.name}: {result.status}")

    def note(self, text: str) -> None:
        self.lines.append(text)

    def prepare(self, task: Task) -> None:
        self.lines.append(f"spare for {task.name}")

    def give(self, task: Task) -> None: ...

    def abandoned(self, task: Task) -> None:
        self.lines.append(f"took down {task.name}")

    def stop(self) -> None: ...

    def close(self) -> None:
        self.lines.append("closed")


def sweep(
    plan: Sequence[CellResult],
    code: Callable[[Task], Exit | None],
    *,
    jobs: int = 1,
    retries: int = 0,
    written: Callable[[Results], None] = lambda results: None,
    watcher: Watcher | None = None,
    turns: Callable[[Task], float] = lambda task: 1,
) -> Sweep:
    """`code` says how each attempt ends (None: its worker dies), `turns` after how many looks."""

    def start(task: Task) -> Ended:
        ends = code(task)
        return Ended(outcome(task, ends) if ends is not None else None, turns(task))

    watcher = watcher or Watcher()
    return Sweep(plan, start, written, watcher, watcher, "1", "test", jobs=jobs, retries=retries)


def plan(*keys: str) -> list[CellResult]:
    """Cells by name: eks/helm."""
    return [CellResult(recipe, deployer) for recipe, deployer in (key.split("/") for key in keys)]
