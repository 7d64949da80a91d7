"""What a declared process becomes once ports and paths are known: a service beside the cluster."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.endtoend import stand_ins
from harness.endtoend.processes import declared
from harness.endtoend.processes.declared import (
    CONTROL,
    PORT,
    HttpStub,
    ObjectStore,
    Process,
    Program,
    PythonFile,
    Registry,
    Tool,
)
from harness.endtoend.processes.filling import filled
from harness.errors import DataError, HarnessError, did_you_mean
from harness.processes.service import Probe, Service

PROXY = "forward-proxy"  # the name of its service
KUBECONFIG = "kubeconfig"
CERTIFICATES = "certificates"
_ROUTES = "routes.json"
_STAND_INS = Path(stand_ins.__file__).parent
_NO_PROXY = "localhost,127.0.0.1,::1"
# Last words must not stay in a buffer, and nothing is to be written beside the suite's own files.
_PYTHON = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}

Ports = Mapping[str, Mapping[str, int]]  # process -> purpose -> port


@dataclass(frozen=True)
class Surroundings:
    """What processes of a suite find: its directory, the tools, all ports, and where each has its home."""

    processes: tuple[Process, ...]
    suite: Path
    tools: Callable[[str], Path]
    ports: Ports
    proxy: int
    home: Callable[[str], Path]


@dataclass(frozen=True)
class _Words:
    program: Path
    arguments: tuple[str, ...] = ()
    called: str = ""
    in_place: bool = False
    environment: Mapping[str, str] | None = None
    files: Mapping[str, str] | None = None


def service(process: Process, at: Surroundings) -> Service:
    """Raises DataError for a name or a file that is not there, ToolError for a tool."""
    where = f"processes.{process.name}"
    values = known(process, at)
    words = _words(process, at, where)
    own = at.ports[process.name]
    return Service(
        name=process.name,
        program=words.program,
        called=words.called,
        in_place=words.in_place,
        arguments=(
            *words.arguments,
            *(filled(text, values, where=f"{where}.arguments[{i}]") for i, text in enumerate(process.arguments)),
        ),
        probes=tuple(_probe(each, own, where) for each in (*_own_probes(process), *_declared_probes(process))),
        environment={
            **environment(process, at),
            **(words.environment or {}),
            **{
                name: filled(text, values, where=f"{where}.environment.{name}")
                for name, text in process.environment.items()
            },
        },
        files={
            **(words.files or {}),
            **{name: filled(text, values, where=f"{where}.files.{name}") for name, text in process.files.items()},
        },
    )


def proxy(at: Surroundings) -> Service:
    """The forward proxy, which leads the Service names that processes declare to their ports.

    Raises DataError for a name that two processes declare.
    """
    routes: dict[str, int] = {}
    for process in at.processes:
        for name, purpose in process.names.items():
            key = f"{name.name}.{name.namespace}:{name.port}"
            where = f"processes.{process.name}.names"
            if key in routes:
                raise DataError(f"another process has the name {name} already", where=where, do="remove one of the two")
            routes[key] = port_of(purpose, at.ports[process.name], where)
    return Service(
        name=PROXY,
        program=Path(sys.executable),
        in_place=True,
        arguments=("-I", "-S", str(_STAND_INS / "forward_proxy.py"), str(at.proxy), _ROUTES),
        probes=(Probe(at.proxy, "/"),),
        files={_ROUTES: json.dumps(routes, indent=2, sort_keys=True)},
    )


def known(process: Process, at: Surroundings) -> dict[str, str]:
    """What the texts of a process may name (filling.py), and what it becomes."""
    home = at.home(process.name)
    found = {"home": str(home), "suite": str(at.suite)}
    for purpose, port in at.ports[process.name].items():
        found |= {f"ports.{purpose}": str(port), f"addresses.{purpose}": f"127.0.0.1:{port}"}
    for other, ports in at.ports.items():
        for purpose, port in ports.items():
            found |= {f"{other}.ports.{purpose}": str(port), f"{other}.addresses.{purpose}": f"127.0.0.1:{port}"}
    if process.account is not None:
        found |= {"kubeconfig": str(home / KUBECONFIG), "namespace": process.account.namespace}
    if process.webhooks is not None:
        found["certificates"] = str(home / CERTIFICATES)
    for each in at.processes:
        if isinstance(store := each.run, ObjectStore):
            of = {"accessKey": store.access_key, "secretKey": store.secret_key, "region": store.region}
            found |= {f"{each.name}.{key}": value for key, value in of.items()}
    return found


def environment(process: Process, at: Surroundings) -> dict[str, str]:
    """The proxy in both spellings, since clients differ, and the kubeconfig."""
    found: dict[str, str] = {}
    for name, value in (
        ("http_proxy", f"http://127.0.0.1:{at.proxy}"),
        ("https_proxy", f"http://127.0.0.1:{at.proxy}"),
        ("no_proxy", _NO_PROXY),
    ):
        found |= {name: value, name.upper(): value}
    if process.account is not None:
        found["KUBECONFIG"] = str(at.home(process.name) / KUBECONFIG)
    return found


def _words(process: Process, at: Surroundings, where: str) -> _Words:
    """The program and the words that are not the suite's."""
    own = at.ports[process.name]
    match process.run:
        case PythonFile(file):
            _require(file, where, executable=False)
            return _Words(Path(sys.executable), (str(file),), in_place=True, environment=_PYTHON)
        case Program(file):
            _require(file, where, executable=True)
            return _Words(file, in_place=True)
        case Tool(name, called):
            return _Words(at.tools(name), called=called)
        case HttpStub(routes):
            return _Words(
                Path(sys.executable),
                ("-I", "-S", str(_STAND_INS / "http_stub.py"), str(own[PORT]), str(own[CONTROL]), _ROUTES),
                in_place=True,
                files={_ROUTES: json.dumps([route_document(each) for each in routes], indent=2)},
            )
        case ObjectStore():
            return _Words(
                at.tools("s3"),
                (f"127.0.0.1:{own[PORT]}", "objects.db"),
                environment={
                    "AWS_ACCESS_KEY_ID": process.run.access_key,
                    "AWS_SECRET_ACCESS_KEY": process.run.secret_key,
                },
            )
        case Registry():
            raise HarnessError("the registry is installed, not started", where=where)


