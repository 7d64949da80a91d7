"""Checks as processes of this machine, by the contract of a container: for a cluster without nodes that run anything,
and for one that is looked at from a laptop.

A process has a token of the run's own account and no credentials beside it, so a permission that it lacks fails here
as it would in a pod.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import harness
from harness.errors import HarnessError
from harness.formats import quantity
from harness.processes import commands
from harness.processes.commands import CommandFailed, CommandMissing, Scope
from harness.progress import Progress
from harness.validation.checks.access import Account
from harness.validation.checks.catalog import Entry
from harness.validation.checks.contract import Inputs
from harness.validation.checks.verdict import Ended, result_of, said
from harness.validation.results import CheckResult

OUTPUT_BYTES = 64 << 20  # of a file that the process writes, its output among them
OPEN_FILES = 1024
GRACE = 30.0  # seconds beyond a check's own timeout
TERMINATION_LOG = "AICR_TERMINATION_LOG"  # where a container has /dev/termination-log
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ")


@dataclass
class ProcessExecutor:
    """Carries out entries that name a local command. `directory` is an empty one of the caller's, who removes it."""

    account: Account
    inputs: Inputs
    directory: Path
    progress: Progress
    scope: Scope

    def prepare(self) -> None:
        """Write the input documents, readable for this user alone."""
        for folder, text in self.inputs.documents().items():
            place = self.directory / "data" / folder
            place.mkdir(parents=True, mode=0o700)
            (place / f"{folder}.yaml").write_text(text, encoding="utf-8")

    def carry_out(self, entry: Entry) -> CheckResult:
        """Never raises for what the check does: whatever keeps it from an end of its own is `other`."""
        try:
            self.account.grant(entry)
            token = self.account.token(entry.timeout)
        except HarnessError as error:
            return result_of(entry, Ended(-1, f"not run: {error}"))
        return result_of(entry, self._run(entry, token))

    def _run(self, entry: Entry, token: str) -> Ended:
        home = self.directory / entry.name
        home.mkdir(mode=0o700)
        kubeconfig, output, message = home / "kubeconfig", home / "stdout", home / "termination-log"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(json.dumps(self.account.cluster.kubeconfig_of(token, self.account.namespace)))
        begun = time.monotonic()
        try:
            done = commands.listen(
                [*limits(entry), *command(entry)],
                timeout=entry.timeout + GRACE,
                output=output,
                heard=lambda line: self.progress.step(entry.name, line),
                env=self._environment(entry, home),
                cwd=home,
                scope=self.scope,
            )
            code, told = done.returncode, _text(message) or _last(done.stderr)
        except CommandMissing as error:
            return Ended(-1, f"not run: {error}")
        except CommandFailed as error:
            why = f"timeout: validator did not complete within {entry.timeout:g} s" if error.timed_out else error.what
            code, told = -1, why
        if code < 0 and code != -1:
            told = f"ended by signal {-code}" + (f": {told}" if told else "")
        text = _text(output)
        for line in said(text):
            self.progress.note(f"{entry.name}: {line}")
        return Ended(code, "" if code == 0 else told, time.monotonic() - begun, text)

    def _environment(self, entry: Entry, home: Path) -> dict[str, str]:
        caller = self.inputs.caller
        return {
            **{name: caller[name] for name in _PASSED_ON if name in caller},
            "HOME": str(home),
            "TMPDIR": str(home),
            "KUBECONFIG": str(home / "kubeconfig"),
            TERMINATION_LOG: str(home / "termination-log"),
            "AICR_NAMESPACE": self.account.namespace,
            "PYTHONPATH": str(Path(harness.__file__).parent.parent),
            **self.inputs.variables(entry, str(self.directory / "data")),
        }


def command(entry: Entry) -> list[str]:
    """The words that carry out an entry here, its arguments last."""
    words = [word.replace("{python}", sys.executable) for word in entry.local_command]
    return [*words, *entry.args]


def limits(entry: Entry) -> list[str]:
    """The words in front of a command that limit its memory, its files and the number of those."""
    from harness.processes import limits as program

    memory = int(quantity.parse(entry.memory))
    of = [f"memory={memory}", f"file={OUTPUT_BYTES}", f"files={OPEN_FILES}"]
    return [sys.executable, "-I", "-S", str(Path(program.__file__)), *of, "--"]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _last(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
