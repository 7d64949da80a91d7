"""SIGINT and SIGTERM as exceptions in the main thread that cannot get lost.

Python raises them in whatever the main thread is just doing. Where that is a finalizer, called by the garbage
collector, the exception is printed and forgotten, and a run that was told to end goes on. So one that ended up there
is raised again, a moment later.
"""

import signal
import sys
from types import FrameType
from typing import Any

from harness.errors import Terminated

_AGAIN = 0.01  # seconds: long enough for the finalizer to have returned
_lost: type[BaseException] = KeyboardInterrupt


def install() -> None:
    """From now on SIGINT raises KeyboardInterrupt and SIGTERM Terminated. To be called in the main thread.

    Also where the harness was started with SIGINT ignored, as scripts and CI runners do with what they put into the
    background: an interrupt that is not noticed leaves clusters behind when the KILL comes.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGALRM, _again)
    sys.unraisablehook = _unraisable


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
