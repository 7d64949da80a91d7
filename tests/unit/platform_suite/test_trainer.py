"""The trainer of the sample suite: when a checkpoint is due, what is in it, and that the registry has it by digest."""

import hashlib
import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from kwok.suites.platform.programs import trainer

CONFIGURATION: dict[str, Any] = {
    "baseModel": "psnr",
    "algorithm": "online-sgd-ema",
    "outputRegistry": "registry:5000/models",
    "intervalSeconds": 10,
    "minSamples": 2,
}


def fed(*scores: float) -> trainer.Training:
    """A training with samples."""
    training = trainer.Training(dict(CONFIGURATION))
    for number, score in enumerate(scores):
        training.take(f"job-{number}", score)
    return training


def test_a_checkpoint_is_due_at_the_least_number_of_samples() -> None:
    """Not with one sample of two, and never without a configuration."""
    assert not fed(30.0).due(0)
    assert fed(30.0, 31.0).due(0)
    unconfigured = trainer.Training()
    unconfigured.take("job", 30.0)
    assert not unconfigured.due(0)


def test_the_interval_lies_between_two_pushes() -> None:
    """After a push, whatever came of it, the next is due when the interval has passed and a sample came."""
    training = fed(30.0, 31.0)
    training.tried(100)

    assert not training.due(109)
    assert training.due(110)
    training.saved(2, "sha256:1", "now")
    assert not training.due(200)
    training.take("another", 32.0)
    assert training.due(200)


def test_the_average_moves_by_a_tenth() -> None:
    """The first sample is the average, the second moves it by a tenth of the difference."""
    assert json.loads(fed(30.0, 31.0).layer()) == {
        "algorithm": "online-sgd-ema",
        "average": 30.1,
        "baseModel": "psnr",
        "samples": 2,
    }


def test_the_same_samples_give_the_same_digest() -> None:
    """A checkpoint depends on nothing but its configuration and its samples."""
    digests = {trainer.digest_of(trainer.manifest_of(fed(*scores).layer())) for scores in [(30.0, 31.0), (30.0, 31.0)]}

    assert len(digests) == 1
    assert trainer.digest_of(trainer.manifest_of(fed(30.0, 32.0).layer())) not in digests


def test_the_status_names_phase_and_samples() -> None:
    """Initializing until it is configured, Running afterwards."""
    assert trainer.Training().status()["phase"] == "Initializing"
    status = fed(30.0).status()
    assert (status["phase"], status["currentSamples"], status["modelVersion"]) == ("Running", 1, "")


def test_the_same_configuration_keeps_the_samples() -> None:
    """The operator may send it again; another one begins anew."""
    one = trainer.Trainer()
    one.put(CONFIGURATION)
    one.post({"job": "tiny", "score": 31.23})

    assert one.put(CONFIGURATION)["currentSamples"] == 1
    assert one.put({**CONFIGURATION, "minSamples": 3})["currentSamples"] == 0


def test_a_job_counts_once() -> None:
    """The operator may give a sample again, for example after it was restarted."""
    one = trainer.Trainer()
    one.put(CONFIGURATION)
    one.post({"job": "tiny", "score": 31.23})

    again = one.post({"job": "tiny", "score": 10.0})

    assert (again["jobs"], again["currentSamples"]) == (["tiny"], 1)


@pytest.mark.parametrize(
    "body", [[], {}, {"job": "a", "score": "31.23"}, {"job": "a", "score": True}, {"score": 31.23}]
)
def test_a_sample_without_a_number_is_refused(body: Any) -> None:
    """A sample has a score that is a number."""
    with pytest.raises(trainer.BadRequest, match="expected"):
        trainer.Trainer().post(body)


def test_an_incomplete_configuration_is_refused() -> None:
    """The error names what is missing."""
    with pytest.raises(trainer.BadRequest, match="missing: algorithm, minSamples"):
        trainer.configured({k: v for k, v in CONFIGURATION.items() if k not in ("algorithm", "minSamples")})


class Registry(http.server.BaseHTTPRequestHandler):
    """A registry that takes blobs and manifests where their digests are right; it answers with paths, as some do."""

    content: ClassVar[dict[str, bytes]] = {}

    def do_POST(self) -> None:
        self._answer(202, "/v2/models/blobs/uploads/1?state=a")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        parts = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(parts.query)
        digest = query["digest"][0] if query else parts.path.rpartition("/")[2]
        right = digest == f"sha256:{hashlib.sha256(body).hexdigest()}" and (not query or query["state"] == ["a"])
        if right:
            self.content[digest] = body
        self._answer(201 if right else 400, "")

    def _answer(self, status: int, location: str) -> None:
        self.send_response(status)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, dict[str, bytes]]]:
    """A repository on loopback, and what it holds by digest."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Registry, "content", {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}/models", Registry.content
        server.shutdown()


def test_the_registry_has_the_checkpoint_by_digest(registry: tuple[str, dict[str, bytes]]) -> None:
    """The manifest is there under the digest that is returned, and names blobs that are there."""
    reference, content = registry

    digest = trainer.Repository(reference).push(b"weights")

    manifest = json.loads(content[digest])
    assert content[manifest["layers"][0]["digest"]] == b"weights"
    assert content[manifest["config"]["digest"]] == b"{}"
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"


def test_a_registry_that_is_not_there_is_told() -> None:
    """The error names the request and the reason."""
    with pytest.raises(
        trainer.CannotPush, match=r"POST http://127\.0\.0\.1:1/v2/models/blobs/uploads/: Connection refused"
    ):
        trainer.Repository("127.0.0.1:1/models").push(b"weights")
