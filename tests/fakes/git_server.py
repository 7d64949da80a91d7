"""A Git server on loopback: git's own http-backend, which may ask who one is, and go wrong as it is told."""

import os
import subprocess
from base64 import b64encode
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self
from urllib.parse import urlsplit

GIT = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "PATH": os.environ["PATH"]}


def git(*words: str, cwd: Path | None = None, **environment: str) -> str:
    """What git answers, without anybody's configuration."""
    done = subprocess.run(
        ["git", *words], cwd=cwd, env=GIT | environment, check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


class GitServer:
    """Serves what is below `root`. `credentials` ("user:password") are asked of everybody; `seen` are the requests, as
    (method, path, authorization). `wrong` answers in its place: a status for a path, or None.
    """

    def __init__(self, root: Path, *, credentials: str = "", hook: str = "") -> None:
        self.root, self.credentials, self.hook = root, credentials, hook
        self.seen: list[tuple[str, str, str]] = []
        self.wrong: Callable[[str], int | None] = lambda path: None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.host = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def repository(self, name: str) -> Path:
        """A bare repository that takes pushes."""
        directory = self.root / f"{name}.git"
        git("init", "--quiet", "--bare", str(directory))
        git("config", "http.receivepack", "true", cwd=directory)
        if self.hook:
            (directory / "hooks" / "pre-receive").write_text(self.hook)
            (directory / "hooks" / "pre-receive").chmod(0o755)
        return directory

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def _answer(self) -> None:
                given = self.headers.get("Authorization", "")
                server.seen.append((self.command, self.path, given))
                wanted = b64encode(server.credentials.encode()).decode()
                status = server.wrong(self.path)
                if status is None and server.credentials and given != f"Basic {wanted}":
                    status = 401
                if status is not None:
                    self.send_response(status)
                    self.send_header("WWW-Authenticate", 'Basic realm="git"')
                    self.end_headers()
                    return
                self._backend()

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def _backend(self) -> None:
                parts, body = urlsplit(self.path), self._body()
                environment = {
                    "GIT_PROJECT_ROOT": str(server.root),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "REQUEST_METHOD": self.command,
                    "PATH_INFO": parts.path,
                    "QUERY_STRING": parts.query,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "CONTENT_LENGTH": str(len(body)),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                    "REMOTE_USER": "somebody",
                    "REMOTE_ADDR": "127.0.0.1",
                }
                done = subprocess.run(
                    ["git", "http-backend"], input=body, env=GIT | environment, capture_output=True, timeout=60
                )
                head, _, content = done.stdout.partition(b"\r\n\r\n")
                fields = [line.partition(": ") for line in head.decode().split("\r\n") if line]
                status = next((int(value.split()[0]) for key, _, value in fields if key == "Status"), 200)
                self.send_response(status)
                for key, _, value in fields:
                    if key != "Status":
                        self.send_header(key, value)
                self.end_headers()
                self.wfile.write(content)

        return Handler
