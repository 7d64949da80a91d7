"""A stub of an HTTP service that counts what it is asked: http_stub.py PORT CONTROL_PORT ROUTES [ADDRESS].

ROUTES is a JSON file with a list of {"path", "method", "status", "body", "contentType", "delay"}, all but the path with
a default; "delay" is in seconds. The method `*` is any, the query of a request is not looked at, and what no route is
for is answered with 404. Requests are counted by method and path, those without a route too.

On the control port: GET / says it is there, GET /requests tells the counts as {"GET /healthz": 3}, DELETE /requests
begins anew, GET /routes tells the routes and PUT /routes replaces them. ADDRESS is what both ports listen on: loopback
where none is given, `0.0.0.0` in a pod.
"""

import json
import signal
import socketserver
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

CONTROL_PORT = 8081  # in a pod
_DEFAULTS = {
    "method": "GET",
    "status": 200,
    "body": "",
    "contentType": "text/plain; charset=utf-8",
    "delay": 0.0,
}


class State:
    """Routes and counts; safe for many threads, with the lock held."""

    def __init__(self, routes: list[dict[str, Any]]) -> None:
        self.lock = threading.Lock()
        self.requests: Counter[str] = Counter()
        self.routes = checked(routes)

    def asked(self, method: str, path: str) -> dict[str, Any] | None:
        """Count a request; the route that answers it, the first one that does."""
        with self.lock:
            self.requests[f"{method} {path}"] += 1
            for route in self.routes:
                if route["path"] == path and route["method"] in (method, "*"):
                    return route
        return None


def checked(routes: Any) -> list[dict[str, Any]]:
    """The routes with their defaults. Raises ValueError that says what is wrong."""
    if not isinstance(routes, list):
        raise ValueError("expected a list of routes")  # noqa: TRY004 - told to whoever sent it, as a wrong value
    found = []
    for route in routes:
        if not isinstance(route, dict) or not str(route.get("path", "")).startswith("/"):
            raise ValueError(f"expected a route with a path, got {json.dumps(route)}")
        unknown = sorted(route.keys() - _DEFAULTS.keys() - {"path"})
        if unknown:
            raise ValueError(f"unknown key {unknown[0]!r} in the route for {route['path']}")
        found.append({**_DEFAULTS, **route})
    return found


class Handler(BaseHTTPRequestHandler):
    """What both ports have in common: every method, an answer with its length, and no log on stderr."""

    protocol_version = "HTTP/1.1"
    state: ClassVar[State]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.handle_any
        raise AttributeError(name)

    def handle_any(self) -> None:
        raise NotImplementedError

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, text: str, kind: str = "application/json") -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *words: Any) -> None:
        """Nothing: counts are asked for, and a log of each probe helps nobody."""


class Stub(Handler):
    """The service itself."""

    def handle_any(self) -> None:
        self.body()
        path = urlsplit(self.path).path
        route = self.state.asked(self.command, path)
        if route is None:
            self.answer(404, f"the stub has no route for {self.command} {path}\n", "text/plain; charset=utf-8")
            return
        time.sleep(route["delay"])
        self.answer(route["status"], route["body"], route["contentType"])


class Control(Handler):
    """What is asked of the stub and not of the service."""

    def handle_any(self) -> None:
        sent = self.body()
        with self.state.lock:
            match self.command, self.path:
                case "GET", "/":
                    self.answer(200, "{}")
                case "GET", "/requests":
                    self.answer(200, json.dumps(self.state.requests))
                case "DELETE", "/requests":
                    self.state.requests.clear()
                    self.answer(200, "{}")
                case "GET", "/routes":
                    self.answer(200, json.dumps(self.state.routes))
                case "PUT", "/routes":
                    try:
                        self.state.routes = checked(json.loads(sent))
                    except ValueError as error:
                        self.answer(400, json.dumps({"error": str(error)}))
                    else:
                        self.answer(200, "{}")
                case _:
                    self.answer(404, json.dumps({"error": f"{self.command} {self.path} is not known"}))


class Server(socketserver.ThreadingTCPServer):
    """Without the look-up of its own name that the server of the library begins with, which may take seconds."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


def serve(port: int, control: int, routes: list[dict[str, Any]], address: str = "127.0.0.1") -> None:
    """Serve both ports until the process is ended."""
    state = State(routes)
    servers = []
    for each, kind in ((port, Stub), (control, Control)):
        handler = type(kind.__name__, (kind,), {"state": state})
        servers.append(Server((address, each), handler))
    threading.Thread(target=servers[1].serve_forever, daemon=True).start()
    servers[0].serve_forever()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # which the first process of a container ignores by itself
    serve(int(sys.argv[1]), int(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text(encoding="utf-8")), *sys.argv[4:5])
