"""The control plane of the next cell, brought up while others still run; and clusters whose cell is dead.

A spare is an ordinary cluster under the name that the next cell will ask for: its `up` finds it up, waits for it, or
makes it anew. It is marked like a cell's, so that one whose harness was killed is found by the next run.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.isolation.marks import Mark, Marks
from harness.processes import commands, daemons
from harness.processes.threads import Background
from harness.progress import Silent
from harness.runtime import Runtime
from harness.sweeps.sweep import Task

CLOSING = 5.0  # seconds


class Spares:
    """At most one at a time, and none while `room` says that there is not enough memory.

    `keep` leaves the clusters of dead cells as they are.
    """

    def __init__(self, runtime: Runtime, marks: Marks, room: Callable[[], bool], *, keep: bool = False) -> None:
        self._runtime = runtime
        self._marks = marks
        self._room = room
        self._keep = keep
        self._name = ""  # of the spare that nobody has yet
        self._booting: Background[None] | None = None
        self._going: list[Background[None]] = []

    def prepare(self, task: Task) -> None:
        """Begin to bring the cluster of the task up, unless there is a spare already."""
        if self._name or not self._room():
            return
        name = self._name = task.cluster
        self._marks.write(name, Mark(daemons.this(), f"{task.recipe} under {task.deployer}, prepared", True))
        self._booting = Background(lambda: self._boot(name), f"spare {name}")

    def give(self, task: Task) -> None:
        """From now on the cluster belongs to the cell."""
        if task.cluster == self._name:
            self._name = ""

    def abandoned(self, task: Task) -> None:
        """Begin to take down what a cell has left whose process is dead; `close` waits for it."""
        self._going.append(Background(lambda: self._bury(task.cluster), f"remains {task.cluster}"))

    def stop(self) -> None:
        """Begin to take the spare down; `close` waits for it."""
        name, self._name = self._name, ""
        if name:
            self._going.append(Background(lambda: self._give_up(name), f"spare {name}"))

    def close(self) -> None:
        """Leave nothing behind."""
        self.stop()
        deadline = Deadline.after(CLOSING)
        for going in self._going:
            going.wait(deadline.remaining)

    def _boot(self, name: str) -> None:
        with suppress(HarnessError):  # its cell tries again, and says what is wrong
            self._runtime.up(name, Silent())

    def _give_up(self, name: str) -> None:
        commands.ALL.stop()  # ends a boot under way: there is nothing else that the harness itself still runs
        with suppress(HarnessError):
            self._take_down(name)
        commands.ALL.reopen()

    def _bury(self, name: str) -> None:
        with suppress(HarnessError):
            mark = self._marks.read(name)
            if self._keep and mark is not None:
                self._marks.write(name, replace(mark, kept=True))
            else:
                self._take_down(name)

    def _take_down(self, name: str) -> None:
        self._runtime.down(name)
        self._marks.remove(name)


class NoSpares:
    """Where cells share one cluster: there is no next one, and the next cell replaces what a dead one has left."""

    def prepare(self, task: Task) -> None:
        """Nothing to prepare."""

    def give(self, task: Task) -> None:
        """Nothing to give."""

    def abandoned(self, task: Task) -> None:
        """Left to the next cell, which must not find its new cluster taken down."""

    def stop(self) -> None:
        """Nothing to stop."""

    def close(self) -> None:
        """Nothing to leave behind."""
