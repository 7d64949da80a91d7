"""Work that a first interrupt ends in order, and a second one at once."""

from collections.abc import Callable
from typing import TypeVar

from harness.errors import Terminated
from harness.exits import Exit
from harness.processes.commands import stop_children
from harness.processes.signals import handed
from harness.processes.threads import Background

Result = TypeVar("Result")


def interruptible(work: Callable[[], Result], interrupt: Callable[[], None], name: str) -> tuple[Result, Exit | None]:
    """What `work` returns, and the exit code of a signal that came meanwhile; that one has called `interrupt`.

    Raises what `work` raises, and KeyboardInterrupt or Terminated for a second signal.
    """
    # Not in the main thread: a second signal ends the program, whatever the work does then.
    with handed(interrupt) as signals:
        background = Background(work, name)
        try:
            return background.result(), signals.exit
        except (KeyboardInterrupt, Terminated):
            stop_children(grace=0.2)
            raise
