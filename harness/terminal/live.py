"""A sweep as a person sees it: a row for each cell under way, a line for each that has ended.

On a terminal the rows stay below the lines; in a pipe there is a line when a cell begins and ends, and one of all that
is under way when nothing has been said for a while.
"""

import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TextIO

from rich.console import Group
from rich.table import Table
from rich.text import Text

from harness.results.results import CellResult, Status
from harness.sweeps.sweep import Task
from harness.sweeps.workers import Event
from harness.terminal.display import Display

_MARKS = {Status.PASSED: ("✓", "green"), Status.FAILED: ("✗", "red"), Status.INTERRUPTED: ("!", "yellow")}


@dataclass
class _Row:
    """A cell under way: its phases that are open, by name with when they began, and what it waits for."""

    task: Task
    begun: float
    phases: dict[str, tuple[float, str]] = field(default_factory=dict)
    waiting: str = ""
    budget: float = 0.0
    since: float = 0.0

    def told(self, event: Event, now: float) -> None:
        if event.what == "waiting":
            if self.budget != event.budget or not self.waiting:
                self.since = now
            self.waiting, self.budget = event.detail, event.budget
            return
        if event.what in ("finished", "failed"):
            self.phases.pop(event.task, None)
            self.waiting = ""
        elif event.what in ("started", "step"):
            begun = self.phases[event.task][0] if event.task in self.phases else now
            self.phases[event.task] = (begun, event.detail)

    @property
    def phase(self) -> str:
        """The one that began last."""
        return next(reversed(self.phases), "starting")

    @property
    def detail(self) -> str:
        return self.waiting or self.phases.get(self.phase, (0.0, ""))[1]

    def clock(self, now: float) -> str:
        """Seconds of the cell, or of the wait against its budget."""
        if self.waiting:
            return f"{now - self.since:.0f}/{self.budget:.0f} s"
        return f"{now - self.begun:.0f} s"


class SweepView(Display):
    """Shows a sweep of `total` cells on stderr."""

    refresh = 4

    def __init__(self, total: int, *, live: bool, stderr: TextIO | None = None) -> None:
        super().__init__(stderr or sys.stderr, live=live)
        self._total = total
        self._rows: dict[str, _Row] = {}
        self._ended: dict[str, Status] = {}  # by cell: a retry is not a second one
        self._begun = self._written

    def started(self, task: Task) -> None:
        with self._lock:
            self._rows[task.name] = _Row(task, time.monotonic())
        if not self.live:
            again = f", attempt {task.attempt}" if task.attempt > 1 else ""
            self._line(f"{task.name}: started on {task.cluster}{again}")

    def told(self, task: Task, event: Event) -> None:
        if event.what == "note":
            self._line(f"{task.name}: {event.detail}")
            return
        with self._lock:
            if task.name in self._rows:
                self._rows[task.name].told(event, time.monotonic())

    def ended(self, task: Task, result: CellResult) -> None:
        with self._lock:
            self._rows.pop(task.name, None)
            self._ended[task.name] = result.status
        mark, style = _MARKS.get(result.status, ("-", ""))
        outcome = result.outcome
        code = f"{int(outcome.exit)} " if outcome is not None and not outcome.passed else ""
        seconds = f"{outcome.seconds:.1f} s" if outcome is not None else ""
        flaky = "flaky: " if result.flaky else ""
        self._line(f"{task.name}: {flaky}{code}{result.why} ({seconds})", mark, style)

    def note(self, text: str) -> None:
        self._line(text)

    def picture(self) -> Group:
        """The rows, and a line about all of the sweep."""
        now = time.monotonic()
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(no_wrap=True, style="cyan", max_width=max(20, self._err.width // 3))
        table.add_column(no_wrap=True, max_width=max(12, self._err.width // 5))
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1, style="dim")
        table.add_column(no_wrap=True, justify="right")
        with self._lock:
            for row in sorted(self._rows.values(), key=lambda row: row.task.slot):
                detail = " ".join(row.detail.split())
                table.add_row(Text(row.task.name), Text(row.phase), Text(detail), Text(row.clock(now)))
            ended = Counter(self._ended.values())
        counts = ", ".join(f"{count} {status}" for status, count in ended.items())
        minutes, seconds = divmod(int(now - self._begun), 60)
        told = f"{ended.total()} of {self._total} cells have ended{f': {counts}' if counts else ''}"
        return Group(table, Text(f"{told}; {minutes}:{seconds:02}"))

    def under_way(self, now: float) -> str:
        rows = self._rows.values()
        return "; ".join(f"{row.task.name}: {row.phase} {row.detail} ({row.clock(now)})" for row in rows)
