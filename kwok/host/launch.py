"""Starting a control plane by kwokctl, and stopping it without.

kwokctl writes certificates and starts the components, which takes a third of a second; then it is done. Waiting is
the harness's own business, because kwokctl waits by running kubectl in a loop and cannot say which component died.
Stopping is too: kwokctl trusts pid files.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from harness.errors import ClusterError, ToolError
from harness.processes import commands, daemons
from harness.processes.commands import CommandFailed
from harness.processes.daemons import Identity
from harness.processes.service import MARK, last_lines
from kwok.host.components import CONFIGURATION, PROGRAMS
from kwok.simulation import ARGUMENTS

KUBECONFIG = "kubeconfig.yaml"  # written by kwokctl
_KWOKCTL_SECONDS = 60.0


class ComponentDied(ClusterError):
    """A component of the control plane ended by itself; the message carries the last lines of its log."""

    def __init__(self, component: str, directory: Path) -> None:
        self.last_lines = last_lines(log_file(directory, component))
        super().__init__(f"{component} ended at start. Its last words:\n{self.last_lines or '(none)'}")

    @property
    def port_taken(self) -> bool:
        return "address already in use" in self.last_lines


def true_program() -> Path:
    """A program that succeeds: what kwokctl gets as kubectl, so that it does not wait."""
    found = shutil.which("true")
    if found is None:
        raise ToolError("there is no program `true`", where="PATH", do="install coreutils")
    return Path(found)


def start(kwokctl: Path, state: Path, name: str, files: Mapping[str, str]) -> dict[str, Identity]:
    """Let kwokctl make and start the control plane `name` under `state`/clusters; returns its processes.

    Raises ClusterError with what kwokctl says.
    """
    directory = state / "clusters" / name
    for file, text in files.items():
        (directory / file).write_text(text, encoding="utf-8")
    configuration = str(directory / CONFIGURATION)
    # An empty kubeconfig: the user's own is not touched, ours is the one that kwokctl keeps for itself.
    _kwokctl(kwokctl, state, name, "create", "cluster", "--config", configuration, "--kubeconfig", "", *ARGUMENTS)
    for secret in [directory / KUBECONFIG, *(directory / "pki").glob("*.key")]:
        secret.chmod(0o600)
    return {component: _identity(directory, component) for component in PROGRAMS}


def start_again(kwokctl: Path, state: Path, name: str, component: str) -> Identity:
    """Start one component that has ended, with the arguments it had."""
    directory = state / "clusters" / name
    _pid_file(directory, component).unlink(missing_ok=True)  # kwokctl takes a zombie for a running process
    _kwokctl(kwokctl, state, name, "start", "cluster", "--config", str(directory / CONFIGURATION))
    return _identity(directory, component)


def stop(directory: Path, recorded: Mapping[str, Identity]) -> None:
    """End every process of the cluster in `directory`: those recorded, any program started from there, its services
    and whatever they have started.

    At once, without a grace: what they hold is deleted next. Raises ClusterError for one that cannot be ended.
    """
    survivors = daemons.stop(recorded.values(), grace=0.0)
    for _ in range(3):  # kwokctl may have been killed while it was starting a component
        strays = [found for found in daemons.mentioning(directory) if _is_ours(directory, found)]
        strays += daemons.carrying(MARK, str(directory))
        if not strays:
            break
        survivors += daemons.stop(strays, grace=0.0)
    if survivors:
        left = ", ".join(str(survivor.pid) for survivor in survivors)
        raise ClusterError("processes could not be ended", where=f"pid {left}", do="end them by hand, then try again")


def component(directory: Path, name: str) -> Identity | None:
    """The process of a component as kwokctl has noted it down last; None where there is none."""
    try:
        return _identity(directory, name)
    except (OSError, ValueError):
        return None


def log_file(directory: Path, component: str) -> Path:
    return directory / "logs" / f"{component}.log"


def _kwokctl(kwokctl: Path, state: Path, name: str, *arguments: str) -> None:
    """An environment of our own: KWOK_* of the user would change the plan, a kubectl on PATH would be run."""
    home = str(state / "clusters" / name)
    try:
        commands.run(
            [kwokctl, *arguments, "--name", name],
            timeout=_KWOKCTL_SECONDS,
            env={"KWOK_WORKDIR": str(state), "HOME": home, "PATH": home},
        )
    except CommandFailed as error:
        raise ClusterError(f"kwokctl cannot start the control plane: {_complaint(error)}") from error


def _complaint(error: CommandFailed) -> str:
    """The errors among kwokctl's log lines (JSON when not on a terminal), or all it said."""
    said = []
    for line in error.completed.stderr.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("level") == "ERROR":
            said.append(f"{entry.get('msg')}: {entry.get('err')}")
    return "; ".join(dict.fromkeys(said)) or str(error)


def _identity(directory: Path, component: str) -> Identity:
    """The process that kwokctl has just started; where it has ended already, an identity that no process has."""
    pid = int(_pid_file(directory, component).read_text(encoding="utf-8"))
    found, words = daemons.recognise(pid)
    if found is None or not any(str(directory) in word for word in words):
        return Identity(pid, start_ticks=-1, boot_id=daemons.boot_id())
    return found


def _pid_file(directory: Path, component: str) -> Path:
    return directory / "pids" / f"{component}.pid"


def _is_ours(directory: Path, found: Identity) -> bool:
    """A component, whose program is linked from the cluster's directory, or kwokctl at work on it.

    A pager, an editor or a kubectl of the user's may mention the directory as well: those are left alone.
    """
    words = daemons.command_line(found.pid)
    return bool(words) and (words[0].startswith(f"{directory}/bin/") or Path(words[0]).name == "kwokctl")
