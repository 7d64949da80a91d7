"""The one place that starts, watches and stops processes of the operating system.

Every child is a group of its own, given as an argv list, never through a shell. What runs in the foreground is
stopped when the harness is (`stop_children`); what must outlive a call (a control plane) is known by pid *and* start
time, since a pid alone may belong to a stranger by the time one looks.
"""

import atexit
import os
import select
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError


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
        tail = "\n".join((completed.stderr.strip() or completed.stdout.strip()).splitlines()[-20:])
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


def stop_children(grace: float = 2.0) -> None:
    """End every command of the harness, in any thread, and refuse new ones: the harness itself is stopping."""
    ALL.stop(grace)


def allow_children() -> None:
    """Undo `stop_children`."""
    ALL.reopen()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore SIGINT and SIGTERM in the block: for the last few bounded seconds in which something is put in order.

    Python delivers signals to its main thread; called in another one, this changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.signal(each, signal.SIG_IGN) for each in (signal.SIGINT, signal.SIGTERM)}
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
        while time.monotonic() < deadline:
            if _state(pid) in ("Z", ""):
                break
            time.sleep(0.02)
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


@dataclass(frozen=True)
class Identity:
    """A process that can be recognised again: pid, start time in clock ticks since boot, and which boot."""

    pid: int
    start_ticks: int
    boot_id: str


_started: dict[Identity, "subprocess.Popen[bytes]"] = {}  # held, because a child that nobody holds stays a zombie


def start(argv: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, log: Path) -> Identity:
    """Start a program that may outlive the harness, as the leader of a session of its own.

    What it says is appended to `log`. Raises CommandMissing, and CommandFailed when the harness is stopping. One that
    ends at once has an identity that is not alive.
    """
    words = [str(word) for word in argv]
    if ALL.stopping():
        raise CommandFailed(Completed(tuple(words), -signal.SIGTERM, "", "the harness is stopping", 0.0))
    try:
        with log.open("ab") as output:
            child = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )
    except OSError as error:
        raise CommandMissing(f"cannot run {words[0]}: {error.strerror}") from error
    identity = Identity(child.pid, _start_ticks(child.pid), boot_id())  # a zombie has its start time as well
    _started[identity] = child
    return identity


def until_ended(identity: Identity) -> int | None:
    """Block until that very process has ended; its exit status (negative: a signal) if this harness started it."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except OSError:  # it has ended; or a kernel before Linux 5.3
        while alive(identity):
            time.sleep(0.1)
    else:
        try:
            if alive(identity):  # asked with the pid held: from now on it cannot be given to a stranger
                ended = select.poll()
                ended.register(descriptor, select.POLLIN)
                ended.poll()
        finally:
            os.close(descriptor)
    child = _started.get(identity)
    if child is None:
        return None
    status = child.wait()
    _started.pop(identity, None)
    return status


@atexit.register
def _let_go() -> None:
    """What still runs is to go on without the harness: subprocess would take that for an oversight, and say so."""
    for child in _started.values():
        child.returncode = child.poll() or 0


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> Identity | None:
    """The identity of a running process; None when there is none, or only a zombie."""
    fields = _stat(pid)
    if not fields or fields[0] in ("Z", "X"):
        return None
    return Identity(pid, int(fields[19]), boot_id())


def this() -> Identity:
    """The identity of this very process."""
    found = identify(os.getpid())
    if found is None:
        raise HarnessError("/proc does not know this process", do="the harness needs Linux, and /proc mounted")
    return found


def alive(identity: Identity) -> bool:
    """Whether that very process still runs, not merely one with its pid."""
    return identify(identity.pid) == identity


def command_line(pid: int) -> tuple[str, ...]:
    """The argv of a process, empty where it cannot be read."""
    try:
        return tuple(Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0"))[:-1]
    except OSError:
        return ()


def mentioning(directory: Path) -> list[Identity]:
    """Running processes, other than this one, that have a path at or below `directory` in their argv."""
    found: list[Identity] = []
    needle = str(directory)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        if any(needle == word or f"{needle}/" in word for word in command_line(int(entry.name))):
            identity = identify(int(entry.name))
            if identity is not None:
                found.append(identity)
    return found


def carrying(variable: str, value: str) -> list[Identity]:
    """Running processes that were started with this variable, or whose ancestors were; only those that we may ask."""
    found: list[Identity] = []
    needle = f"{variable}={value}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        identity = identify(int(entry.name)) if needle in words else None
        if identity is not None:
            found.append(identity)
    return found


def stop(identities: Iterable[Identity], grace: float = 5.0) -> list[Identity]:
    """TERM, then KILL after `grace` seconds, for processes that are still themselves. Returns those that survived."""
    wanted = list(identities)
    for each_signal, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 2.0)):
        wanted = [identity for identity in wanted if alive(identity)]
        for identity in wanted:
            try:
                os.kill(identity.pid, each_signal)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + seconds
        while any(alive(identity) for identity in wanted) and time.monotonic() < deadline:
            time.sleep(0.02)
    return [identity for identity in wanted if alive(identity)]


def _start_ticks(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[19]) if fields else -1


def _stat(pid: int) -> list[str]:
    """/proc/PID/stat from the third field (state) on; the second may hold spaces and parentheses. Empty when gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _state(pid: int) -> str:
    fields = _stat(pid)
    return fields[0] if fields else ""
