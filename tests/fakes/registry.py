"""A scriptable OCI registry over real HTTP on loopback: what a push must not be fooled by.

It stores like distribution does: a blob once its digest is right, a manifest once its blobs are there, a tag with it.
`faults` are misfortunes of requests to come; each is used up by the next request that it fits. It may want TLS, and a
user's name and password, or tokens that a server of its own gives for them.
"""

import base64
import contextlib
import hashlib
import json
import socket
import ssl
import struct
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Fault:
    """One request's misfortune.

    `how`: "status" (answers `status`, and does nothing), "reset" (after half of a body, before anything is done),
    "lost" (done, but the connection is reset before the answer), "headers" (done, with `headers` over the registry's
    own), "body" (likewise, and answers `body`), "cut" (answers, and hangs up in the middle of the body), "silent"
    (nothing at all, until the registry is closed). It befalls the first request that fits after `after` others did.
    """

    how: str
    method: str = ""  # empty fits all
    path: str = ""  # a part of the path; empty fits all
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    after: int = 0

    def fits(self, method: str, path: str) -> bool:
        return self.method in ("", method) and self.path in path


class FakeRegistry:
    """Serves from `__enter__` to `__exit__`; `requests` are (method, path without query) in order of arrival."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        users: Mapping[str, str] | None = None,
        tokens: "FakeTokens | None" = None,
        name: str = "127.0.0.1",
    ) -> None:
        self.tls, self.users, self.tokens, self.name = tls, users, tokens, name
        self.authorizations: list[str | None] = []  # of each request
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.bodies: list[bytes] = []
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], bytes] = {}  # by repository, and tag or digest
        self.sessions: set[str] = set()
        self.closed = threading.Event()
        self._server: ThreadingHTTPServer | None = None

    @property
    def host(self) -> str:
        assert self._server is not None
        return f"{self.name}:{self._server.server_address[1]}"

    @property
    def port(self) -> int:
        return int(self.host.rpartition(":")[2])

    def methods(self) -> list[str]:
        return [method for method, _ in self.requests]

    def tags(self, repository: str) -> set[str]:
        return {reference for name, reference in self.manifests if name == repository and ":" not in reference}

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"fake": self})
        self._server = _listening(handler, self.tls)
        threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes
    fake: FakeRegistry

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        path = urlsplit(self.path).path
        self.fake.requests.append((self.command, path))
        self.fake.authorizations.append(self.headers.get("Authorization"))
        fault = self._fault(path)
        length = int(self.headers.get("Content-Length") or 0)
        if fault is not None and fault.how == "reset":
            self.rfile.read(length // 2)
            self._reset()
            return
        body = self.rfile.read(length)
        if fault is not None and fault.how == "silent":
            self.close_connection = True
            self.fake.closed.wait()
            return
        self.fake.bodies.append(body)
        if fault is not None and fault.how == "status":
            self._send(fault.status, fault.headers, fault.body)
            return
        status, headers, answer = self._challenge(path) or self._answer(path, body)
        if fault is not None and fault.how == "lost":
            self._reset()
        elif fault is not None and fault.how == "cut":
            self._send(status, {"Content-Length": str(len(answer))} | headers, answer[: len(answer) // 2])
            self._reset()
        elif fault is not None:
            self._send(status, headers | fault.headers, fault.body if fault.how == "body" else answer)
        else:
            self._send(status, headers, answer)

    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815

    def _fault(self, path: str) -> Fault | None:
        for fault in self.fake.faults:
            fitting = sum(fault.fits(*request) for request in self.fake.requests)  # this one among them
            if fault.fits(self.command, path) and fitting > fault.after:
                self.fake.faults.remove(fault)
                return fault
        return None

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _challenge(self, path: str) -> tuple[int, dict[str, str], bytes] | None:
        """401 where the registry does not know who asks, or for what."""
        sent = self.headers.get("Authorization", "")
        if self.fake.tokens is not None:
            repository = path.removeprefix("/v2/").partition("/blobs/")[0].partition("/manifests/")[0]
            actions = "pull" if self.command in ("GET", "HEAD") else "pull,push"
            scope = f"repository:{repository}:{actions}" if repository else ""
            if self.fake.tokens.allows(sent.removeprefix("Bearer "), scope):
                return None
            named = f',scope="{scope}"' if scope else ""
            challenge = f'Bearer realm="{self.fake.tokens.realm}",service="fake"{named}'
        elif self.fake.users is not None:
            if sent in {basic(*each) for each in self.fake.users.items()}:
                return None
            challenge = 'Basic realm="Registry"'
        else:
            return None
        return 401, {"WWW-Authenticate": challenge}, _error("UNAUTHORIZED")

    def _answer(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        fake = self.fake
        repository, _, rest = path.removeprefix("/v2/").partition("/blobs/")
        if path == "/v2/":
            return 200, {}, b"{}"
        if rest == "uploads/" and self.command == "POST":
            session = uuid.uuid4().hex
            fake.sessions.add(session)
            scheme = "https" if fake.tls else "http"
            location = f"{scheme}://{self.headers['Host']}/v2/{repository}/blobs/uploads/{session}?_state=sesame"
            return 202, {"Location": location}, b""
        if rest.startswith("uploads/") and self.command == "PUT":
            if rest.removeprefix("uploads/") not in fake.sessions:
                return 404, {}, _error("BLOB_UPLOAD_UNKNOWN")
            digest = parse_qs(urlsplit(self.path).query)["digest"][0]
            if digest != _digest(body):
                return 400, {}, _error("DIGEST_INVALID")
            fake.sessions.remove(rest.removeprefix("uploads/"))
            fake.blobs[digest] = body
            return 201, {"Docker-Content-Digest": digest}, b""
        if rest:
            return _found(fake.blobs.get(rest), "BLOB_UNKNOWN")
        repository, _, reference = path.removeprefix("/v2/").partition("/manifests/")
        if reference and self.command == "PUT":
            document = json.loads(body)
            if any(each["digest"] not in fake.blobs for each in (document["config"], *document["layers"])):
                return 400, {}, _error("MANIFEST_BLOB_UNKNOWN")
            fake.manifests[repository, reference] = fake.manifests[repository, _digest(body)] = body
            return 201, {"Docker-Content-Digest": _digest(body)}, b""
        return _found(fake.manifests.get((repository, reference)), "MANIFEST_UNKNOWN")


class FakeTokens:
    """Gives tokens for one scope each to `users`, to whoever has `identity`, and to nobody's request where `anonymous`.

    `answers` come instead, one after another; `asked` are the requests as (authorization, scope, form).
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None,
        name: str = "127.0.0.1",
        users: Mapping[str, str] | None = None,
        identity: str = "",
        anonymous: bool = False,
    ) -> None:
        self.tls, self.name, self.identity, self.anonymous = tls, name, identity, anonymous
        self.users = users or {}
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.asked: list[tuple[str | None, str, dict[str, str]]] = []
        self._scopes: dict[str, str] = {}  # by token
        self._server: ThreadingHTTPServer | None = None

    @property
    def realm(self) -> str:
        assert self._server is not None
        return f"{'https' if self.tls else 'http'}://{self.name}:{self._server.server_address[1]}/token"

    def allows(self, token: str, scope: str) -> bool:
        return token in self._scopes and self._scopes[token] in (scope, scope.replace(":pull", ":pull,push"))

    def forget(self) -> None:
        """Every token has expired."""
        self._scopes.clear()

    def give(self, sent: str | None, scope: str, form: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        self.asked.append((sent, scope, form))
        if self.answers:
            return self.answers.pop(0)
        known = sent in {basic(*each) for each in self.users.items()}
        known = known or (bool(self.identity) and form.get("refresh_token") == self.identity)
        if not known and (sent or not self.anonymous):
            return 401, {}, _error("UNAUTHORIZED")
        token = f"token-{uuid.uuid4().hex}"
        self._scopes[token] = scope
        return 200, {}, json.dumps({"access_token" if form else "token": token}).encode()

    def __enter__(self) -> Self:
        self._server = _listening(type("Handler", (_TokenHandler,), {"fake": self}), self.tls)
        threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()


class _TokenHandler(BaseHTTPRequestHandler):
    fake: FakeTokens

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        query = parse_qs(urlsplit(self.path).query)
        sent = {key: values[0] for key, values in form.items()}
        scope = sent.get("scope") or query.get("scope", [""])[0]
        status, headers, body = self.fake.give(self.headers.get("Authorization"), scope, sent)
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _serve  # noqa: N815


def basic(user: str, password: str) -> str:
    """The header of HTTP's basic authentication."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _listening(handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if tls is not None:  # the handshake is the handler's, so that one that fails keeps nobody waiting
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server


def _found(data: bytes | None, code: str) -> tuple[int, dict[str, str], bytes]:
    if data is None:
        return 404, {}, _error(code)
    return 200, {"Docker-Content-Digest": _digest(data), "Content-Length": str(len(data))}, data


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _error(code: str) -> bytes:
    problem: dict[str, Any] = {"code": code, "message": code.lower().replace("_", " "), "detail": None}
    return json.dumps({"errors": [problem]}).encode()
