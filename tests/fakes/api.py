"""A scriptable Kubernetes API server over real HTTP on loopback: what the waiting loop must not be fooled by.

It keeps a history like etcd's: every put and delete gets a revision, LIST answers from any revision that was not
compacted, WATCH replays from any. `fault` queues misbehaviour; each fault is used up by the next request that it fits.
"""

import contextlib
import json
import re
import socket
import struct
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote

from harness.objects import Key, Kind, Object

_ROUTE = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>v[^/]+)(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<subresource>[^/]+))?"
)


@dataclass(frozen=True)
class Fault:
    """One request's misfortune.

    `how`, for any request: "none", "status" (with `status`, `retry_after`); for all but a WATCH: "reset", "silent",
    "garbage" (not JSON), "short" (ends before its Content-Length), "slow" (a byte at a time), "held" (until the test
    says `release`, with what there was when it was asked). For a WATCH, after
    `after` events: "reset", "end" (properly), "cut" (half an event, then the end), "half" (half an event, then only
    half the connection is closed), "silent" (open, but nothing more), "gone" (ERROR 410), "error" (ERROR 500); or for
    all of its events: "twice", "late" (the previous one once more), "swap" (neighbours in the wrong order), "drip" (a
    byte at a time).
    """

    how: str
    verb: str = ""  # LIST, WATCH, GET, POST, PATCH, DELETE; empty fits all
    plural: str = ""  # empty fits all
    after: int = 0
    status: int = 500
    retry_after: str = ""

    def fits(self, verb: str, plural: str) -> bool:
        return self.verb in ("", verb) and self.plural in ("", plural)


@dataclass(frozen=True)
class Entry:
    """One line of the history; `plural` empty is a bookmark for everybody."""

    revision: int
    plural: str
    event: str
    item: dict[str, Any] = field(default_factory=dict)

    def concerns(self, plural: str, revision: int) -> bool:
        """Whether a stream of `plural` that is at `revision` has yet to say this."""
        return self.revision >= revision if not self.plural else self.plural == plural and self.revision > revision


class FakeApi:
    """Serves from `__enter__` to `__exit__`; `requests` are (verb, plural, query) in the order in which they came."""

    def __init__(self, *, page: int = 500, token: str = "", stream_seconds: float = 3600.0) -> None:
        self.page = page
        self.token = token
        self.stream_seconds = stream_seconds
        self.drip_seconds = 0.001
        self.release = threading.Event()  # what is "held"
        self.revision = 1
        self.oldest = 0
        self.documents: dict[str, Any] = {"/version": {"gitVersion": "v1.34.10"}}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[tuple[str, str, str, Any]] = []  # verb, path, content type, JSON
        self.missing: set[str] = set()  # plurals that are no resource here
        self.leaving: set[str] = set()  # plurals whose DELETE answers with the object, as of one on its way out
        self.news = threading.Condition()
        self.stopped = threading.Event()
        self._log: list[Entry] = []
        self._items: dict[str, dict[Key, dict[str, Any]]] = {}
        self._faults: list[Fault] = []
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.connections: set[socket.socket] = set()

    # --- what a test does to it ---

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serve, on the port of last time where there was one."""
        self.stopped.clear()
        self._server = _Server(("127.0.0.1", self.port), self)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True).start()

    def stop(self) -> None:
        """Break every connection and refuse new ones; what is stored stays."""
        self.stopped.set()
        self.release.set()
        with self.news:
            self.news.notify_all()
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def kubeconfig(self, directory: Path, *, token: str = "sesame") -> Path:  # noqa: S107
        file = directory / "kubeconfig"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "contexts": [{"name": "fake", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {"token": token}}],
        }
        file.write_text(json.dumps(document))
        return file

    def put(self, kind: Kind, item: Object, *, namespace: str = "", name: str = "") -> dict[str, Any]:
        """Create or replace; an object that was deleted in between gets a new uid, unless it comes with one."""
        with self.news:
            known = self._items.setdefault(kind.plural, {})
            metadata = dict(item.get("metadata") or {})
            key = (namespace or metadata.get("namespace", ""), name or metadata["name"])
            self.revision += 1
            uid = known[key]["metadata"]["uid"] if key in known else uuid.uuid4().hex
            metadata |= {"name": key[1], "uid": metadata.get("uid", uid), "resourceVersion": str(self.revision)}
            if key[0]:
                metadata["namespace"] = key[0]
            stored = {**item, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
            self._log.append(Entry(self.revision, kind.plural, "MODIFIED" if key in known else "ADDED", stored))
            known[key] = stored
            self.news.notify_all()
            return stored

    def delete(self, kind: Kind, namespace: str, name: str) -> bool:
        with self.news:
            stored = self._items.get(kind.plural, {}).pop((namespace, name), None)
            if stored is None:
                return False
            self.revision += 1
            last = {**stored, "metadata": {**stored["metadata"], "resourceVersion": str(self.revision)}}
            self._log.append(Entry(self.revision, kind.plural, "DELETED", last))
            self.news.notify_all()
            return True

    def bookmark(self) -> None:
        """Tell every open stream how far it is."""
        with self.news:
            self._log.append(Entry(self.revision, "", "BOOKMARK"))
            self.news.notify_all()

    def compact(self) -> None:
        """Forget history: to watch or to go on listing from before now is 410."""
        with self.news:
            self.oldest = self.revision

    def fault(self, *faults: Fault) -> None:
        with self.news:
            self._faults += faults

    def at(self, revision: int, plural: str) -> dict[Key, dict[str, Any]]:
        """What was stored at a revision."""
        items: dict[Key, dict[str, Any]] = {}
        for entry in self._log:
            if entry.plural == plural and entry.revision <= revision:
                metadata = entry.item["metadata"]
                key = (metadata.get("namespace", ""), metadata["name"])
                items[key] = entry.item
                if entry.event == "DELETED":
                    del items[key]
        return items

    def seen(self, verb: str, plural: str = "") -> int:
        """How many requests of that verb there were."""
        return sum(1 for v, p, _ in self.requests if v == verb and plural in ("", p))

    def watched(self, *kinds: Kind) -> bool:
        """Whether each of them was watched at least once."""
        return all(self.seen("WATCH", kind.plural) for kind in kinds)

    # --- what the handlers ask it ---

    def take_fault(self, verb: str, plural: str) -> Fault | None:
        with self.news:
            for fault in self._faults:
                if fault.fits(verb, plural):
                    self._faults.remove(fault)
                    return fault
        return None

    def after(self, revision: int, place: int, plural: str, until: float) -> tuple[list[Entry], int] | None:
        """Entries of a kind after `revision`, from `place` in the log on; waits for some, None at the end."""
        with self.news:
            while not self.stopped.is_set() and time.monotonic() < until:
                fresh = [e for e in self._log[place:] if e.concerns(plural, revision)]
                place = len(self._log)
                if fresh:
                    return fresh, place
                self.news.wait(until - time.monotonic())
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], api: FakeApi) -> None:
        self.api = api
        super().__init__(address, _Handler)

    def shutdown_request(self, request: Any) -> None:
        """Only close: a shutdown before it would make a FIN out of every reset."""
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are what this server is for."""


