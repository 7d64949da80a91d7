"""The frame of what a person watches: a live picture below the lines on a terminal, in a pipe a word now and then."""

import threading
import time
from abc import abstractmethod
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import ClassVar, Self, TextIO

from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

HEARTBEAT = 30.0  # seconds without a line after which a pipe is told what is still under way


def plainly(stream: TextIO, *, live: bool) -> RichConsole:
    """A stream for text as it is: nothing in it is taken for markup."""
    return RichConsole(file=stream, highlight=False, markup=False, soft_wrap=not live, no_color=not live)


class Display(AbstractContextManager["Display"]):
    """Writes lines to `stream` from any thread; `refresh` is how often a second the picture is drawn anew."""

    refresh: ClassVar[float] = 8

    def __init__(self, stream: TextIO, *, live: bool) -> None:
        self.live = live
        self._err = plainly(stream, live=live)
        self._lock = threading.RLock()
        self._written = time.monotonic()
        self._over = threading.Event()
        self._drawn: Live | None = None

    @abstractmethod
    def picture(self) -> RenderableType:
        """What is under way, as a terminal shows it."""

    @abstractmethod
    def under_way(self, now: float) -> str:
        """The same in a line, for a pipe; empty where nothing is."""

    def __enter__(self) -> Self:
        if self.live:
            self._drawn = Live(
                console=self._err, get_renderable=self.picture, refresh_per_second=self.refresh, transient=True
            )
            self._drawn.start()
        else:
            threading.Thread(target=self._heartbeat, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._drawn is not None:
            self._drawn.stop()
            self._drawn = None

    def _line(self, text: str, mark: str = "", style: str = "") -> None:
        """One line of progress. A stream that takes none (its terminal was closed, its disk is full) ends no run."""
        with self._lock, suppress(OSError):
            self._written = time.monotonic()
            if self.live:
                self._err.print(Text.assemble((f"{mark} " if mark else "  ", style), text))
            else:
                stamp = datetime.now(UTC).strftime("%H:%M:%S")
                self._err.print(Text(f"{stamp} {f'{mark} ' if mark else ''}{text}"))

    def _heartbeat(self) -> None:
        while not self._over.wait(HEARTBEAT / 6):
            now = time.monotonic()
            with self._lock:
                quiet, text = now - self._written, self.under_way(now)
            if text and quiet >= HEARTBEAT:
                self._line(text)
