"""What a runtime is: something that brings simulated clusters up and down. It has few methods, and lanes see none.

Everything a runtime keeps lies under one state directory, a directory per cluster, so that `down` can promise that
nothing is left.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from harness.errors import UsageError
from harness.progress import Progress

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?")


@dataclass(frozen=True)
class RunningCluster:
    """A cluster that is up, and all that is needed to recognise it again.

    `directory` holds everything of it; `server` is the URL and `context` the name in `kubeconfig`, as they were when
    the cluster was made; `identity` is what the marker object in the cluster says; `runtime` is "host" or "kind".
    """

    name: str
    directory: Path
    kubeconfig: Path
    context: str
    server: str
    runtime: str
    identity: str


class Runtime(Protocol):
    """Makes, finds and removes clusters of its own; safe for several threads and processes at once.

    `name` is "host" or "kind"; `tools` are the programs that `up` needs, in the order in which it needs them.
    """

    name: ClassVar[str]
    tools: ClassVar[tuple[str, ...]]

    def up(self, name: str, progress: Progress) -> RunningCluster:
        """The cluster of that name, ready for nodes: as it is when it is healthy, made anew otherwise."""
        ...

    def down(self, name: str) -> None:
        """Leave no process and no file of it. A cluster that is not there is down already; one not ours is refused."""
        ...

    def get(self, name: str) -> RunningCluster | None:
        """The cluster, if all its processes run; asks the operating system, not the API server."""
        ...

    def names(self) -> list[str]:
        """Every cluster that is known here, running or stale."""
        ...

    def logs(self, cluster: RunningCluster) -> Mapping[str, Path]:
        """The log file of each component of the control plane."""
        ...


def state_directory(environment: Mapping[str, str]) -> Path:
    """Where clusters are kept: `$XDG_STATE_HOME/kwok-harness`; a relative value counts as unset (XDG rules)."""
    given = environment.get("XDG_STATE_HOME", "")
    base = (
        Path(given) if Path(given).is_absolute() else Path(environment.get("HOME", "~")).expanduser() / ".local/state"
    )
    return base / "kwok-harness"


def checked_name(name: str) -> str:
    """The name itself, once it is sure to be one path segment. Raises UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a cluster", do="use up to 52 lower-case letters, digits and inner hyphens"
        )
    return name
