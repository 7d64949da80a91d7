"""Processes are started as argv lists, ended as groups, and recognised by pid and start time."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness import pids, process
from harness.pids import Identity
from harness.process import CommandFailed, CommandMissing, Scope

PYTHON = sys.executable


def script(text: str) -> list[str]:
    return [PYTHON, "-c", text]


def wait_for(file: Path) -> str:
    """The content of a file that a child is about to write."""
    for _ in range(500):
        if file.exists() and file.read_text():
            return file.read_text()
        time.sleep(0.01)
    raise AssertionError(f"{file} was not written")


def test_output_and_status_come_back_apart() -> None:
    """stdout, stderr and the status are three things."""
    done = process.run(
        script("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"), timeout=10, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)


def test_a_failing_command_can_be_pasted_into_a_shell() -> None:
    """The message quotes the words as a shell needs them and ends with the last lines of the output."""
    with pytest.raises(CommandFailed) as caught:
        process.run(["sh", "-c", "echo no such thing >&2; exit 4"], timeout=10)
    assert str(caught.value) == "sh -c 'echo no such thing >&2; exit 4': exit status 4\nno such thing"


def test_words_are_not_read_by_a_shell() -> None:
    """What looks like a shell expansion is passed on as it is."""
    assert process.run(["printf", "%s", "$HOME `id` *"], timeout=10).stdout == "$HOME `id` *"


def test_a_missing_program_is_its_own_error() -> None:
    """Not a traceback, and not a failed command."""
    with pytest.raises(CommandMissing, match="cannot run no-such-program"):
        process.run(["no-such-program"], timeout=10)


def test_an_expired_command_is_ended_with_its_children(tmp_path: Path) -> None:
    """A grandchild does not outlive the deadline of its grandparent."""
    file = tmp_path / "pid"
    with pytest.raises(CommandFailed, match="not done after") as caught:
        process.run(["sh", "-c", f"sleep 60 & echo $! > {file}; wait"], timeout=0.5)
    assert caught.value.timed_out
    assert pids.identify(int(file.read_text())) is None


def test_stopping_a_scope_ends_its_commands_and_no_others(tmp_path: Path) -> None:
    """Cells that run side by side are interrupted one by one."""
    mine, other = Scope(), Scope()
    errors: list[CommandFailed] = []

    def work() -> None:
        try:
            process.run(["sh", "-c", f"echo x > {tmp_path / 'mine'}; sleep 60"], timeout=60, scope=mine)
        except CommandFailed as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait_for(tmp_path / "mine")
    mine.stop()
    thread.join(5)
    assert errors
    assert errors[0].completed.returncode < 0
    with pytest.raises(CommandFailed, match="stopping"):
        process.run(["true"], timeout=5, scope=mine)
    assert process.run(["true"], timeout=5, scope=other).returncode == 0
    mine.reopen()
    assert process.run(["true"], timeout=5, scope=mine).returncode == 0


def test_stopping_the_harness_ends_every_scope(tmp_path: Path) -> None:
    """Ctrl-C leaves no command of any cell; what has to be done afterwards can be allowed again."""
    process.stop_children()
    try:
        with pytest.raises(CommandFailed, match="stopping"):
            process.run(["true"], timeout=5, scope=Scope())
    finally:
        process.allow_children()
    assert process.run(["true"], timeout=5).returncode == 0


def test_a_pid_with_another_start_time_is_a_stranger() -> None:
    """A recycled pid is neither alive nor stopped."""
    me = pids.identify(os.getpid())
    assert me is not None
    assert pids.alive(me)
    stranger = Identity(me.pid, me.start_ticks - 1, me.boot_id)
    assert not pids.alive(stranger)
    assert pids.stop([stranger], grace=0.1) == []
    assert not pids.alive(Identity(me.pid, me.start_ticks, "another boot"))


def background(command: str) -> None:
    """Leave a command running that is nobody's child any more, as a control plane's processes are."""
    process.run(["sh", "-c", f"{command} >/dev/null 2>&1 &"], timeout=5)


def test_a_process_that_ignores_term_is_killed(tmp_path: Path) -> None:
    """What survives TERM gets KILL, so nothing is left."""
    file = tmp_path / "pid"
    stubborn = tmp_path / "stubborn.sh"
    stubborn.write_text(f"trap '' TERM\necho $$ > {file}\nwhile :; do sleep 0.05; done\n")
    background(f"sh {stubborn}")
    identity = pids.identify(int(wait_for(file)))
    assert identity is not None
    assert pids.stop([identity], grace=0.2) == []
    assert not pids.alive(identity)


def test_a_program_that_is_still_being_mapped_is_recognised_by_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a moment after its start it has none: it is waited for, as long as it runs and at most so long."""
    before = [(), (), ("kube-apiserver", "--port=1")]
    monkeypatch.setattr(pids, "command_line", lambda pid: before.pop(0) if len(before) > 1 else before[0])
    me = pids.this()
    assert pids.recognise(me.pid) == (me, ("kube-apiserver", "--port=1"))
    monkeypatch.setattr(pids, "command_line", lambda pid: ())
    assert pids.recognise(me.pid, within=0.02) == (me, ())
    assert pids.recognise(2**22 + 1) == (None, ())


def test_what_has_just_been_started_is_found_by_its_words_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an interrupted start leaves is looked for at once, when it may have no words yet."""
    known, asked = pids.command_line, set[int]()

    def late(pid: int) -> tuple[str, ...]:
        first = pid not in asked
        asked.add(pid)
        return () if first else known(pid)

    (tmp_path / "x").touch()
    child = subprocess.Popen(["tail", "-f", str(tmp_path / "x")])
    try:
        monkeypatch.setattr(pids, "command_line", late)
        assert [each.pid for each in pids.mentioning(tmp_path)] == [child.pid]
    finally:
        child.kill()
        child.wait()


def test_processes_are_found_by_a_path_in_their_words(tmp_path: Path) -> None:
    """A directory's own processes are found, those of a directory with a longer name are not."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").touch()
    background(f"exec tail -f {tmp_path}/a/x")
    found: list[Identity] = []
    for _ in range(200):
        found = found or pids.mentioning(tmp_path / "a")
        time.sleep(0 if found else 0.01)
    assert len(found) == 1
    assert pids.mentioning(tmp_path / "a" / "x" / "y") == []
    assert pids.mentioning(Path(f"{tmp_path}/")) == found
    pids.stop(found, grace=1)