def route_document(route: declared.Route) -> dict[str, object]:
    """A route as stand_ins/http_stub.py reads it."""
    found = asdict(route)
    return {"contentType" if key == "content_type" else key: value for key, value in found.items()}


def _own_probes(process: Process) -> tuple[declared.Probe, ...]:
    match process.run:
        case HttpStub():
            return (declared.Probe(PORT), declared.Probe(CONTROL, "/"))
        case ObjectStore():
            return (declared.Probe(PORT, "/-/ready"),)
    return ()


def _declared_probes(process: Process) -> tuple[declared.Probe, ...]:
    """Without any, it is ready once somebody listens on each of its ports."""
    return process.probes or tuple(declared.Probe(port) for port in process.ports)


def _probe(probe: declared.Probe, ports: Mapping[str, int], where: str) -> Probe:
    return Probe(port_of(probe.port, ports, f"{where}.probe"), probe.path)


def port_of(purpose: str, ports: Mapping[str, int], where: str) -> int:
    """The port of that purpose. Raises DataError where there is none."""
    if purpose not in ports:
        raise DataError(f"unknown port {purpose!r}", where=where, do=did_you_mean(purpose, ports))
    return ports[purpose]


def _require(file: Path, where: str, *, executable: bool) -> None:
    if not file.is_file():
        raise DataError("not found", where=f"{where}: {file}", do="correct the path; it is relative to the suite")
    if executable and not os.access(file, os.X_OK):
        raise DataError("is not executable", where=f"{where}: {file}", do=f"chmod +x {file}")
