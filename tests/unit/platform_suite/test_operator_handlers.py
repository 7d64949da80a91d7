"""What the operator of the sample suite does: it asks an API server, a node and a trainer, all of them on loopback."""

import asyncio
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import kopf
import pytest

from kwok.suites.platform.programs import scoring_operator as operator
from kwok.suites.platform.programs import trainer

JOB: dict[str, Any] = {
    "apiVersion": "scoring.example.com/v1",
    "kind": "ScoringJob",
    "metadata": {"name": "tiny", "namespace": "platform", "uid": "u-1"},
    "spec": {"reference": "file:///inputs/ref.yuv", "distorted": "file:///inputs/dist.yuv"},
}
TRAINING: dict[str, Any] = {
    "metadata": {"name": "online", "namespace": "platform"},
    "spec": {"baseModel": "psnr", "algorithm": "online-sgd-ema", "outputRegistry": "registry:5000/models"},
}


class FakeApi(operator.Api):
    """Notes what is asked of the API server; `refuses` is its answer to every POST."""

    def __init__(self, refuses: operator.Refused | None = None) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self._refuses = refuses

    async def call(self, method: str, path: str, body: operator.Object | None = None) -> None:
        self.asked.append((method, path.rpartition("/namespaces/platform/")[2], body))
        if method == "POST" and self._refuses is not None:
            raise self._refuses


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """The API server of the operator; no proxy leads anywhere."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    fake = FakeApi()
    monkeypatch.setattr(operator, "api", fake, raising=False)
    return fake


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server on loopback."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def asked(what: Any, *arguments: Any) -> None:
    """Runs one function of the loops, in a session of its own."""

    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            await what(session, *arguments)

    asyncio.run(run())


def made(job: dict[str, Any]) -> None:
    handler: Any = operator.make_pod  # kopf gives handlers more arguments than this one reads
    body: Any = job
    asyncio.run(handler(body=kopf.Body(body), name="tiny"))


def test_a_job_gets_its_pod(api: FakeApi) -> None:
    """One Pod is created, and nothing else is asked."""
    made(JOB)

    [(method, path, pod)] = api.asked
    assert (method, path, pod["metadata"]["name"]) == ("POST", "pods", "tiny-worker")


def test_a_job_that_ended_gets_none(api: FakeApi) -> None:
    """After a restart of the operator a job with a result is left alone."""
    made({**JOB, "status": {"phase": "Succeeded", "score": 1.5}})

    assert api.asked == []


def test_a_pod_that_is_there_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A conflict means that the Pod was made before."""
    api = FakeApi(operator.Refused(409, "already exists"))
    monkeypatch.setattr(operator, "api", api, raising=False)

    made(JOB)

    assert len(api.asked) == 1


def test_a_refusal_is_in_the_message_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a rule of the Role is missing, the job says so in the words of the API server."""
    api = FakeApi(operator.Refused(403, "pods is forbidden"))
    monkeypatch.setattr(operator, "api", api, raising=False)

    with pytest.raises(kopf.TemporaryError, match="pods is forbidden"):
        made(JOB)

    method, path, body = api.asked[-1]
    assert (method, path) == ("PATCH", "scoringjobs/tiny/status")
    assert body == {"status": {"phase": "Pending", "message": "Pod not created: pods is forbidden"}}


class Health(http.server.BaseHTTPRequestHandler):
    """200 to /healthz, 404 to all else."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("path", "healthy", "message"),
    [("/healthz", True, ""), ("/other", False, "/other answered 404"), (None, False, "annotation")],
)
def test_a_node_is_as_its_address_answers(api: FakeApi, path: str | None, healthy: bool, message: str) -> None:
    """The status follows the answer of the annotated address; without the annotation the message says so."""
    with serving(Health) as address:
        annotations = {operator.HEALTH_URL: address + path} if path else {}
        asked(operator.probe_node, {"metadata": {"name": "stub", "annotations": annotations}})

    [(_, where, body)] = api.asked
    assert where == "scoringnodes/stub/status"
    assert body["status"]["healthy"] is healthy
    assert message in body["status"]["message"]
    assert ("lastHeartbeat" in body["status"]) is healthy


def test_a_node_that_is_gone_is_unhealthy(api: FakeApi) -> None:
    """Nobody listens: the reason is in the message."""
    node = {"metadata": {"name": "stub", "annotations": {operator.HEALTH_URL: "http://127.0.0.1:1/healthz"}}}
    asked(operator.probe_node, node)

    status = api.asked[0][2]["status"]
    assert status["healthy"] is False
    assert "127.0.0.1:1" in status["message"]


def driven(api: FakeApi, address: str, monkeypatch: pytest.MonkeyPatch, jobs: list[dict[str, Any]]) -> Any:
    """The status of the training after one round."""
    monkeypatch.setattr(operator, "TRAINER", address)

    async def drive(session: aiohttp.ClientSession) -> None:
        index: Any = {job["metadata"]["name"]: [job] for job in jobs}
        await operator.drive_trainer(index, session, TRAINING)

    asked(drive)
    return api.asked[-1][2]["status"]


def test_a_trainer_is_configured_and_fed_once(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first round sends the spec and the score of the job, a second one sends nothing again."""
    one = trainer.Trainer()
    scored = {**JOB, "status": {"phase": "Succeeded", "score": 31.23}}
    with serving(type("Bound", (trainer.Handler,), {"trainer": one})) as address:
        for _ in range(2):
            status = driven(api, address, monkeypatch, [scored, {**JOB, "metadata": {"name": "b", "uid": "u-2"}}])
            assert status == {"phase": "Running", "currentSamples": 1, "message": ""}

    assert one.training.configuration == operator.configuration_of(TRAINING)
    assert one.training.jobs == {"u-1"}


def test_a_trainer_that_is_not_there_is_told(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """The training is initializing, and its message has the address."""
    status = driven(api, "http://127.0.0.1:1", monkeypatch, [])

    assert status["phase"] == "Initializing"
    assert "127.0.0.1:1" in status["message"]
