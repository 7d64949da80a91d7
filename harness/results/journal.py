"""The phases of a cell as they happen: what each took, and the first failure, which wins."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Self

from harness.excerpts import first_line
from harness.progress import Progress
from harness.results.outcome import Phase


@dataclass
class Entry:
    """A phase under way; the block that runs in it may say in a few words what it found."""

    detail: str = ""


@dataclass
class Journal:
    """Records phases from any thread, in the order in which they began, and tells progress of each.

    It is made when the cell begins: phases tell when they began from there on.
    """

    progress: Progress
    clock: Callable[[], float] = time.monotonic
    notes: list[str] = field(default_factory=list)
    stage: str = ""
    _phases: list[Phase | None] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _begun: float | None = None

    def __post_init__(self) -> None:
        self._begun = self.clock() if self._begun is None else self._begun

    def staged(self, stage: str) -> Self:
        """The same journal for one of several stages, whose phases are told apart: "before: sync"."""
        return replace(self, stage=f"{stage}: ")

    @property
    def seconds(self) -> float:
        """Since the cell's start."""
        return self._since(self.clock())

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases that have ended."""
        with self._lock:
            return tuple(phase for phase in self._phases if phase is not None)

    @contextmanager
    def phase(self, name: str) -> Iterator[Entry]:
        """Time the block; an exception marks the phase failed with the first line of its message, and goes on."""
        with self._lock:
            place = len(self._phases)
            self._phases.append(None)
        name, begun = f"{self.stage}{name}", self.clock()
        entry = Entry()
        self.progress.started(name)
        try:
            yield entry
        except BaseException as error:
            text = first_line(error)
            self._end(place, Phase(name, self.clock() - begun, "failed", text, self._since(begun)))
            self.progress.failed(name, text)
            raise
        self._end(place, Phase(name, self.clock() - begun, "passed", entry.detail, self._since(begun)))
        self.progress.finished(name, entry.detail)

    def note(self, text: str) -> None:
        """Something that the verdict does not cover and a reader must know; told once."""
        if text not in self.notes:
            self.notes.append(text)
            self.progress.note(text)

    def _since(self, begun: float) -> float:
        return begun - (self._begun or 0.0)

    def _end(self, place: int, phase: Phase) -> None:
        with self._lock:
            self._phases[place] = phase
