"""The one place that runs commands to their end.

Every child is a group of its own, given as an argv list, never through a shell. All of them are ended when the harness
is (`stop_children`). Processes that outlive a call are in `pids`.
"""

import os
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.excerpts import ending

_LONGEST_LINE = 8192  # characters of a line that is told


class Scope:
    """Commands that are ended together: those of one cell, or (ALL) of the whole harness."""

    def __init__(self) -> None:
        self._children: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self, grace: float = 2.0) -> None:
        """End every command under way, in any thread, and refuse new ones. Takes `grace` seconds and a little."""
        self._stopping.set()
        with self._lock:
            pids = [child.pid for child in self._children]
        threads = [threading.Thread(target=_end_group, args=(pid, grace), daemon=True) for pid in pids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(grace + 1.0)

    def reopen(self) -> None:
        """Undo `stop`, for the work that comes after an interrupt: evidence, taking the cluster down."""
        self._stopping.clear()

    def add(self, child: "subprocess.Popen[str]") -> None:
        with self._lock:
            self._children.add(child)

    def discard(self, child: "subprocess.Popen[str]") -> None:
        with self._lock:
            self._children.discard(child)


ALL = Scope()


@dataclass(frozen=True)
class Completed:
    """A command that ended: its words, exit status, output (stdout and stderr apart, as text) and wall seconds."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float


class CommandFailed(HarnessError):
    """A command ended with a status other than 0, or not in time. The message can be pasted into a shell."""

    def __init__(self, completed: Completed, *, timeout: float | None = None) -> None:
        self.completed = completed
        status = f"not done after {timeout:g} s" if timeout is not None else f"exit status {completed.returncode}"
        tail = ending(completed.stderr.strip() or completed.stdout.strip(), 20)
        super().__init__(f"{shlex.join(completed.argv)}: {status}" + (f"\n{tail}" if tail else ""))
        self.timed_out = timeout is not None


class CommandMissing(HarnessError):
    """The program is not there or may not be executed."""


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    check: bool = True,
    scope: Scope = ALL,
) -> Completed:
    """Run a command to its end and return its output.

    `timeout` is in seconds. On expiry, Ctrl-C, `scope.stop()` or `stop_children()` the whole group is ended.
    `env` replaces the environment.
    Raises CommandMissing, and CommandFailed on expiry or (unless `check` is false) on a status other than 0.
    """
    words = tuple(str(word) for word in argv)
    started = time.monotonic()
    if scope.stopping() or ALL.stopping():
        raise CommandFailed(Completed(words, -signal.SIGTERM, "", "the harness is stopping", 0.0))
    try:
        child = subprocess.Popen(
            words,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=dict(env) if env is not None else None,
            cwd=cwd,
            start_new_session=True,
        )
    except OSError as error:
        raise CommandMissing(f"cannot run {words[0]}: {error.strerror}") from error
    for each in {scope, ALL}:
        each.add(child)
    if scope.stopping() or ALL.stopping():  # since it was asked above: whoever stopped them did not see this child
        _end_group(child.pid, grace=2.0)
    try:
        stdout, stderr = child.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        _end_group(child.pid, grace=2.0)
        stdout, stderr = child.communicate()
        raise CommandFailed(
            Completed(words, child.returncode, stdout, stderr, time.monotonic() - started), timeout=timeout
        ) from None
    except BaseException:
        _end_group(child.pid, grace=2.0)
        child.communicate()
        raise
    finally:
        for each in {scope, ALL}:
            each.discard(child)
    completed = Completed(words, child.returncode, stdout, stderr, time.monotonic() - started)
    if check and child.returncode != 0:
        raise CommandFailed(completed)
    return completed


def listen(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    output: Path,
    heard: Callable[[str], None],
    env: Mapping[str, str],
    cwd: Path,
    scope: Scope = ALL,
) -> Completed:
    """Run a command to its end, with its stdout in the file `output` and each line of its stderr told as it comes.

    Whatever of its group is left when it has ended is ended too. The end of its stderr is kept. Raises CommandMissing,
    and CommandFailed on expiry; a status other than 0 is an answer like any other.
    """
    words = tuple(str(word) for word in argv)
    started = time.monotonic()
    if scope.stopping() or ALL.stopping():
        raise CommandFailed(Completed(words, -signal.SIGTERM, "", "the harness is stopping", 0.0))
    try:
        with output.open("wb") as file:
            child = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )
    except OSError as error:
        raise CommandMissing(f"cannot run {words[0]}: {error.strerror}") from error
    for each in {scope, ALL}:
        each.add(child)
    last: deque[str] = deque(maxlen=50)
    listening = threading.Thread(target=_hear, args=(child, last, heard), daemon=True)
    listening.start()
    expired = False
    try:
        if scope.stopping() or ALL.stopping():
            _end_group(child.pid, grace=2.0)
        child.wait(timeout)
    except subprocess.TimeoutExpired:
        expired = True
    finally:
        _end_group(child.pid, grace=2.0 if child.returncode is None else 0.0)
        child.wait()
        listening.join(2.0)
        for each in {scope, ALL}:
            each.discard(child)
    completed = Completed(words, child.returncode, "", "".join(last), time.monotonic() - started)
    if expired:
        raise CommandFailed(completed, timeout=timeout)
    return completed


def _hear(child: "subprocess.Popen[str]", last: "deque[str]", heard: Callable[[str], None]) -> None:
    """Lines of stderr, the long ones in pieces, until all who could write there have ended."""
    if child.stderr is None:
        return
    with child.stderr as lines:
        while line := lines.readline(_LONGEST_LINE):
            last.append(line)
            heard(line.rstrip("\n"))


def stop_children(grace: float = 2.0) -> None:
    """End every command of the harness, in any thread, and refuse new ones: the harness itself is stopping."""
    ALL.stop(grace)


def allow_children() -> None:
    """Undo `stop_children`."""
    ALL.reopen()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore what interrupts in the block: for the last few bounded seconds in which something is put in order.

    Python delivers signals to its main thread; called in another one, this changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ignored = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {each: signal.signal(each, signal.SIG_IGN) for each in ignored}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _end_group(pid: int, grace: float) -> None:
    """TERM to the group, KILL after `grace` seconds. Its leader is our child, so the pid cannot be a stranger's."""
    deadline = time.monotonic() + grace
    try:
        os.killpg(pid, signal.SIGTERM)
        while time.monotonic() < deadline and not _ended(pid):
            time.sleep(0.02)
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _ended(pid: int) -> bool:
    """Whether our child has ended; its status is left for whoever waits for it."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # somebody has waited for it in the meantime
        return True
