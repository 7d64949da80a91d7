"""Operations of ours on processes of this machine: what they ask, what they wait for, what they say."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, cast

import pytest

from harness.deadline import Deadline
from harness.endtoend.acting import Acting
from harness.endtoend.processes.declared import HttpStub, Process, Registry
from harness.endtoend.processes.supervised import Processes
from harness.processes.ports import free_ports
from harness.processes.service import ServiceDied
from harness.settings import Retries
from harness.suites.model import Own
from harness.suites.running.failures import NotJudged, OperationFailed
from harness.suites.running.scope import Scope
from harness.suites.running.situation import Situation

STUB, REGISTRY = Process("stub", HttpStub()), Process("registry", Registry())
ONCE = Retries(attempts=1, delay="1ms")  # type: ignore[arg-type]  # parsed
BLOB = b"a checkpoint"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"digest": digest(BLOB), "size": len(BLOB), "mediaType": "a/b"},
        "layers": [{"digest": digest(BLOB), "size": len(BLOB), "mediaType": "a/b"}],
    }
).encode()


class Answers(BaseHTTPRequestHandler):
    """Answers by path, and remembers what was asked."""

    answers: ClassVar[dict[str, tuple[int, bytes]]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        status, content = self.answers.get(self.path, (404, b"{}"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - the name is that of the library

    def log_message(self, *_: object) -> None:
        """Nothing."""


class FakeProcesses:
    """One port for all purposes; remembers what is done to processes."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.done: list[str] = []
        self.death: ServiceDied | None = None

    def ports(self, name: str) -> Mapping[str, int]:
        return {"http": self.port, "control": self.port}

    def check(self) -> None:
        if self.death is not None:
            raise self.death

    def __getattr__(self, verb: str) -> Any:
        return lambda name: self.done.append(f"{verb} {name}")


@pytest.fixture
def processes() -> Iterator[FakeProcesses]:
    Answers.answers, Answers.asked = {}, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield FakeProcesses(server.server_port)
    server.shutdown()
    server.server_close()


class Waiting:
    """A situation of which only the time is asked; the pauses change what is answered."""

    def __init__(self, after: Mapping[str, tuple[int, bytes]] | None = None) -> None:
        self.after = after or {}

    def within(self, seconds: float) -> Deadline:
        return Deadline.after(seconds)

    def pause(self, seconds: float) -> None:
        Answers.answers |= self.after


def act(
    processes: FakeProcesses | None, verb: str, *, after: Any = None, timeout: float = 0.1, **arguments: Any
) -> str:
    own = Own(verb, {"process": "stub", **arguments})
    acting = Acting((STUB, REGISTRY), cast(Processes, processes), ONCE)
    return acting.carry(own, Scope({"d": digest(MANIFEST)}), cast(Situation, Waiting(after)), timeout)


def test_ready_is_who_listens_on_its_ports(processes: FakeProcesses) -> None:
    """A stub has two; a step that ended it is the reason, whoever listens there."""
    acting = Acting((STUB, REGISTRY), cast(Processes, processes), ONCE)

    def carried(verb: str) -> str:
        situation = cast(Situation, Waiting(None))
        return acting.carry(Own(verb, {"process": "stub"}), Scope({}), situation, 0.1)

    assert carried("ready") == "stub is ready"
    carried("pause")
    with pytest.raises(OperationFailed, match="stub was paused by a step"):
        carried("ready")
    carried("resume")
    assert carried("ready") == "stub is ready"
    processes.port = free_ports(1, set())[0]
    with pytest.raises(OperationFailed, match=r"stub is not ready: .*refused"):
        carried("ready")


HTTP: dict[str, Any] = {"port": "http", "path": "/a", "method": "GET", "body": "", "status": 200, "contains": "yes"}


@pytest.mark.parametrize("verb", ["kill", "stop", "start", "restart", "pause", "resume"])
def test_processes_are_told(processes: FakeProcesses, verb: str) -> None:
    """Each verb is what its process is told."""
    act(processes, verb)
    assert processes.done == [f"{verb} stub"]


def test_an_answer_is_waited_for(processes: FakeProcesses) -> None:
    """Until it is as it is wanted."""
    Answers.answers["/a"] = (503, b"")
    said = act(processes, "http", after={"/a": (200, b"yes")}, timeout=30.0, **HTTP)
    assert said == "stub answers 200 to GET /a"


@pytest.mark.parametrize(
    ("answer", "said"),
    [((503, b"no"), "answers 503 to GET /a, expected 200: no"), ((200, b"no"), "without 'yes': no")],
)
def test_another_answer_is_red(processes: FakeProcesses, answer: tuple[int, bytes], said: str) -> None:
    """With what was answered."""
    Answers.answers["/a"] = answer
    with pytest.raises(OperationFailed, match=said):
        act(processes, "http", **HTTP)


def test_requests_are_counted(processes: FakeProcesses) -> None:
    """At least as many are waited for; more than at most are red at once."""
    Answers.answers["/requests"] = (200, b'{"GET /healthz": 3}')
    wanted: dict[str, Any] = {"method": "GET", "path": "/healthz"}
    assert act(processes, "requests", **wanted, at_least=3, at_most=None) == "stub was asked GET /healthz 3 times"
    with pytest.raises(OperationFailed, match="expected at least 4"):
        act(processes, "requests", **wanted, at_least=4, at_most=None)
    with pytest.raises(OperationFailed, match="3 times, at most 2 are allowed"):
        act(processes, "requests", timeout=300.0, **wanted, at_least=None, at_most=2)
    with pytest.raises(OperationFailed, match="0 times, expected at least 1"):
        act(processes, "requests", method="GET", path="/other", at_least=1, at_most=None)


def registry(manifest: bytes = MANIFEST, blob: bytes = BLOB) -> None:
    for reference in (digest(MANIFEST), "latest"):
        Answers.answers[f"/v2/models/manifests/{reference}"] = (200, manifest)
    Answers.answers[f"/v2/models/blobs/{digest(BLOB)}"] = (200, blob)


ARTIFACT: dict[str, Any] = {"process": "registry", "repository": "models"}


@pytest.mark.parametrize("reference", ["($d)", "latest"])
def test_an_artifact_is_read_back(processes: FakeProcesses, reference: str) -> None:
    """By digest, which may come from a binding, or by tag; with every blob."""
    registry()
    assert digest(MANIFEST) in act(processes, "artifact", **ARTIFACT, reference=reference)
    assert f"GET /v2/models/blobs/{digest(BLOB)}" in Answers.asked


def test_an_artifact_that_is_not_there_is_red(processes: FakeProcesses) -> None:
    """The registry says so."""
    with pytest.raises(OperationFailed, match="404"):
        act(processes, "artifact", **ARTIFACT, reference="latest")


@pytest.mark.parametrize(
    ("manifest", "blob"), [(MANIFEST + b" ", BLOB), (MANIFEST, b"another one"), (b'{"layers": []}', BLOB)]
)
def test_an_artifact_of_other_bytes_is_red(processes: FakeProcesses, manifest: bytes, blob: bytes) -> None:
    """Whether it is the manifest or a blob; one without a layer has nothing in it."""
    registry(manifest, blob)
    with pytest.raises(OperationFailed):
        act(processes, "artifact", **ARTIFACT, reference="($d)")


def test_a_process_that_stands_for_a_workload_has_to_answer(processes: FakeProcesses) -> None:
    """Its death is the cause, and is told as such."""
    assert act(processes, "ready") == "stub is ready"


def test_on_another_runtime_nothing_is_judged() -> None:
    """There are no processes of this machine."""
    with pytest.raises(NotJudged):
        act(None, "kill")
