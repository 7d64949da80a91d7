"""The `processes` of a suite file."""

from pathlib import Path

from harness.endtoend.model import StandsFor
from harness.endtoend.processes.declared import (
    HttpStub,
    ObjectStore,
    Probe,
    Process,
    Program,
    PythonFile,
    Registry,
    Route,
    Run,
    ServiceAccount,
    StandIn,
    Tool,
    Webhooks,
)
from harness.endtoend.processes.names import ServiceName
from harness.endtoend.processes.order import levels
from harness.errors import DataError, did_you_mean
from harness.suites.fields import Fields

_RUNS = ("python", "program", "tool", "standIn")
_STAND_INS = ("http", "s3", "registry")
_WITHIN = 30.0  # seconds until a process is ready, where its declaration does not say
_MOST_RULES = "write one of python, program, tool, standIn"


def processes(fields: Fields, folder: Path) -> tuple[tuple[Process, ...], dict[str, tuple[StandsFor, ...]]]:
    """What is declared, and what each process stands for."""
    found: list[Process] = []
    stands_for: dict[str, tuple[StandsFor, ...]] = {}
    for each in fields.each("processes"):
        process = _process(each, folder)
        if process is not None:
            found.append(process)
            stands_for[process.name] = _stands_for(each)
        else:
            _stands_for(each)
        each.done()
    try:
        levels(found)
    except DataError as error:
        fields.wrong(error.what, "processes", do=error.do)
    return tuple(found), stands_for


def _process(fields: Fields, folder: Path) -> Process | None:
    name, run = fields.text("name", required=True), _run(fields, folder)
    account, webhooks = _account(fields), _webhooks(fields)
    ports, probes = fields.texts("ports"), _probes(fields)
    process = Process(
        name=name,
        run=run or Registry(),
        arguments=fields.texts("arguments"),
        environment=fields.text_map("environment"),
        files=fields.text_map("files"),
        ports=ports,
        probes=probes,
        within=_WITHIN if (within := fields.seconds("within")) is None else within,
        account=account,
        after=fields.texts("after"),
        names=_names(fields),
        webhooks=webhooks,
    )
    if run is None or not name:
        return None
    for purpose in (*(probe.port for probe in probes), *process.names.values(), *([webhooks.port] if webhooks else ())):
        if purpose not in process.purposes:
            fields.wrong(f"{name} has no port {purpose!r}", do=did_you_mean(purpose, process.purposes))
    if isinstance(run, PythonFile | Program | Tool) and not probes and not ports:
        fields.wrong(f"{name} has neither ports nor probes: nobody could tell when it is ready", do="declare a probe")
    return process


def _run(fields: Fields, folder: Path) -> Run | None:
    below = fields.below("run")
    if below is None:
        fields.wrong("run is missing", do=_MOST_RULES)
        return None
    chosen = [key for key in _RUNS if below.has(key)]
    if len(chosen) != 1:
        below.wrong(f"{' and '.join(chosen)} exclude each other" if chosen else "run is empty", do=_MOST_RULES)
        return None
    value = below.text(chosen[0], required=True)
    run: Run | None = None
    match chosen[0]:
        case "python":
            run = PythonFile(_file(below, "python", value, folder))
        case "program":
            run = Program(_file(below, "program", value, folder))
        case "tool":
            run = Tool(value, below.text("called"))
        case _:
            run = _stand_in(below, value)
    below.done()
    return run


def _file(fields: Fields, key: str, name: str, folder: Path) -> Path:
    file = (folder / name).resolve()
    if name and not file.is_file():
        fields.wrong(f"{name}: file not found in {folder}", key)
    return file


def _stand_in(fields: Fields, name: str) -> StandIn | None:
    match name:
        case "http":
            return HttpStub(tuple(_route(each) for each in fields.each("routes")))
        case "s3":
            return ObjectStore(
                fields.text("accessKey", required=True),
                fields.text("secretKey", required=True),
                fields.texts("buckets"),
                fields.text("region") or "us-east-1",
            )
        case "registry":
            return Registry()
    if name:
        fields.wrong(f"standIn: {name!r} is not valid", "standIn", do=did_you_mean(name, _STAND_INS))
    return None


def _route(fields: Fields) -> Route:
    path = fields.text("path", required=True)
    if path and not path.startswith("/"):
        fields.wrong(f"path: {path!r} does not begin with /", "path")
    route = Route(
        path,
        fields.text("method") or "GET",
        fields.integer("status", least=100) or 200,
        fields.text("body"),
        fields.text("contentType") or "text/plain; charset=utf-8",
        fields.seconds("delay") or 0.0,
    )
    fields.done()
    return route


def _probes(fields: Fields) -> tuple[Probe, ...]:
    found = []
    for each in fields.each("probes"):
        found.append(Probe(each.text("port", required=True), each.text("path")))
        each.done()
    return tuple(found)


def named(fields: Fields, key: str, *, required: bool = False) -> tuple[str, str] | None:
    """A namespace and a name, written with a slash between them."""
    text = fields.text(key, required=required)
    namespace, slash, name = text.partition("/")
    if text and not (slash and namespace and name and "/" not in name):
        fields.wrong(f"{key}: expected NAMESPACE/NAME, got {text!r}", key)
        return None
    return (namespace, name) if text else None


def _account(fields: Fields) -> ServiceAccount | None:
    found = named(fields, "serviceAccount")
    return ServiceAccount(*found) if found else None


def _names(fields: Fields) -> dict[ServiceName, str]:
    return {
        parsed: purpose
        for text, purpose in fields.text_map("names").items()
        if (parsed := _service(fields, text, "names", text)) is not None
    }


def _service(fields: Fields, text: str, *path: str | int) -> ServiceName | None:
    try:
        return ServiceName.parse(text)
    except DataError as error:
        fields.wrong(error.what, *path, do=error.do)
        return None


def _webhooks(fields: Fields) -> Webhooks | None:
    below = fields.below("webhooks")
    if below is None:
        return None
    services = [_service(below, text, "services", index) for index, text in enumerate(below.texts("services"))]
    found = Webhooks(below.text("port", required=True), tuple(each for each in services if each is not None))
    below.done()
    return found


def _stands_for(fields: Fields) -> tuple[StandsFor, ...]:
    found = []
    for each in fields.each("standsFor"):
        kinds = ("Deployment", "StatefulSet", "DaemonSet")
        kind = each.text("kind", required=True, choices=kinds)
        found.append(StandsFor(kind, each.text("namespace", required=True), each.text("name", required=True)))
        each.done()
    return tuple(found)
