"""Trains a model on scores, and pushes its checkpoints to a registry. The operator configures it and mirrors /status.

    trainer.py [--port 9091] [--address 0.0.0.0]

    PUT  /training   {"baseModel", "algorithm", "outputRegistry", "intervalSeconds", "minSamples"}
    POST /samples    {"job": "...", "score": 31.23}; a job counts once
    GET  /status     {"phase", "training", "jobs", "currentSamples", "modelVersion", "lastCheckpoint", "message"}
    GET  /healthz    ok

A checkpoint is due when a sample came since the last one, minSamples are there, and the interval has passed. It is an
OCI artifact of one layer, pushed over HTTP; `modelVersion` is the digest of its manifest, which is also its only name.
"""

import argparse
import datetime as dt
import hashlib
import json
import logging
import signal
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOG = logging.getLogger("trainer")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT = "application/vnd.example.scoring.checkpoint.v1+json"
EMPTY = b"{}"  # the config of an artifact without one (OCI image specification, "empty descriptor")
RATE = 0.1  # of the moving average
TIMEOUT = 30.0  # seconds, of one request


def digest_of(content: bytes) -> str:
    """The digest as registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def canonical(value: object) -> bytes:
    """JSON that is the same for the same value, so that the same samples give the same digest."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def manifest_of(layer: bytes) -> bytes:
    """The manifest of an artifact with one layer (OCI image specification 1.1)."""
    return canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": ARTIFACT,
            "config": {
                "mediaType": "application/vnd.oci.empty.v1+json",
                "digest": digest_of(EMPTY),
                "size": len(EMPTY),
            },
            "layers": [{"mediaType": ARTIFACT, "digest": digest_of(layer), "size": len(layer)}],
        }
    )


class BadRequest(Exception):
    """What is wrong with a body, in one sentence."""


class CannotPush(Exception):
    """Why the registry did not take a checkpoint."""


class Repository:
    """One repository of a registry, by the HTTP API of the OCI distribution specification: `host[:port]/path`."""

    def __init__(self, reference: str) -> None:
        host, _, path = reference.partition("/")
        self._base = f"http://{host}/v2/{path}/"

    def push(self, layer: bytes) -> str:
        """Pushes a checkpoint and returns the digest of its manifest. Raises CannotPush."""
        manifest = manifest_of(layer)
        digest = digest_of(manifest)
        for blob in (EMPTY, layer):
            self._blob(blob)
        self._call("PUT", urllib.parse.urljoin(self._base, f"manifests/{digest}"), manifest, MANIFEST)
        return digest

    def _blob(self, content: bytes) -> None:
        begun = self._call("POST", urllib.parse.urljoin(self._base, "blobs/uploads/"), b"")
        place = urllib.parse.urljoin(self._base, begun)  # the registry may answer with a path or an address
        joint = "&" if urllib.parse.urlsplit(place).query else "?"
        digest = urllib.parse.quote(digest_of(content))
        self._call("PUT", f"{place}{joint}digest={digest}", content, "application/octet-stream")

    def _call(self, method: str, url: str, body: bytes, media: str = "") -> str:
        headers = {"Content-Type": media} if media else {}
        request = urllib.request.Request(url, data=body, method=method, headers=headers)  # noqa: S310 - always http
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - likewise
                return str(answer.headers.get("Location", ""))
        except urllib.error.HTTPError as error:
            raise CannotPush(f"{method} {url}: the registry answered {error.code} {error.reason}") from error
        except OSError as error:
            reason = getattr(error, "reason", error)  # urllib wraps the error of the connection
            raise CannotPush(f"{method} {url}: {getattr(reason, 'strerror', None) or reason}") from error


@dataclass
class Training:
    """The state of the training: pure, so times are given to it in seconds of a clock that only goes forward."""

    configuration: dict[str, Any] = field(default_factory=dict)
    jobs: set[str] = field(default_factory=set)  # whose scores were taken
    samples: int = 0
    average: float = 0.0
    version: str = ""
    checkpoint_at: str = ""  # RFC 3339
    message: str = ""
    _saved: int = 0  # samples in the last checkpoint
    _tried: float | None = None

    def take(self, job: str, score: float) -> None:
        """Learns from one sample: the first is the average, a later one moves it. A known job is left out."""
        if job in self.jobs:
            return
        self.jobs.add(job)
        self.average = score if not self.samples else self.average + RATE * (score - self.average)
        self.samples += 1

    def due(self, now: float) -> bool:
        """Whether a checkpoint is to be pushed now."""
        if not self.configuration or self.samples <= self._saved:
            return False
        waited = self._tried is None or now - self._tried >= float(self.configuration["intervalSeconds"])
        return waited and self.samples >= int(self.configuration["minSamples"])

    def layer(self) -> bytes:
        """The checkpoint: the same samples under the same configuration give the same bytes."""
        names = ("baseModel", "algorithm")
        chosen = {name: self.configuration[name] for name in names}
        return canonical({**chosen, "samples": self.samples, "average": round(self.average, 6)})

    def tried(self, now: float) -> None:
        """A push begins: the interval counts from here, whatever comes of it."""
        self._tried = now

    def saved(self, samples: int, version: str, moment: str) -> None:
        """The registry has a checkpoint of `samples` samples."""
        self._saved, self.version, self.checkpoint_at, self.message = samples, version, moment, ""

    def status(self) -> dict[str, object]:
        """What /status answers."""
        return {
            "phase": "Running" if self.configuration else "Initializing",
            "training": self.configuration,
            "jobs": sorted(self.jobs),
            "currentSamples": self.samples,
            "modelVersion": self.version,
            "lastCheckpoint": self.checkpoint_at,
            "message": self.message,
        }


