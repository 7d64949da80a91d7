"""A service as data: what to run on this machine beside a cluster, how to see that it is ready, how it fails."""

import hashlib
import http.client
import json
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness.errors import ClusterError
from harness.excerpts import ending

MARK = "KWOK_HARNESS_CLUSTER"  # the cluster's directory, in the environment of each of its services
_LINES = 12  # of a log, in a message
_PROBE_SECONDS = 1.0
_SAID = 500  # bytes of what a server says that is not ready

Ports = Mapping[str, int]  # what a port is for -> the port


@dataclass(frozen=True)
class Probe:
    """Answered when somebody listens on the loopback port and, where there is a path, GET says 200."""

    port: int
    path: str = ""

    def answered(self) -> bool:
        return self.trouble() == ""

    def trouble(self) -> str:
        """Why it is not answered, with what a server says that is not ready; empty where it is."""
        try:
            if not self.path:
                socket.create_connection(("127.0.0.1", self.port), _PROBE_SECONDS).close()
                return ""
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PROBE_SECONDS)
            try:
                connection.request("GET", self.path)
                answer = connection.getresponse()
                if answer.status == http.client.OK:
                    return ""
                said = answer.read(_SAID).decode(errors="replace").strip()
                return f"{answer.status} {answer.reason}" + (f": {said}" if said else "")
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__

    def __str__(self) -> str:
        return f"127.0.0.1:{self.port}{self.path}"


@dataclass(frozen=True)
class Service:
    """What to run: ready when every probe is answered.

    `called` is the name by which it is started, for a program that is several by its name. It finds `commands` (name:
    program) on its PATH before those of the system, and `files` (name: text) in its directory, which is its home and
    where it runs. A program that finds its own files beside it, as a Python of a virtual environment does, is started
    `in_place`.
    """

    name: str
    program: Path
    arguments: tuple[str, ...]
    probes: tuple[Probe, ...]
    called: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, Path] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    in_place: bool = False

    @property
    def called_as(self) -> str:
        return self.called or self.program.name

    @property
    def fingerprint(self) -> str:
        """Differs where the service would have to be started anew."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, default=str).encode()).hexdigest()


Plan = Callable[[Ports], Sequence[Service]]


class ServiceFailed(ClusterError):
    """A service is not there; nothing is known about what it was to serve."""


class ServiceDied(ServiceFailed):
    """A service ended by itself, or was killed by somebody else; the message carries the last lines of its log."""

    def __init__(self, name: str, status: int | None, log: Path) -> None:
        self.name = name
        self.last_lines = last_lines(log)
        super().__init__(f"{name} {_ending(status)}. Its last words:\n{self.last_lines or '(none)'}", where=str(log))

    @property
    def port_taken(self) -> bool:
        return "address already in use" in self.last_lines.lower()  # Go and Python spell it differently


class ServiceNotReady(ServiceFailed):
    """A service runs but does not answer."""


def last_lines(log: Path) -> str:
    """The end of a log, for a message; empty where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(line[:500] for line in ending(text, _LINES).splitlines())


def _ending(status: int | None) -> str:
    if status is None:
        return "has ended"
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
