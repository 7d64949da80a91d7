"""A forward proxy that leads the names of Services to ports of this machine: forward_proxy.py PORT ROUTES.

ROUTES is a JSON file: {"trainer.platform:9091": 12345}, name, namespace and port of a Service to a port of loopback.
Absolute requests and CONNECT are led there; any other name is answered with 503, whose reason says the name, because
Go tells of a refused CONNECT nothing else. GET / of the proxy itself tells, as JSON, which names were asked for in
vain, and how often.

A client may use one connection for requests to several names, so each is closed with its answer.
"""

import asyncio
import http
import json
import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

_SERVICE = re.compile(r"([a-z0-9-]+\.[a-z0-9-]+)(\.svc(\.cluster\.local)?)?")
_LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|::1")
_LONGEST_HEAD = 1 << 20
_HOP_BY_HOP = (b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive")


class Proxy:
    """Serves connections, one after another and many at once; `undeclared` counts names that lead nowhere."""

    def __init__(self, routes: Mapping[str, int]) -> None:
        self.routes = routes
        self.undeclared: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                await self._answer(reader, writer)
            except (ValueError, asyncio.LimitOverrunError):
                await _say(writer, 400, "the request is not understood by the forward proxy of the suite")
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *headers = head[:-4].split(b"\r\n")
        method, target, version = first.decode("latin-1").split(" ")
        if target.startswith("/"):
            await _say(writer, 200, "OK", json.dumps({"undeclared": self.undeclared}), "application/json")
            return
        connect = method == "CONNECT"
        url = urlsplit(f"//{target}" if connect else target)
        asked = f"{url.hostname or ''}:{url.port or (443 if url.scheme == 'https' or connect else 80)}"
        port = self._port(asked)
        if port is None:
            await _say(writer, 503, self._refusal(asked))
            return
        try:
            up, down = await asyncio.open_connection("127.0.0.1", port, limit=_LONGEST_HEAD)
        except OSError:
            await _say(writer, 502, f"{asked} leads to 127.0.0.1:{port}, where no process listens")
            return
        try:
            if connect:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = url._replace(scheme="", netloc="", fragment="").geturl() or "/"
                path = path if path.startswith("/") else f"/{path}"
                down.write(_request(f"{method} {path} {version}".encode("latin-1"), headers))
            await _both_ways(reader, writer, up, down, _pump if connect else _answered)
        finally:
            down.close()

    def _port(self, asked: str) -> int | None:
        host, _, port = asked.rpartition(":")
        found = _SERVICE.fullmatch(host.lower().rstrip("."))
        return self.routes.get(f"{found[1]}:{port}") if found else None

    def _refusal(self, asked: str) -> str:
        host, _, _ = asked.rpartition(":")
        if _LOOPBACK.fullmatch(host):
            return f"{asked} is on this machine: it is reached without the proxy (no_proxy)"
        self.undeclared[asked] += 1
        sys.stdout.write(f"{asked} was asked for, which no process of the suite declares\n")
        sys.stdout.flush()
        declared = ", ".join(sorted(self.routes)) or "none"
        return f"{asked} is not declared: add it to the names of a process of the suite (declared: {declared})"


def _request(line: bytes, headers: list[bytes]) -> bytes:
    """As the server itself is asked; a change of protocol (Upgrade) keeps the headers that it needs."""
    upgrade = any(header.lower().startswith(b"upgrade:") for header in headers)
    return b"\r\n".join([line, *(headers if upgrade else _closing(headers)), b"", b""])


def _closing(headers: list[bytes]) -> list[bytes]:
    """The same headers for a connection that ends with this message."""
    kept = [header for header in headers if header.partition(b":")[0].strip().lower() not in _HOP_BY_HOP]
    return [*kept, b"Connection: close"]


async def _answered(up: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The answer of a server. The client is told that the connection is closed, which not every server says."""
    while True:
        head = await up.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if status == http.HTTPStatus.SWITCHING_PROTOCOLS or status >= http.HTTPStatus.OK:
            break
        writer.write(head)  # 100 Continue: the answer is still to come
    if status != http.HTTPStatus.SWITCHING_PROTOCOLS:
        line, *headers = head[:-4].split(b"\r\n")
        head = b"\r\n".join([line, *_closing(headers), b"", b""])
    writer.write(head)
    await _pump(up, writer)


async def _both_ways(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    up: asyncio.StreamReader,
    down: asyncio.StreamWriter,
    back: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> None:
    """Until the server has said all, by way of `back`; what the client has to say ends with that."""
    sending = asyncio.create_task(_pump(reader, down))
    try:
        await back(up, writer)
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError, ConnectionError):
            await sending


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(1 << 16):
        sink.write(data)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()


async def _say(writer: asyncio.StreamWriter, status: int, reason: str, body: str = "", kind: str = "") -> None:
    text, kind = (body or f"{reason}\n").encode(), kind or "text/plain"
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\nConnection: close"
    writer.write(head.encode("latin-1", "replace") + b"\r\n\r\n" + text)
    await writer.drain()


async def main(port: int, routes: Mapping[str, int]) -> None:
    server = await asyncio.start_server(Proxy(routes).serve, "127.0.0.1", port, limit=_LONGEST_HEAD)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))))
