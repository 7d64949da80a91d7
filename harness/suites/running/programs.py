"""Commands and scripts: each in a process group of its own, with a filtered environment and one kubeconfig."""

import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.excerpts import ending
from harness.processes import commands
from harness.suites.kuttl import messages
from harness.suites.model import Language, Program
from harness.suites.running.clients import Client
from harness.suites.running.failures import NotJudged, OperationFailed
from harness.suites.running.scope import Scope
from harness.suites.running.situation import Situation
from harness.waiting.loop import Cancelled

CONTEXT = "chainsaw"  # the context in the kubeconfig of programs, as theirs is called
SHOWN = 40  # lines of output in a report
_NOT_FOUND = "exec: "  # begins what Go says of a program that it cannot start
_VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")


@dataclass(frozen=True)
class Ended:
    """What a program left: `error` is None where it ended with status 0, else what Go says of it.

    `exceeded` is its time limit in seconds, where that ended it.
    """

    argv: tuple[str, ...]
    stdout: str
    stderr: str
    error: str | None
    exceeded: float | None = None

    @property
    def given(self) -> dict[str, Any]:
        """The bindings that checks and outputs see."""
        return {"stdout": self.stdout, "stderr": self.stderr, "error": self.error}

    def shown(self, program: Program) -> str:
        """Command, output and errors, for people."""
        parts = [f"$ {shlex.join(self.argv)}"] if program.log_command else []
        if program.log_output:
            parts += [ending(text.rstrip(), SHOWN) for text in (self.stdout, self.stderr) if text.strip()]
        return "\n".join(parts)


def carried_out(
    program: Program, client: Client | None, scope: Scope, situation: Situation, timeout: float | None
) -> Ended:
    """Run it to its end, and check what it left. Raises OperationFailed with its output."""
    if not situation.options.scripts:
        raise NotJudged(f"{program.verb}: programs are not run (--allow-scripts)")
    ended = _run(program, client, scope, situation, timeout)
    if program.check is not None:
        if lines := scope.with_(**ended.given).differences(program.check, None):
            text = "\n".join(["check does not hold", *(f"* {line}" for line in lines)])
            raise OperationFailed(text, output=ended.shown(program))
    elif ended.error is not None and not program.ignore_failure:
        raise OperationFailed(_failure(program, ended, ended.error), output=ended.shown(program))
    return ended


def _failure(program: Program, ended: Ended, error: str) -> str:
    """Of kuttl in its own words alone, because its reports have them; else with the end of what the program wrote."""
    if program.language is Language.CHAINSAW:
        return "\n".join(filter(None, (error, ending((ended.stderr or ended.stdout).strip(), 10))))
    if ended.exceeded is not None:
        return messages.timed_out(program, max(1, round(ended.exceeded)))
    return error if error.startswith(_NOT_FOUND) else messages.failed(program, error)


def _run(program: Program, client: Client | None, scope: Scope, situation: Situation, timeout: float | None) -> Ended:
    variables = dict(situation.options.variables)
    variables["PATH"] = _path(program, situation)
    own = scope.bound(())
    for binding in program.environment:
        value = own.value(binding.value, engine=binding.engine)
        variables[own.text(binding.name)] = value if isinstance(value, str) else str(scope.value(value))
    variables.setdefault("NAMESPACE", situation.namespace)
    folder = situation.folder / program.work_directory
    if not folder.is_dir():
        raise NotJudged(f"workDir {program.work_directory}: folder not found in {situation.folder}")
    seconds = min(timeout or situation.options.run_budget, situation.deadline.remaining)
    with _place(client, situation) as (home, kubeconfig):
        variables |= {"HOME": str(home), "TMPDIR": str(home)}
        if kubeconfig is not None:
            variables["KUBECONFIG"] = str(kubeconfig)
        argv = _argv(program, variables, situation)
        found = shutil.which(argv[0], path=variables["PATH"])
        if found is None and "/" not in argv[0]:
            return Ended(argv, "", "", f'{_NOT_FOUND}"{argv[0]}": executable file not found in $PATH')
        try:
            done = commands.run(
                (found or argv[0], *argv[1:]),
                timeout=max(0.05, seconds),
                env=variables,
                cwd=folder,
                check=False,
                scope=situation.programs,
            )
        except commands.CommandFailed as failed:
            if situation.cancelled.is_set():
                raise Cancelled("interrupted") from failed
            exceeded = seconds if failed.timed_out else None
            stopped = f"signal: killed (not done after {exceeded:g} s)" if exceeded is not None else failed.what
            return Ended(argv, failed.completed.stdout, failed.completed.stderr, stopped, exceeded)
        except commands.CommandMissing as missing:
            return Ended(argv, "", "", missing.what)
    if situation.cancelled.is_set() and done.returncode < 0:
        raise Cancelled("interrupted")
    return Ended(argv, done.stdout, done.stderr, _error(done.returncode))


