"""A container engine on a Unix socket, spoken to by the real docker library: what Docker and Podman answer, scripted.

It keeps images as they are listed. A pull takes the next of the `answers` to its reference: an image, an error with the
status of the answer, an error in the stream, or silence until the engine is closed.
"""

import contextlib
import io
import json
import tarfile
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

DOCKER = {"Version": "27.5.1", "ApiVersion": "1.41", "Arch": "amd64", "Components": [{"Name": "Engine"}]}
PODMAN = {"Version": "4.9.3", "ApiVersion": "1.41", "Arch": "amd64", "Components": [{"Name": "Podman Engine"}]}


@dataclass(frozen=True)
class Stored:
    """An image in the engine."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    size: int = 1_000_000
    created: int = 1
    layers: tuple[str, ...] = ("sha256:aa",)
    architecture: str = "amd64"


@dataclass(frozen=True)
class Refused:
    """A pull that fails: with a status of its own, or (0) in the stream after it had begun."""

    message: str
    status: int = 0


SILENCE = object()


class FakeEngine:
    """Serves from `__enter__` to `__exit__`; `calls` are (method, path without version and query) in order."""

    def __init__(self, version: Mapping[str, Any] = DOCKER) -> None:
        self.version = dict(version)
        self.podman = version is PODMAN
        self.images: list[Stored] = []
        self.answers: dict[str, list[Any]] = {}
        self.containers: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.pulled: list[str] = []
        self.at_once = self.most_at_once = 0
        self.gate: threading.Event | None = None  # pulls wait for it
        self.begun = threading.Event()  # a pull is under way
        self.full = threading.Event()  # three pulls are under way
        self.closed = threading.Event()
        self.spoils_load = False  # what is loaded is not what was saved
        self.lock = threading.Lock()
        self._directory = tempfile.TemporaryDirectory()
        self.root = Path(self._directory.name)

    @property
    def socket(self) -> Path:
        return self.root / "engine.sock"

    @property
    def environment(self) -> dict[str, str]:
        return {"DOCKER_HOST": f"unix://{self.socket}"}

    def __enter__(self) -> Self:
        class Server(ThreadingUnixStreamServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Who hung up did so on purpose."""

        self._server = Server(str(self.socket), type("Handler", (_Handler,), {"fake": self}))
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._directory.cleanup()

    def find(self, name: str) -> Stored | None:
        full = _full(name)
        for each in self.images:
            if each.id in (name, f"sha256:{name}") or full in map(_full, each.tags + each.digests):
                return each
        return None

    def retag(self, image: Stored, tag: str) -> None:
        with self.lock:
            kept = [replace(e, tags=tuple(t for t in e.tags if _full(t) != _full(tag))) for e in self.images]
            self.images = [replace(e, tags=(*e.tags, tag)) if e.id == image.id else e for e in kept]

    def put(self, image: Stored) -> None:
        """An image that is pulled or loaded: one of that id keeps its names and gets new ones."""
        known = next((each for each in self.images if each.id == image.id), None)
        if known is None:
            self.images.append(replace(image, tags=()))
        else:
            digests = tuple(dict.fromkeys((*known.digests, *image.digests)))
            self.images = [replace(e, digests=digests) if e is known else e for e in self.images]
        for tag in image.tags:
            self.retag(image, tag)


