"""Cells that only sleep, for sweeps whose workers, signals and files are real."""

import os
import signal
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import Terminated
from harness.exits import Exit
from harness.results.outcome import Outcome
from harness.sweeps.sweep import Task
from harness.sweeps.workers import Event, Tell


@dataclass(frozen=True)
class Faked:
    """A cell that takes `seconds` and leaves a file below `home` that says how it ended."""

    task: Task
    home: Path
    seconds: float
    dies: bool = False
    stuck: bool = False


def carry_out(faked: Faked, tell: Tell) -> Outcome:
    """As a real cell: an interrupt is an outcome, with evidence."""
    tell(Event("finished", "cluster"))
    code, began = Exit.OK, time.monotonic()
    try:
        while time.monotonic() - began < faked.seconds:
            time.sleep(0.001)
            tell(Event("step", "verify", f"{time.monotonic() - began:.3f} s"))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # it has passed, and from here on nothing may change that
        if faked.dies:
            os._exit(9)
    except (KeyboardInterrupt, Terminated) as error:
        if faked.stuck:
            time.sleep(60)
        code = Exit.INTERRUPTED if isinstance(error, KeyboardInterrupt) else Exit.TERMINATED
    task = faked.task
    (faked.home / task.recipe).write_text(code.name, encoding="utf-8")
    now = datetime.now(UTC)
    return Outcome(task.recipe, task.deployer, task.run_id, "host", task.cluster, now, 0.0, code, code.name, ())