def _error(status: int) -> str | None:
    if status == 0:
        return None
    return f"exit status {status}" if status > 0 else f"signal: {-status}"


def _path(program: Program, situation: Situation) -> str:
    own = [str(situation.folder / "bin")] if program.words or program.namespaced else []
    return ":".join([*own, situation.options.variables.get("PATH", ""), *map(str, situation.options.path)])


def _argv(program: Program, variables: Mapping[str, str], situation: Situation) -> tuple[str, ...]:
    if program.words:
        words = shlex.split(_expanded(program.words, variables, unknown=""))
        given = any(word in ("-n", "--namespace") or word.startswith("--namespace=") for word in words)
        added = ["--namespace", situation.namespace] if program.namespaced and not given else []
        if not words:
            raise NotJudged(f"{program.words!r}: no program is given")
        return (*words, *added)
    if program.verb == "script":
        return (program.shell, *program.shell_arguments, program.content)
    return (program.entrypoint, *(_expanded(word, variables, unknown=None) for word in program.arguments))


def _expanded(text: str, variables: Mapping[str, str], *, unknown: str | None) -> str:
    """`$NAME` and `${NAME}`; `$$` is a dollar; what is unknown stays, or becomes `unknown`."""

    def value(found: re.Match[str]) -> str:
        if found[1]:
            return "$"
        kept = found[0] if unknown is None else unknown
        return variables.get(found[2] or found[3], kept)

    return _VARIABLE.sub(value, text)


@contextmanager
def _place(client: Client | None, situation: Situation) -> Iterator[tuple[Path, Path | None]]:
    """A directory of the program's own, and in it a kubeconfig that knows one cluster; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="kwok-suite-") as directory:
        home = Path(directory)
        if client is None:
            yield home, None
            return
        file = home / "kubeconfig"
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump(only(client.cluster.kubeconfig, client.cluster.context_name)))
        yield home, file


def only(kubeconfig: Path, context: str) -> dict[str, Any]:
    """A kubeconfig with one context of another one; files that it names are named from the root."""
    document = yaml.safe_load(kubeconfig.read_text())
    entry = dict(next(each for each in document["contexts"] if each["name"] == context)["context"])
    parts: dict[str, Any] = {}
    for plural, name in (("clusters", entry["cluster"]), ("users", entry.get("user"))):
        singular = plural.removesuffix("s")
        held = next((dict(each[singular]) for each in document.get(plural) or () if each["name"] == name), {})
        for key in ("certificate-authority", "client-certificate", "client-key", "tokenFile"):
            if held.get(key):
                held[key] = str((kubeconfig.parent / held[key]).resolve())
        parts[plural] = [{"name": CONTEXT, singular: held}]
    context_ = {key: value for key, value in entry.items() if key == "namespace"}
    context_ |= {"cluster": CONTEXT, "user": CONTEXT}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "contexts": [{"name": CONTEXT, "context": context_}],
        **parts,
    }
