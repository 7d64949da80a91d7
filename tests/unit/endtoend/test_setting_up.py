"""Fixtures: made where they are absent, refused where they differ."""

import hashlib
import threading
from pathlib import Path
from typing import cast

import pytest

from harness.deadline import Deadline
from harness.endtoend.acting import Acting
from harness.endtoend.model import HOST, Fixture, Fixtures
from harness.endtoend.plan import plan
from harness.endtoend.setting_up import Means, SettingUp
from harness.errors import DataError
from harness.helm.client import Helm
from harness.suites.running.clients import Client
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


def test_a_command_that_makes_something_else_is_told(tmp_path: Path) -> None:
    """The file is named."""
    (tmp_path / "make.py").write_text("open('g', 'w')\n")
    with pytest.raises(DataError, match="f was not made by"):
        files(tmp_path, b"abc", str(tmp_path / "make.py"))
