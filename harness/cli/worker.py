"""What a worker of a sweep is told to do, and how it does it: one cell, as `run` would."""

import os
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from harness.cells.budget import Budget
from harness.cells.cell import Cell
from harness.cli.assembly import assemble, bundler_of, sets_of
from harness.cli.context import Context
from harness.errors import HarnessError
from harness.excerpts import first_line
from harness.results.journal import Journal
from harness.results.outcome import Cause, Outcome
from harness.settings import Ports
from harness.sweeps.sweep import Task
from harness.sweeps.workers import Event, Tell
from harness.verdict import CauseKind, Failed, Verdict
from kwok.platforms import platform_of

_LONGEST = 400  # characters of what is told: more than anybody sees of a line
_PAUSE = 0.5  # seconds between two words about the same wait


@dataclass(frozen=True)
class Order:
    """A cell to carry out: `tools` are the paths of all programs, `ports` those of its own registry and Git server."""

    task: Task
    context: Context
    runtime: str
    tools: Mapping[str, Path]
    ports: Ports
    sets: tuple[str, ...] = ()
    parity: bool = True
    keep: bool = False


class Telling:
    """A Progress that tells the harness."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._waited = ("", 0.0)

    def started(self, task: str, detail: str = "") -> None:
        self._tell(Event("started", task, detail[:_LONGEST]))

    def step(self, task: str, detail: str) -> None:
        self._tell(Event("step", task, detail[:_LONGEST]))

    def finished(self, task: str, detail: str = "") -> None:
        self._tell(Event("finished", task, detail[:_LONGEST]))

    def failed(self, task: str, detail: str) -> None:
        self._tell(Event("failed", task, detail[:_LONGEST]))

    def note(self, text: str) -> None:
        self._tell(Event("note", "", text[:_LONGEST]))

    def waiting(self, verdict: Verdict, within: float) -> None:
        """Tell what is waited for when that has changed, but not with every event of a busy cluster."""
        subject = getattr(verdict, "subject", "")
        text = f"{'failed' if isinstance(verdict, Failed) else 'waiting'}: {f'{subject} ' if subject else ''}"
        text = (text + verdict.reason)[:_LONGEST]
        now = time.monotonic()
        if text != self._waited[0] and now - self._waited[1] >= _PAUSE:
            self._waited = (text, now)
            self._tell(Event("waiting", "", text, within))


def carry_out(order: Order, tell: Tell) -> Outcome:
    """Run the cell of the order to its end; a defect of the harness is a failure of this cell."""
    task, telling, began = order.task, Telling(tell), datetime.now(UTC)
    cell: Cell | None = None
    try:
        cell = _cell(order, telling)
        return cell.carry_out()
    except HarnessError as error:
        return _never_began(order, began, error)
    except Exception as error:  # noqa: BLE001 - other cells go on
        shown = traceback.format_exc()
        if cell is not None and cell.outcome is not None:
            return replace(cell.outcome, notes=(*cell.outcome.notes, shown))
        telling.note(f"a defect of the harness in {task.name}: {first_line(error)}")
        return replace(_never_began(order, began, error), notes=(shown,))


def _cell(order: Order, telling: Telling) -> Cell:
    task, context = order.task, order.context
    settings = context.settings.model_copy(update={"ports": order.ports})
    platform = platform_of(order.runtime, settings, order.tools.__getitem__, os.environ)
    return assemble(
        context,
        settings,
        platform,
        context.resolved(task.recipe),
        context.lane(task.deployer),
        name=task.cluster,
        reuse=platform.shared,
        bundler=bundler_of(context, sets_of(context, order.sets)),
        tools=order.tools.__getitem__,
        cancel=lambda: None,  # nothing is built here
        journal=Journal(telling),
        run_id=task.run_id,
        parity=order.parity,
        keep_failed=order.keep,
        budget=Budget.of(os.environ),
        watched=telling.waiting,
    )


def _never_began(order: Order, began: datetime, error: Exception) -> Outcome:
    task = order.task
    known = isinstance(error, HarnessError)
    reason = str(error) if known else f"a defect of the harness: {type(error).__name__}: {error}"
    kind = CauseKind.SETTINGS if known else CauseKind.HARNESS
    return Outcome(
        recipe=task.recipe,
        deployer=task.deployer,
        run_id=task.run_id,
        runtime=order.runtime,
        cluster=task.cluster,
        started=began,
        seconds=(datetime.now(UTC) - began).total_seconds(),
        exit=error.exit if isinstance(error, HarnessError) else HarnessError.exit,
        reason=reason,
        phases=(),
        cause=Cause(kind, getattr(error, "where", ""), first_line(error)),
    )
