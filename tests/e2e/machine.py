"""A user's machine as an end-to-end test sees it: the command in a process of its own, and what it leaves behind."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from harness.processes import daemons
from harness.runtime import Runtime
from harness.settings import ROOT

AnyRuntime = TypeVar("AnyRuntime", bound=Runtime)
LIMIT = 420.0  # seconds for one command: longer than any deadline of its own (300 s) with what comes before it


class Machine:
    """A user's machine as a test sees it: state and evidence of its own, the tool cache of everybody."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.state = home / "state"
        self.artifacts = home / "artifacts"
        self.children: list[subprocess.Popen[str]] = []
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("KWOK_")},
            "XDG_STATE_HOME": str(self.state),
            "KWOK_DEBUG_ARTIFACTS_DIR": str(self.artifacts),
            "KWOK_CLUSTER": "test",
        }

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Begin a command, with SIGINT ignored at first, as it is for whatever a script runs in the background."""
        child = subprocess.Popen(
            ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-m", "harness", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=self.environment,
            start_new_session=True,
        )
        self.children.append(child)
        return child

    def run(self, *words: str, limit: float = LIMIT) -> "subprocess.CompletedProcess[str]":
        child = self.start(*words)
        out, err = child.communicate(timeout=limit)
        return subprocess.CompletedProcess(words, child.returncode, out, err)

    def processes(self) -> list[tuple[str, ...]]:
        """What still runs of this machine's clusters."""
        return [daemons.command_line(each.pid) for each in daemons.mentioning(self.home)]

    def clusters(self) -> list[str]:
        directory = self.state / "kwok-harness" / "clusters"
        return sorted(each.name for each in directory.iterdir()) if directory.is_dir() else []

    def evidence(self) -> Path:
        [found] = self.artifacts.glob("kwok-debug-*")
        return found

    def left_with(self, secrets: Iterable[str]) -> list[Path]:
        """The files of evidence and recordings that a secret is in."""
        files = [file for file in self.artifacts.rglob("*") if file.is_file()]
        assert files
        return [file for file in files if any(secret.encode() in file.read_bytes() for secret in secrets)]


@contextmanager
def all_taken_down(runtime: AnyRuntime) -> Iterator[AnyRuntime]:
    """A runtime for the block, whose clusters are gone after it."""
    yield runtime
    for name in runtime.names():
        runtime.down(name)


def wait_for(child: "subprocess.Popen[str]", text: str) -> str:
    """Read stderr until a line has `text`."""
    assert child.stderr is not None
    seen = ""
    for line in child.stderr:
        seen += line
        if re.search(text, line):
            return seen
    raise AssertionError(f"ended without {text!r}:\n{seen}")
