"""What a person sees: live lines on a terminal, lines with timestamps in CI and in a pipe, and a table at the end."""

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

from rich.table import Table
from rich.text import Text

from harness.errors import HarnessError
from harness.reports.grid import SYMBOLS, counts, grid, lasted, verdict
from harness.reports.plain import plain
from harness.results.critical_path import CriticalPath
from harness.results.outcome import Outcome
from harness.results.results import CellResult, Results, Status
from harness.terminal.display import Display, plainly

_STYLES = {"passed": "green", "failed": "red"} | {
    SYMBOLS[status]: style
    for status, style in (
        (Status.PASSED, "green"),
        (Status.FAILED, "red"),
        (Status.INTERRUPTED, "yellow"),
        (Status.NOT_RUN, "magenta"),
    )
}


class Console(Display):
    """A Progress that writes to stderr; results go to stdout. Live only where both are a terminal."""

    def __init__(
        self, *, stdout: TextIO | None = None, stderr: TextIO | None = None, environment: Mapping[str, str] = os.environ
    ) -> None:
        out, err = stdout or sys.stdout, stderr or sys.stderr
        terminal = out.isatty() and err.isatty() and environment.get("TERM") != "dumb"
        super().__init__(err, live=terminal and not environment.get("NO_COLOR") and not environment.get("CI"))
        self._out = plainly(out, live=self.live)
        self._active: dict[str, tuple[float, str]] = {}

    # Progress

    def started(self, task: str, detail: str = "") -> None:
        with self._lock:
            self._active[task] = (time.monotonic(), detail)
        if not self.live:
            self._line(f"{task}: {detail or 'started'}")

    def step(self, task: str, detail: str) -> None:
        with self._lock:
            begun, _ = self._active.get(task, (time.monotonic(), ""))
            self._active[task] = (begun, detail)
        if not self.live:
            self._line(f"{task}: {detail}")

    def finished(self, task: str, detail: str = "") -> None:
        self._end(task, "✓", "green", detail or "done")

    def failed(self, task: str, detail: str) -> None:
        self._end(task, "✗", "red", detail)

    def note(self, text: str) -> None:
        self._line(text)

    # Results

    def error(self, error: HarnessError) -> None:
        """The one clear message: what, where, what to do."""
        self._err.print(Text.assemble(("error: ", "bold red"), str(error)))

    def outcome(self, outcome: Outcome) -> None:
        """The table that ends a run: phase, seconds, verdict, whose the time was; then the verdict and what it
        leaves out.
        """
        rows = [(p.name, f"{p.seconds:.1f}", p.verdict, p.detail) for p in outcome.phases]
        total = ("total", f"{outcome.seconds:.1f}", "passed" if outcome.passed else "failed", "")
        path = CriticalPath.of(outcome.facts)
        spent = [("critical path", f"{path.seconds:.1f}", "", path.summary())] if path else []
        self.table(("phase", "seconds", "verdict", "detail"), [*rows, total, *spent])
        for note in outcome.notes:
            self._out.print(f"note: {note}")
        verdict = ("PASSED", "bold green") if outcome.passed else ("FAILED", "bold red")
        self._out.print(Text.assemble(verdict, f" {outcome.recipe} under {outcome.deployer}: {outcome.reason}"))
        if outcome.evidence:
            self._out.print(f"evidence: {outcome.evidence}")

    def results(self, results: Results) -> None:
        """The grid that ends a sweep; a line for each cell that is not green; the verdict in a sentence."""
        made = grid(results)
        self.table(("recipe", *made.lanes), [(recipe, *map(_cell, cells)) for recipe, cells in made.rows])
        for cell in results.cells:
            if cell.status is not Status.PASSED:
                code = f" ({cell.outcome.exit.name})" if cell.status is Status.FAILED and cell.outcome else ""
                self._out.print(f"{SYMBOLS[cell.status]} {cell.name} {cell.status.value}{code}: {plain(cell.why)}")
                if cell.outcome and cell.outcome.evidence:
                    self._out.print(f"  evidence: {cell.outcome.evidence}")
        word = verdict(results)
        style = "bold green" if word == "PASSED" else "bold red"
        because = f"; {plain(results.reason)}" if results.reason else ""
        took = lasted((results.ended - results.started).total_seconds())
        self._out.print(Text.assemble((word, style), f" {counts(results)} in {took}{because}"))

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table on stdout: ruled on a terminal, plain columns in a pipe, so that awk and grep have an easy time."""
        content = [tuple(row) for row in rows]
        if not self.live:
            widths = [max(map(len, column)) for column in zip(headings, *content, strict=True)]
            for row in (headings, *content):
                self._out.print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
            return
        table = Table(*headings, header_style="bold")
        for row in content:
            table.add_row(*(Text(cell, style=_style(cell)) for cell in row))
        self._out.print(table)

    def text(self, text: str) -> None:
        """Plain text on stdout, as it is."""
        self._out.print(Text(text), soft_wrap=True)

    # Drawing

    def _end(self, task: str, mark: str, style: str, detail: str) -> None:
        with self._lock:
            begun, _ = self._active.pop(task, (time.monotonic(), ""))
        seconds = time.monotonic() - begun
        self._line(f"{task}: {detail} ({seconds:.1f} s)", mark, style)

    def picture(self) -> Text:
        now = time.monotonic()
        with self._lock:
            active = list(self._active.items())
        spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[int(now * 8) % 10]
        width = max(self._err.width - 12, 20)
        lines = []
        for task, (begun, detail) in active:
            text = f"{task}: {detail}" if detail else task
            lines.append(f"{spinner} {text[:width]:<{width}} {now - begun:6.1f} s")
        return Text("\n".join(lines), style="cyan", no_wrap=True)

    def under_way(self, now: float) -> str:
        return "; ".join(
            f"{task}: {detail or 'under way'} for {now - begun:.0f} s" for task, (begun, detail) in self._active.items()
        )


def _cell(cell: CellResult | None) -> str:
    """A cell of the grid, such as "✓ passed 12.3 s"."""
    if cell is None:
        return ""
    seconds = f" {cell.outcome.seconds:.1f} s" if cell.outcome else ""
    return f"{SYMBOLS[cell.status]} {cell.status.value}{seconds}{' flaky' * cell.flaky}"


def _style(text: str) -> str:
    """By the whole of a text, or by the symbol that it begins with."""
    return _STYLES.get(text) or _STYLES.get(text[:1], "")