class _Handler(BaseHTTPRequestHandler):
    fake: FakeEngine
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        return "socket"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives it
        """Say nothing."""

    def do_GET(self) -> None:
        path, query = self._asked()
        if path == "/version":
            self._json(self.fake.version)
        elif path == "/info":
            self._json({"DockerRootDir": str(self.fake.root), "MemTotal": 8 * 2**30})
        elif path == "/images/json":
            self._list(query)
        elif path == "/images/get":
            self._save(query["names"])
        elif path.startswith("/images/"):
            self._inspect(unquote(path.removeprefix("/images/").removesuffix("/json")))
        elif path == "/containers/json":
            self._json([{"Id": name, "Ports": data.get("Ports", [])} for name, data in self.fake.containers.items()])
        elif (name := path.split("/")[2]) in self.fake.containers:
            self._json(self.fake.containers[name]["inspect"])
        else:
            self._json({"message": f"No such container: {name}"}, 404)

    def do_POST(self) -> None:
        path, query = self._asked()
        if path == "/images/create":
            self._pull(query["fromImage"][0], query["tag"][0])
        elif path == "/images/load":
            self._load()
        elif path.endswith("/tag"):
            image = self.fake.find(unquote(path.removeprefix("/images/").removesuffix("/tag")))
            assert image is not None
            self.fake.retag(image, f"{query['repo'][0]}:{query['tag'][0]}")
            self._json({}, 201)
        elif path.endswith("/wait"):
            name = path.split("/")[2]
            if name in self.fake.containers:
                self._json({"StatusCode": self.fake.containers[name]["inspect"]["State"]["ExitCode"]})
            else:
                self._json({"message": f"No such container: {name}"}, 404)

    def _asked(self) -> tuple[str, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        path = parts.path
        if path.startswith("/v1."):
            path = path[path.index("/", 1) :]
        self.fake.calls.append((self.command, path))
        return path, parse_qs(parts.query)

    def _list(self, query: dict[str, list[str]]) -> None:
        label = json.loads(query.get("filters", ["{}"])[0]).get("label", [""])[0]
        found = [each for each in self.fake.images if not label or label in each.labels]
        self._json(
            [
                {
                    "Id": each.id.removeprefix("sha256:") if self.fake.podman else each.id,
                    "RepoTags": list(each.tags) or (None if self.fake.podman else ["<none>:<none>"]),
                    "RepoDigests": list(each.digests) or None,
                    "Labels": None if self.fake.podman else dict(each.labels),
                    "Size": each.size,
                    "Created": each.created,
                }
                for each in found
            ]
        )

    def _inspect(self, name: str) -> None:
        found = self.fake.find(name)
        if found is None:
            self._json({"message": f"No such image: {name}"}, 404)
            return
        self._json(
            {
                "Id": found.id,
                "RepoTags": list(found.tags),
                "RepoDigests": list(found.digests),
                "Config": {"Labels": dict(found.labels)},
                "Size": found.size,
                "Created": "2026-01-01T00:00:00Z",
                "RootFS": {"Layers": list(found.layers)},
                "Architecture": found.architecture,
            }
        )

    def _pull(self, repository: str, tag: str) -> None:
        reference = f"{repository}{'@' if tag.startswith('sha256:') else ':'}{tag}"
        with self.fake.lock:
            self.fake.pulled.append(reference)
            self.fake.at_once += 1
            self.fake.most_at_once = max(self.fake.most_at_once, self.fake.at_once)
            self.fake.begun.set()
            if self.fake.at_once == 3:
                self.fake.full.set()
            answers = self.fake.answers.get(reference)
            answer = answers.pop(0) if answers else Refused("manifest unknown", 404)
        try:
            if self.fake.gate is not None:
                self.fake.gate.wait(5)
            self._answer(answer)
        finally:
            with self.fake.lock:
                self.fake.at_once -= 1

    def _answer(self, answer: Any) -> None:
        if isinstance(answer, Refused) and answer.status:
            self._json({"message": answer.message}, answer.status)
            return
        lines: list[dict[str, Any]] = [
            {"status": "Pulling fs layer", "id": "l1"},
            {"status": "Downloading", "id": "l1", "progressDetail": {"current": 1_000_000, "total": 4_000_000}},
            {"status": "Downloading", "id": "l2", "progressDetail": {"current": 2_000_000, "total": 2_000_000}},
        ]
        if isinstance(answer, Stored):
            lines.append({"status": "Pull complete", "id": "l1", "progressDetail": {}})
            self.fake.put(answer)
        elif isinstance(answer, Refused):
            lines.append({"errorDetail": {"message": answer.message}, "error": answer.message})
        self._begin()
        for line in lines:
            self._chunk(json.dumps(line).encode() + b"\n")
        if answer is SILENCE:
            self.fake.closed.wait(5)
        self._chunk(b"")

    def _save(self, names: list[str]) -> None:
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w") as archive:
            for number, name in enumerate(names):
                found = self.fake.find(name)
                assert found is not None
                kept = replace(found, tags=(name,), digests=())
                content = json.dumps(kept.__dict__).encode()
                member = tarfile.TarInfo(f"{number}.json")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        self._begin()
        self._chunk(made.getvalue())
        self._chunk(b"")

    def _load(self) -> None:
        if length := self.headers.get("Content-Length"):
            body = self.rfile.read(int(length))
        else:
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            for member in archive.getmembers():
                if member.name[0].isdigit():
                    data = json.load(archive.extractfile(member) or io.BytesIO())
                    read: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
                    image = Stored(**read)
                    if self.fake.spoils_load:
                        image = replace(image, id="sha256:" + "e" * 64, layers=("sha256:ee",))
                    self.fake.put(image)
        self._begin()
        self._chunk(json.dumps({"stream": "Loaded"}).encode())
        self._chunk(b"")

    def _json(self, data: Any, status: int = 200) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _begin(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, content: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
            self.wfile.flush()


def _full(name: str) -> str:
    """As engines complete a name; only as far as the tests need it."""
    first = name.partition("/")[0]
    if "/" not in name:
        return f"docker.io/library/{name}"
    return name if "." in first or ":" in first else f"docker.io/{name}"
