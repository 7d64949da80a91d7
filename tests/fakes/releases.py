"""A server of release files on the loopback address, which gives each request the next answer of a script."""

import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


def content(body: bytes, *, announced: int | None = None, code: int = 200, **headers: str) -> Answer:
    """This body; `announced` is a Content-Length that may lie. In names of headers `_` stands for a hyphen."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body) if announced is None else announced))
        request.end_headers()
        request.wfile.write(body)

    return answer


def status(code: int, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in {**headers, "Content-Length": "0"}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()

    return answer


def trickle(then: Callable[[], object]) -> Answer:
    """A byte, then something happens, and another one: never all of them."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        for _ in range(600):
            request.wfile.write(b"x")
            request.wfile.flush()
            then()

    return answer


def silence(request: BaseHTTPRequestHandler) -> None:
    """Until the client hangs up."""
    request.rfile.read()


class ReleaseServer:
    """Gives the n-th request the n-th answer, and the last one to those that follow."""

    def __init__(self, *answers: Answer) -> None:
        self.requests = 0
        self.headers: list[dict[str, str]] = []  # of each request
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                try:
                    answers[min(outer.requests, len(answers)) - 1](self)
                except ConnectionError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/frob"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def serving(*answers: Answer) -> Iterator[ReleaseServer]:
    server = ReleaseServer(*answers)
    try:
        yield server
    finally:
        server.close()


def tar(**members: bytes | tarfile.TarInfo) -> bytes:
    """A .tar.gz; a name's `__` is a slash."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, body in members.items():
            if isinstance(body, tarfile.TarInfo):
                archive.addfile(body)
            else:
                info = tarfile.TarInfo(name.replace("__", "/"))
                info.size = len(body)
                archive.addfile(info, io.BytesIO(body))
    return buffer.getvalue()