def configured(body: Any) -> dict[str, Any]:
    """The configuration of PUT /training. Raises BadRequest where something is missing."""
    names = ("baseModel", "algorithm", "outputRegistry", "intervalSeconds", "minSamples")
    missing = [name for name in names if not isinstance(body, dict) or name not in body]
    if missing:
        raise BadRequest(f"missing: {', '.join(missing)}")
    return {name: body[name] for name in names}


class Trainer:
    """The training, behind one lock: requests read and feed it, one thread pushes its checkpoints."""

    def __init__(self) -> None:
        self.training = Training()
        self.changed = threading.Condition()

    def put(self, body: Any) -> dict[str, object]:
        """Begins or keeps a training: the same configuration again changes nothing."""
        configuration = configured(body)
        with self.changed:
            if configuration != self.training.configuration:
                self.training = Training(configuration)
            self.changed.notify()
            return self.training.status()

    def post(self, body: Any) -> dict[str, object]:
        """Takes a sample."""
        score = body.get("score") if isinstance(body, dict) else None
        if isinstance(score, bool) or not isinstance(score, int | float) or not isinstance(body.get("job"), str):
            raise BadRequest('expected {"job": ..., "score": number}')
        with self.changed:
            self.training.take(body["job"], float(score))
            self.changed.notify()
            return self.training.status()

    def status(self) -> dict[str, object]:
        with self.changed:
            return self.training.status()

    def push_forever(self) -> None:
        """Pushes each checkpoint when it is due. The registry is never asked under the lock."""
        while True:
            with self.changed:
                while not self.training.due(time.monotonic()):
                    self.changed.wait(timeout=0.5)
                training = self.training
                training.tried(time.monotonic())
                layer, samples = training.layer(), training.samples
            try:
                version = Repository(training.configuration["outputRegistry"]).push(layer)
            except CannotPush as error:
                LOG.warning("checkpoint not pushed: %s", error)
                with self.changed:
                    training.message = str(error)
                continue
            moment = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            LOG.info("checkpoint of %s samples pushed: %s", samples, version)
            with self.changed:
                training.saved(samples, version, moment)


class Handler(BaseHTTPRequestHandler):
    """The routes."""

    trainer: Trainer

    def do_GET(self) -> None:
        match self.path:
            case "/healthz":
                self._answer(HTTPStatus.OK, {"status": "ok"})
            case "/status":
                self._answer(HTTPStatus.OK, self.trainer.status())
            case _:
                self._answer(HTTPStatus.NOT_FOUND, {"message": f"not found: {self.path}"})

    def do_PUT(self) -> None:
        self._change({"/training": self.trainer.put})

    def do_POST(self) -> None:
        self._change({"/samples": self.trainer.post})

    def _change(self, routes: dict[str, Any]) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path not in routes:
            self._answer(HTTPStatus.NOT_FOUND, {"message": f"not found: {self.path}"})
            return
        try:
            self._answer(HTTPStatus.OK, routes[self.path](json.loads(content)))
        except (BadRequest, ValueError) as error:  # ValueError: not JSON
            self._answer(HTTPStatus.BAD_REQUEST, {"message": str(error)})

    def _answer(self, status: HTTPStatus, body: dict[str, object]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name of the base class
        LOG.info(format, *arguments)


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(description="Trains a model on scores, and pushes its checkpoints.")
    parser.add_argument("--port", type=int, default=9091)
    parser.add_argument("--address", default="0.0.0.0")  # noqa: S104 - a Service leads here; a suite gives loopback
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    trainer = Trainer()
    handler = type("Bound", (Handler,), {"trainer": trainer})
    server = ThreadingHTTPServer((given.address, given.port), handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    threading.Thread(target=trainer.push_forever, daemon=True).start()
    LOG.info("listening on %s:%s", *server.server_address[:2])
    with server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
