"""Commands are started as argv lists and ended as groups."""

import sys
import threading
from pathlib import Path

import pytest

from harness.processes import commands, daemons
from harness.processes.commands import CommandFailed, CommandMissing, Completed, Scope
from tests.fakes.clock import until

PYTHON = sys.executable


def script(text: str) -> list[str]:
    return [PYTHON, "-c", text]


def wait_for(file: Path) -> str:
    """The content of a file that a child is about to write."""
    until(lambda: file.exists() and file.read_text() != "")
    return file.read_text()


def test_output_and_status_come_back_apart() -> None:
    """stdout, stderr and the status are three things."""
    done = commands.run(
        script("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"), timeout=10, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)


def test_a_failing_command_can_be_pasted_into_a_shell() -> None:
    """The message quotes the words as a shell needs them and ends with the last lines of the output."""
    with pytest.raises(CommandFailed) as caught:
        commands.run(["sh", "-c", "echo no such thing >&2; exit 4"], timeout=10)
    assert str(caught.value) == "sh -c 'echo no such thing >&2; exit 4': exit status 4\nno such thing"


def test_words_are_not_read_by_a_shell() -> None:
    """What looks like a shell expansion is passed on as it is."""
    assert commands.run(["printf", "%s", "$HOME `id` *"], timeout=10).stdout == "$HOME `id` *"


def test_a_missing_program_is_its_own_error() -> None:
    """Not a traceback, and not a failed command."""
    with pytest.raises(CommandMissing, match="cannot run no-such-program"):
        commands.run(["no-such-program"], timeout=10)


def test_an_expired_command_is_ended_with_its_children(tmp_path: Path) -> None:
    """A grandchild does not outlive the deadline of its grandparent."""
    file = tmp_path / "pid"
    with pytest.raises(CommandFailed, match="not done after") as caught:
        commands.run(["sh", "-c", f"sleep 60 & echo $! > {file}; wait"], timeout=0.5)
    assert caught.value.timed_out
    assert daemons.identify(int(file.read_text())) is None


def test_stopping_a_scope_ends_its_commands_and_no_others(tmp_path: Path) -> None:
    """Cells that run side by side are interrupted one by one."""
    mine, other = Scope(), Scope()
    errors: list[CommandFailed] = []

    def work() -> None:
        try:
            commands.run(["sh", "-c", f"echo x > {tmp_path / 'mine'}; sleep 60"], timeout=60, scope=mine)
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
        commands.run(["true"], timeout=5, scope=mine)
    assert commands.run(["true"], timeout=5, scope=other).returncode == 0
    mine.reopen()
    assert commands.run(["true"], timeout=5, scope=mine).returncode == 0


def test_stopping_the_harness_ends_every_scope(tmp_path: Path) -> None:
    """Ctrl-C leaves no command of any cell; what has to be done afterwards can be allowed again."""
    commands.stop_children()
    try:
        with pytest.raises(CommandFailed, match="stopping"):
            commands.run(["true"], timeout=5, scope=Scope())
    finally:
        commands.allow_children()
    assert commands.run(["true"], timeout=5).returncode == 0


def heard_of(
    tmp_path: Path, script: str, *, timeout: float = 30.0, scope: Scope | None = None
) -> tuple[Completed, list[str], str]:
    """Listen to a script; what became of it, the lines of stderr, and what is in the file of stdout."""
    lines: list[str] = []
    output = tmp_path / "stdout"
    done = commands.listen(
        ["/bin/sh", "-c", script],
        timeout=timeout,
        output=output,
        heard=lines.append,
        env={"PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        scope=scope or commands.Scope(),
    )
    return done, lines, output.read_text()


def test_a_command_that_is_listened_to_tells_its_stderr_and_keeps_its_stdout(tmp_path: Path) -> None:
    """Any exit status is an answer; a line of any length is told in pieces."""
    done, lines, output = heard_of(tmp_path, "echo out; echo one >&2; printf two >&2; exit 3")
    assert (done.returncode, lines, output) == (3, ["one", "two"], "out\n")
    _, lines, _ = heard_of(tmp_path, "head -c 20000 /dev/zero | tr '\\0' x >&2")
    assert [len(line) for line in lines] == [8192, 8192, 3616]


def test_what_a_command_leaves_running_is_ended_with_it(tmp_path: Path) -> None:
    """A child that holds its stderr open keeps nobody waiting."""
    done, lines, output = heard_of(tmp_path, "sleep 60 & echo $!; echo said >&2")
    assert (done.returncode, lines) == (0, ["said"])
    state = Path(f"/proc/{output.strip()}/stat")
    assert not state.exists() or ") Z " in state.read_text()


def test_a_command_that_is_listened_to_has_a_timeout_and_a_scope(tmp_path: Path) -> None:
    """It ends with both, and is not started in a scope that is stopping."""
    with pytest.raises(CommandFailed, match=r"not done after 0.2 s"):
        heard_of(tmp_path, "echo begun >&2; sleep 60", timeout=0.2)
    scope = commands.Scope()
    scope.stop()
    with pytest.raises(CommandFailed, match="the harness is stopping"):
        heard_of(tmp_path, "true", scope=scope)
    with pytest.raises(CommandMissing, match="cannot run /no/such"):
        commands.listen(["/no/such"], timeout=1, output=tmp_path / "o", heard=print, env={}, cwd=tmp_path)