class _Refusal(Exception):
    def __init__(self, status: int, reason: str, retry_after: str = "") -> None:
        self.status, self.reason, self.retry_after = status, reason, retry_after


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.api = self.server.api
        self.api.connections.add(self.connection)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def finish(self) -> None:
        self.api.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _serve(self) -> None:
        path, _, text = self.path.partition("?")
        query = {key: values[0] for key, values in parse_qs(text).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        route = _ROUTE.fullmatch(path)
        found = route.groupdict(default="") if route else {}
        plural = found.get("plural", "")
        verb = self.command
        if verb == "GET" and plural and not found["name"]:
            verb = "WATCH" if query.get("watch") == "true" else "LIST"
        self.api.requests.append((verb, plural, query))
        if body is not None:
            self.api.bodies.append((verb, path, self.headers.get("Content-Type", ""), body))
        fault = self.api.take_fault(verb, plural)
        try:
            if self.api.token and self.headers.get("Authorization") != f"Bearer {self.api.token}":
                raise _Refusal(401, "Unauthorized")
            if fault is not None and fault.how == "status":
                raise _Refusal(fault.status, "Scripted", fault.retry_after)
            if verb == "WATCH":
                self._watch(plural, query, fault)
            else:
                self._answer(200, self._document(verb, path, plural, found, query, body), fault)
        except _Refusal as refusal:
            status = {"kind": "Status", "code": refusal.status, "reason": refusal.reason, "message": "as told"}
            self._answer(refusal.status, status, None, refusal.retry_after)

    def _document(
        self, verb: str, path: str, plural: str, found: dict[str, str], query: dict[str, str], body: Any
    ) -> Any:
        if path in self.api.documents:
            return self.api.documents[path]
        if not plural or plural in self.api.missing:
            raise _Refusal(404, "NotFound")
        if found["subresource"] == "token":
            return {"status": {"token": "sesame"}}
        if verb == "LIST":
            return self._list(plural, query)
        group, version = found["group"], found["version"]
        kind = Kind(f"{group}/{version}" if group else version, plural, plural)
        key = (unquote(found["namespace"]), unquote(found["name"]) or (body or {}).get("metadata", {}).get("name", ""))
        there = self.api.at(self.api.revision, plural).get(key)
        if verb == "POST" and there is not None:
            raise _Refusal(409, "AlreadyExists")
        if verb in ("GET", "DELETE") and there is None:
            raise _Refusal(404, "NotFound")
        if verb == "GET":
            return there
        if verb == "DELETE":
            self.api.delete(kind, *key)
            return there if plural in self.api.leaving else {"kind": "Status", "status": "Success"}
        return self.api.put(kind, {**(there or {}), **body}, namespace=key[0], name=key[1])

    def _list(self, plural: str, query: dict[str, str]) -> Any:
        start, revision = 0, self.api.revision
        if "continue" in query:
            revision, start = (int(part) for part in query["continue"].split(":"))
        elif query.get("resourceVersionMatch") == "Exact":
            revision = int(query["resourceVersion"])
        if revision < self.api.oldest:
            raise _Refusal(410, "Expired")
        items = sorted(self.api.at(revision, plural).items())
        limit = min(self.api.page, int(query.get("limit") or self.api.page))
        metadata = {"resourceVersion": str(revision)}
        if start + limit < len(items):
            metadata["continue"] = f"{revision}:{start + limit}"
        bare = [{k: v for k, v in item.items() if k not in ("apiVersion", "kind")} for _, item in items]
        return {"kind": "List", "metadata": metadata, "items": bare[start : start + limit]}

    def _answer(self, status: int, document: Any, fault: Fault | None, retry_after: str = "") -> None:
        how = fault.how if fault else ""
        if how == "silent":
            self.api.stopped.wait(3600)
        if how == "held":
            self.api.release.wait(3600)
        if how in ("reset", "silent"):
            self._reset()
            return
        payload = b"<html>" if how == "garbage" else document if isinstance(document, bytes) else _encode(document)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        if how == "short":
            self.wfile.write(payload[: len(payload) // 2])
            self.close_connection = True
        elif how == "slow":
            self._drip(payload)
        else:
            self.wfile.write(payload)

    def _watch(self, plural: str, query: dict[str, str], fault: Fault | None) -> None:
        if plural in self.api.missing:
            raise _Refusal(404, "NotFound")
        revision = int(query["resourceVersion"])
        if revision < self.api.oldest:
            raise _Refusal(410, "Expired")
        how = fault.how if fault else ""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        until = time.monotonic() + min(self.api.stream_seconds, float(query["timeoutSeconds"]))
        left = fault.after if fault else 0
        for entry in self._entries(plural, revision, until, how):
            line = _encode({"type": entry.event, "object": _event(entry)}) + b"\n"
            if how in ("reset", "end", "cut", "half", "silent", "gone", "error"):
                if left == 0:
                    self._end(how, line)
                    return
                left -= 1
            if how == "drip":
                self._drip(line, chunked=True)
            else:
                self._chunk(line)
        self._chunk(b"")

    def _entries(self, plural: str, revision: int, until: float, how: str) -> Iterator[Entry]:
        place = 0
        if how in ("gone", "error", "end", "reset"):  # these need no event to happen before they do
            yield Entry(revision, "", "BOOKMARK")
        previous: Entry | None = None
        while (news := self.api.after(revision, place, plural, until)) is not None:
            entries, place = news
            if how == "swap":
                entries = [e for pair in zip(entries[1::2], entries[::2], strict=False) for e in pair] + (
                    entries[-1:] if len(entries) % 2 else []
                )
            for entry in entries:
                yield entry
                if how == "twice":
                    yield entry
                if how == "late" and previous is not None:
                    yield previous
                previous = entry

    def _end(self, how: str, line: bytes) -> None:
        if how == "silent":
            self.api.stopped.wait(3600)
        if how in ("reset", "silent"):
            self._reset()
        elif how in ("gone", "error"):
            code = 410 if how == "gone" else 500
            status = {"kind": "Status", "code": code, "reason": "Expired" if how == "gone" else "InternalError"}
            self._chunk(_encode({"type": "ERROR", "object": status}) + b"\n")
            self._chunk(b"")
        elif how == "end":
            self._chunk(b"")
        elif how == "cut":
            self._chunk(line[: len(line) // 2])
            self._chunk(b"")
        elif how == "half":
            self._chunk(line[: len(line) // 2])
            self.connection.shutdown(socket.SHUT_WR)
            self.api.stopped.wait(1)
            self.close_connection = True

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _drip(self, data: bytes, *, chunked: bool = False) -> None:
        for byte in data:
            if self.api.stopped.wait(self.api.drip_seconds):
                return
            if chunked:
                self._chunk(bytes([byte]))
            else:
                self.wfile.write(bytes([byte]))

    def _reset(self) -> None:
        """RST instead of FIN: what a killed server or a dropped forwarding rule looks like."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


def _encode(document: Any) -> bytes:
    return json.dumps(document).encode()


def _event(entry: Entry) -> dict[str, Any]:
    return entry.item or {"kind": "Bookmark", "metadata": {"resourceVersion": str(entry.revision)}}
