"""Fixtures: made where they are absent, refused where they differ."""

import hashlib
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.deadline import Deadline
from harness.endtoend.acting import Acting
from harness.endtoend.model import HOST, Fixture, Fixtures, SetUpStep
from harness.endtoend.plan import Plan, plan
from harness.endtoend.setting_up import Means, SettingUp
from harness.errors import DataError
from harness.helm.client import Helm
from harness.processes.threads import Background
from harness.suites.model import Place
from harness.suites.running.clients import Client
from harness.waiting.loop import Cancelled
from tests.fakes.endtoend import GOOD, loaded


def files(tmp_path: Path, content: bytes, *command: str) -> dict[str, bytes]:
    """What set-up makes of one declared file, in a directory of the run."""
    run = tmp_path / "run"
    run.mkdir(exist_ok=True)
    (tmp_path / "suite").mkdir(exist_ok=True)
    planned = plan(loaded(tmp_path / "suite", "", a=GOOD), HOST)
    helm = cast(Helm, None)
    acting, client = cast(Acting, None), cast(Client, None)
    means = Means(client, acting, None, lambda: helm, lambda names: None, run, threading.Event(), tmp_path)
    declared = Fixture("f", len(content), hashlib.sha256(content).hexdigest())
    return dict(SettingUp(planned, means).fixture_files(Fixtures((declared,), command), Deadline.after(30.0)))


def maker(tmp_path: Path, text: str) -> str:
    file = tmp_path / "make.py"
    file.write_text(f"open('f', 'w').write({text!r})\n")
    return str(file)


def test_a_fixture_is_made_where_it_is_absent(tmp_path: Path) -> None:
    """By its command, in a directory of the run; a second time it is there."""
    command = maker(tmp_path, "abc")
    assert files(tmp_path, b"abc", command) == {"f": b"abc"}
    Path(command).write_text("raise SystemExit(1)")
    assert files(tmp_path, b"abc", command) == {"f": b"abc"}


def test_a_fixture_of_the_suite_is_taken(tmp_path: Path) -> None:
    """Without a command."""
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "f").write_text("abc")
    assert files(tmp_path, b"abc") == {"f": b"abc"}


@pytest.mark.parametrize("made", ["abd", "abcd"])
def test_a_fixture_that_differs_is_refused(tmp_path: Path, made: str) -> None:
    """In one byte, or in size; both digests are told."""
    with pytest.raises(DataError, match=hashlib.sha256(b"abc").hexdigest()) as refused:
        files(tmp_path, b"abc", maker(tmp_path, made))
    assert hashlib.sha256(made.encode()).hexdigest() in refused.value.what


def test_an_interrupt_ends_the_command_under_way(tmp_path: Path) -> None:
    """Nothing of it is left, whatever it does with a signal."""
    started = tmp_path / "started"
    (tmp_path / "make.py").write_text(
        "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(started)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    )
    (tmp_path / "suite").mkdir()
    run = tmp_path / "run"
    run.mkdir()
    cancelled = threading.Event()
    planned = cast(Plan, SimpleNamespace(suite=SimpleNamespace(folder=tmp_path / "suite", place=Place(Path("s"), 1))))
    nothing = cast(Any, None)
    means = Means(nothing, nothing, None, nothing, nothing, run, cancelled, tmp_path)
    action = Fixtures((Fixture("f", 1, "0"),), (str(tmp_path / "make.py"),))
    step = SetUpStep("clips", action, Place(Path("s"), 1), 300.0, ("host",), 0)
    work = Background(lambda: SettingUp(planned, means).carry_out(step), "set-up")
    while not started.exists() or not started.read_text():
        assert not work.wait(0.01)
    pid = int(started.read_text())
    cancelled.set()
    with pytest.raises(Cancelled):
        work.result()
    assert not Path(f"/proc/{pid}").exists()


def test_a_command_that_makes_something_else_is_told(tmp_path: Path) -> None:
    """The file is named."""
    (tmp_path / "make.py").write_text("open('g', 'w')\n")
    with pytest.raises(DataError, match="f was not made by"):
        files(tmp_path, b"abc", str(tmp_path / "make.py"))
