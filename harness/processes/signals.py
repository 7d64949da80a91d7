"""SIGINT, SIGTERM and SIGHUP as exceptions in the main thread that cannot get lost.

Python raises them in whatever the main thread is just doing. Where that is a finalizer, called by the garbage
collector, the exception is printed and forgotten, and a run that was told to end goes on. So one that ended up there
is raised again, a moment later.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from harness.errors import Terminated
from harness.exits import Exit

_AGAIN = 0.01  # seconds: long enough for the finalizer to have returned
_lost: type[BaseException] = KeyboardInterrupt


def install() -> None:
    """From now on SIGINT raises KeyboardInterrupt, SIGTERM and SIGHUP Terminated. To be called in the main thread.

    A terminal that is closed (SIGHUP) ends the harness as a TERM does, or clusters and programs would be left behind;
    under nohup, which ignores it, it stays ignored.

    Also where the harness was started with SIGINT ignored, as scripts and CI runners do with what they put into the
    background: an interrupt that is not noticed leaves clusters behind when the KILL comes.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for each in _interrupts():
        if each is not signal.SIGINT:
            signal.signal(each, _terminate)
    signal.signal(signal.SIGALRM, _again)
    sys.unraisablehook = _unraisable


def _interrupts() -> list[signal.Signals]:
    """The signals that end the harness."""
    hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hangs_up else [])]


class Noted:
    """Interrupts that are only noted. Something to read at `fileno` ends whatever waits for it."""

    def __init__(self) -> None:
        self._read, self._written = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.signal: signal.Signals | None = None

    def fileno(self) -> int:
        return self._read

    @property
    def exit(self) -> Exit | None:
        """The code to end with, once there was one."""
        if self.signal is None:
            return None
        return Exit.INTERRUPTED if self.signal is signal.SIGINT else Exit.TERMINATED

    def note(self, number: int, frame: FrameType | None = None) -> None:
        if self.signal is None:  # the first one counts
            self.signal = signal.Signals(number)
            os.write(self._written, b"!")

    def close(self) -> None:
        os.close(self._read)
        os.close(self._written)


@contextmanager
def noted() -> Iterator[Noted]:
    """The signals raise nothing in the block, they are noted: for a main thread that looks, and loses nothing
    in between. In the main thread only.
    """
    found = Noted()
    before = {each: signal.signal(each, found.note) for each in _interrupts()}
    try:
        yield found
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        found.close()


class Handed:
    """The first interrupt, if there was one."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    @property
    def exit(self) -> Exit | None:
        if self.signal is None:
            return None
        return Exit.INTERRUPTED if self.signal is signal.SIGINT else Exit.TERMINATED


@contextmanager
def handed(first: Callable[[], None]) -> Iterator[Handed]:
    """In the block the first signal calls `first`, and a second one raises as always. In the main thread."""
    found = Handed()

    def take(number: int, frame: FrameType | None) -> None:
        if found.signal is not None:
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated
        found.signal = signal.Signals(number)
        first()

    before = {each: signal.signal(each, take) for each in _interrupts()}
    try:
        yield found
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _again(number: int, frame: FrameType | None) -> None:
    raise _lost


def _unraisable(lost: Any) -> None:
    global _lost
    if lost.exc_type in (KeyboardInterrupt, Terminated):
        _lost = lost.exc_type
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
    else:
        sys.__unraisablehook__(lost)
