"""Processes that outlive a call are recognised by pid and start time, and have ended when nothing of them is left."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.processes import daemons
from harness.processes.daemons import Identity

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
# The first thread ends and is a zombie; the other one goes on, as those of a program that is being killed do a while.
LEADERLESS = """\
import ctypes, threading, time
from pathlib import Path
def go_on():
    while Path("/proc/self/stat").read_text().rpartition(") ")[2][0] != "Z":
        time.sleep(0.01)
    print("ready", flush=True)
    time.sleep(60)
threading.Thread(target=go_on).start()
ctypes.CDLL(None).pthread_exit(None)
"""


@contextmanager
def running(*argv: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A child that has said that it is ready."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            yield child
        finally:
            child.kill()


def test_a_pid_with_another_start_time_is_a_stranger() -> None:
    """A recycled pid is neither alive nor stopped."""
    me = daemons.identify(os.getpid())
    assert me is not None
    assert daemons.alive(me)
    stranger = Identity(me.pid, me.start_ticks - 1, me.boot_id)
    assert not daemons.alive(stranger)
    assert daemons.stop([stranger], grace=0.1) == []
    assert not daemons.alive(Identity(me.pid, me.start_ticks, "another boot"))


def test_a_process_that_ignores_term_is_killed() -> None:
    """What survives TERM gets KILL, so nothing is left."""
    with running("sh", "-c", STUBBORN) as child:
        identity = daemons.identify(child.pid)
        assert identity is not None
        assert daemons.stop([identity], grace=0.2) == []
        assert not daemons.alive(identity)
        assert child.wait() == -signal.SIGKILL


def test_a_process_has_ended_when_its_last_thread_has() -> None:
    """Until then it holds its files and its ports, though /proc calls its first thread a zombie."""
    with running(sys.executable, "-c", LEADERLESS) as child:
        identity = daemons.identify(child.pid)
        assert identity is not None
        assert daemons.alive(identity)
        child.kill()
        child.wait()
        assert not daemons.alive(identity)


def test_a_program_that_is_still_being_mapped_is_recognised_by_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a moment after its start it has none: it is waited for, as long as it runs and at most so long."""
    before = [(), (), ("kube-apiserver", "--port=1")]
    monkeypatch.setattr(daemons, "command_line", lambda pid: before.pop(0) if len(before) > 1 else before[0])
    me = daemons.this()
    assert daemons.recognise(me.pid) == (me, ("kube-apiserver", "--port=1"))
    monkeypatch.setattr(daemons, "command_line", lambda pid: ())
    assert daemons.recognise(me.pid, within=0.02) == (me, ())
    assert daemons.recognise(2**22 + 1) == (None, ())


def test_what_has_just_been_started_is_found_by_its_words_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an interrupted start leaves is looked for at once, when it may have no words yet."""
    known, asked = daemons.command_line, set[int]()

    def late(pid: int) -> tuple[str, ...]:
        first = pid not in asked
        asked.add(pid)
        return () if first else known(pid)

    (tmp_path / "x").touch()
    child = subprocess.Popen(["tail", "-f", str(tmp_path / "x")])
    try:
        monkeypatch.setattr(daemons, "command_line", late)
        assert [each.pid for each in daemons.mentioning(tmp_path)] == [child.pid]
    finally:
        child.kill()
        child.wait()


def test_processes_are_found_by_a_path_in_their_words(tmp_path: Path) -> None:
    """A directory's own processes are found, those of a directory with a longer name are not."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").touch()
    with running("sh", "-c", 'echo ready; exec tail -f "$0"', tmp_path / "a" / "x") as child:
        found = daemons.mentioning(tmp_path / "a")
        assert [each.pid for each in found] == [child.pid]
        assert daemons.mentioning(tmp_path / "a" / "x" / "y") == []
        assert daemons.mentioning(Path(f"{tmp_path}/")) == found
