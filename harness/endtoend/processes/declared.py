"""A process as a suite declares it: plain values, before any port or path is known.

Arguments, environment and files may name what is only known later: `$(ports.health)` (filling.py lists all names).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.endtoend.processes.names import ServiceName


@dataclass(frozen=True)
class PythonFile:
    """A Python file of the suite, run by the Python that the harness runs on."""

    file: Path


@dataclass(frozen=True)
class Program:
    """An executable file of the suite's repository."""

    file: Path


@dataclass(frozen=True)
class Tool:
    """A program that the settings pin (`tools.pins`), from an archive or built from its wrapper module.

    `called` is the name by which it is started, for a program that is several by its name.
    """

    name: str
    called: str = ""


@dataclass(frozen=True)
class Route:
    """What an HTTP stub answers to one method and path: after `delay` seconds, the status and the body."""

    path: str
    method: str = "GET"
    status: int = 200
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"
    delay: float = 0.0


@dataclass(frozen=True)
class HttpStub:
    """A stand-in for any HTTP service: it answers its routes, 404 to all else, and counts.

    It has the ports `http` and `control`; the second is for the suite (stand_ins/http_stub.py).
    """

    routes: tuple[Route, ...] = ()


@dataclass(frozen=True)
class ObjectStore:
    """A stand-in for S3: path style, signature version 4, with these credentials alone. It has the port `http`."""

    access_key: str
    secret_key: str = field(repr=False)
    buckets: tuple[str, ...] = ()
    region: str = "us-east-1"


@dataclass(frozen=True)
class Registry:
    """The OCI registry of the harness, at the port of the settings (`ports.registry`). It has the port `http`."""


StandIn = HttpStub | ObjectStore | Registry
Run = PythonFile | Program | Tool | StandIn
PORT, CONTROL = "http", "control"  # of stand-ins


@dataclass(frozen=True)
class Probe:
    """Ready once GET `path` on the port of that purpose says 200; without a path, once somebody listens there."""

    port: str
    path: str = ""


@dataclass(frozen=True)
class ServiceAccount:
    """Whose token a process has in its kubeconfig."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Webhooks:
    """Admission and conversion webhooks that a process serves over TLS on the port of that purpose.

    Those whose clientConfig names one of the `services` are led there.
    """

    port: str
    services: tuple[ServiceName, ...]


@dataclass(frozen=True)
class Process:
    """What to run, and all that a suite says about it.

    `ports` are purposes, each of which gets a free port of loopback; `within` are the seconds until it is ready;
    `after` are the processes that have to be ready before; `names` are the Services that it is for others: name and
    port of the Service, and the purpose of the port that it leads to.
    """

    name: str
    run: Run
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()
    within: float = 30.0
    account: ServiceAccount | None = None
    after: tuple[str, ...] = ()
    names: Mapping[ServiceName, str] = field(default_factory=dict)
    webhooks: Webhooks | None = None

    @property
    def purposes(self) -> tuple[str, ...]:
        """All its ports: those that it declares, and that of a stand-in."""
        own = (PORT,) if isinstance(self.run, StandIn) else ()
        control = (CONTROL,) if isinstance(self.run, HttpStub) else ()
        return tuple(dict.fromkeys((*own, *control, *self.ports)))
