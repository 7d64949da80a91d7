"""Processes that are not waited for: started here, or found; known again, watched and stopped.

What must outlive a call (a control plane, a registry) is known by pid *and* start time, since a pid alone may belong to
a stranger by the time one looks.
"""

import atexit
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.processes.commands import ALL, CommandFailed, CommandMissing, Completed


@dataclass(frozen=True)
class Identity:
    """A process that can be recognised again: pid, start time in clock ticks since boot, and which boot."""

    pid: int
    start_ticks: int
    boot_id: str


_KERNEL_THREAD = 0x0020_0000  # PF_KTHREAD among the flags of /proc/PID/stat

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
    return child.wait()  # kept, for all who follow it learn how it ended


@atexit.register
def _let_go() -> None:
    """What still runs is to go on without the harness: subprocess would take that for an oversight, and say so."""
    for child in _started.values():
        child.returncode = child.poll() or 0


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> Identity | None:
    """The identity of a running process; None when there is none, or only a zombie.

    One whose first thread is a zombie runs as long as it has others: those of a program that is being killed hold its
    files and ports a while longer (5 to 10 ms of a registry that nobody disturbs; up to 170 ms were seen).
    """
    fields = _stat(pid)
    if not fields or (fields[0] in ("Z", "X") and int(fields[17]) <= 1):
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


def recognise(pid: int, within: float = 10.0) -> tuple[Identity | None, tuple[str, ...]]:
    """A running process and its argv, for which it is waited up to `within` seconds.

    One that was just started has no argv until its program is mapped: for 5 to 12 ms, and on a busy machine longer.
    """
    deadline = time.monotonic() + within
    while (found := identify(pid)) is not None:
        words = command_line(pid)
        if words or time.monotonic() >= deadline:
            return found, words
        time.sleep(0.005)
    return None, ()


def mentioning(directory: Path) -> list[Identity]:
    """Running processes, other than this one, that have a path at or below `directory` in their argv."""
    found: list[Identity] = []
    needle = str(directory)
    for pid in _others():
        identity, words = (None, ()) if _of_the_kernel(pid) else recognise(pid, within=1.0)
        if identity is not None and any(needle == word or f"{needle}/" in word for word in words):
            found.append(identity)
    return found


def _others() -> Iterator[int]:
    """The pids of all processes but this one."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            yield int(entry.name)


def _of_the_kernel(pid: int) -> bool:
    """Threads of the kernel have no argv, ever."""
    fields = _stat(pid)
    return bool(fields) and bool(int(fields[6]) & _KERNEL_THREAD)


def carrying(variable: str, value: str) -> list[Identity]:
    """Running processes that were started with this variable, or whose ancestors were; only those that we may ask."""
    found: list[Identity] = []
    needle = f"{variable}={value}".encode()
    for pid in _others():
        try:
            words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        identity = identify(pid) if needle in words else None
        if identity is not None:
            found.append(identity)
    return found


def stop(identities: Iterable[Identity], grace: float = 5.0) -> list[Identity]:
    """TERM, then KILL after `grace` seconds, for processes that are still themselves. Returns those that survived."""
    wanted = list(identities)
    for each_signal, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 2.0)):
        wanted = [identity for identity in wanted if alive(identity)]
        send(wanted, each_signal)
        send(wanted, signal.SIGCONT)  # one that stands still would not hear TERM
        deadline = time.monotonic() + seconds
        while any(alive(identity) for identity in wanted) and time.monotonic() < deadline:
            time.sleep(0.02)
    return [identity for identity in wanted if alive(identity)]


def send(identities: Iterable[Identity], number: signal.Signals) -> None:
    """A signal for each of these processes that is still itself."""
    for identity in identities:
        if alive(identity):
            with suppress(ProcessLookupError):
                os.kill(identity.pid, number)


def _start_ticks(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[19]) if fields else -1


def _stat(pid: int) -> list[str]:
    """/proc/PID/stat from the third field (state) on; the second may hold spaces and parentheses. Empty when gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
