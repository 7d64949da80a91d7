"""A cell in a process of its own: what it does wrong, leaks or dies of stays with it, and it has a whole core.

It is told to end as a `run` of its own would be, by SIGINT or SIGTERM, and ends in the same way. Workers are forked
from a server that has imported everything already, so that each costs milliseconds; a worker whose harness has been
killed notices, and ends as if it had been terminated.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import psutil

from harness.errors import Terminated
from harness.processes import commands, signals

T = TypeVar("T")
R = TypeVar("R")
_FAREWELL = 2.0  # seconds for the last words to be read
_CONTEXT = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Event:
    """What a cell tells while it runs: `what` is a method of Progress, or "waiting" with a budget in seconds."""

    what: str
    task: str
    detail: str = ""
    budget: float = 0.0


@dataclass(frozen=True)
class _Result:
    value: Any


@dataclass(frozen=True)
class _Listening:
    """From now on it hears signals."""


_Message = Event | _Listening | _Result | None
Tell = Callable[[Event], None]
Work = Callable[[T, Tell], R]  # picklable: a function of a module; what it takes and returns as well


def warm_up(*modules: str) -> None:
    """Begin to import `modules` in the server from which workers are forked; `warm` waits for it."""
    _CONTEXT.set_forkserver_preload(list(modules))
    forkserver.ensure_running()


def warm() -> None:
    """Return when workers can be forked without waiting."""
    first = _CONTEXT.Process(target=int, daemon=True)
    first.start()
    first.join()


class Worker(Generic[T, R]):
    """`work(task, tell)` under way in a process of its own. `result` is what it returned, once `ended`."""

    def __init__(self, work: Work[T, R], task: T) -> None:
        self.connection, theirs = _CONTEXT.Pipe(duplex=False)
        self._process = _CONTEXT.Process(target=_carry_out, args=(work, task, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.result: R | None = None
        self.ended = False
        self._listening = False

    def events(self) -> list[Event]:
        """What it has told since it was last asked, without waiting; sets `ended` when it has ended."""
        found: list[Event] = []
        try:
            while self.connection.poll():
                message = self.connection.recv()
                if isinstance(message, _Result):
                    self.result = message.value
                elif isinstance(message, _Listening):
                    self._listening = True
                else:
                    found.append(message)
        except (EOFError, OSError):
            self.ended = True
            self.connection.close()
        return found

    def signal(self, number: signal.Signals) -> None:
        """Tell it to end soon, and well. One that does not listen yet has done nothing: it is killed."""
        pid = self._process.pid
        if pid is not None and self._process.is_alive():
            os.kill(pid, number if self._listening else signal.SIGKILL)

    def kill(self) -> None:
        """End it and its commands at once; what it has started elsewhere (a cluster) is left to the caller."""
        pid = self._process.pid
        if pid is None:
            return
        try:
            below = psutil.Process(pid).children(recursive=True)
        except psutil.Error:
            below = []
        self._process.kill()
        for child in below:
            try:
                child.kill()
            except psutil.Error:
                continue
        self._process.join(1.0)

    def why(self) -> str:
        """How a worker ended that has no result."""
        self._process.join(1.0)
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process ended with {code} and wrote no result"


def ready(waited: Sequence[Any], timeout: float) -> list[Any]:
    """Those of some connections, or objects with a `fileno`, that have something to say."""
    return list(wait(waited, timeout))


def _carry_out(work: Work[T, R], task: T, connection: Connection) -> None:
    """The main function of a worker."""
    signals.install()
    os.setsid()  # a terminal's Ctrl-C is for the harness, which tells the workers
    threading.Thread(target=_follow_harness, daemon=True).start()
    messages: SimpleQueue[_Message] = SimpleQueue()
    # A thread of its own sends: an interrupt, which Python raises in the main thread, must not cut a message in two.
    sending = threading.Thread(target=_send, args=(messages, connection), daemon=True)
    sending.start()
    try:
        messages.put(_Listening())
        result = work(task, messages.put)
        with commands.undisturbed():
            messages.put(_Result(result))
    except (KeyboardInterrupt, Terminated):
        pass  # told to end before it had begun
    finally:
        with commands.undisturbed():
            messages.put(None)
            sending.join(_FAREWELL)


def _send(messages: "SimpleQueue[_Message]", connection: Connection) -> None:
    for message in iter(messages.get, None):
        try:
            connection.send(message)
        except OSError:
            continue  # nobody listens any more


def _follow_harness() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
