"""What comes back over a connection to an API server: answers, streams, and the errors that they are.

Whatever urllib3, ssl and sockets raise becomes one of three errors, so that callers need to ask one question only: may
the same request succeed later (`transient`)?
"""

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from typing import Any, Self

import urllib3

from harness.deadline import Clock
from harness.errors import ClusterError

_TRANSIENT = frozenset({429, 500, 502, 503, 504})
_CHUNK = 1 << 16


class ApiError(ClusterError):
    """The API server answered, and the answer is no. `retry_after` is in seconds, 0 where the server named none."""

    def __init__(self, status: int, reason: str, message: str, *, where: str = "", retry_after: float = 0.0) -> None:
        super().__init__(f"{status} {reason}: {message}" if message else f"{status} {reason}", where=where)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class Unreachable(ClusterError):
    """No connection could be made: nothing was sent, so any request may be tried again."""


class Interrupted(Unreachable):
    """A connection was made, then reset, silent or cut off: whether the request was carried out is unknown."""


def transient(error: BaseException) -> bool:
    """Whether the same request may succeed later without anybody changing anything."""
    return isinstance(error, Unreachable) or (isinstance(error, ApiError) and error.status in _TRANSIENT)


@contextlib.contextmanager
def wire_errors(where: str, server: str = "") -> Iterator[None]:
    """Turn what the libraries raise into Unreachable, Interrupted, or ClusterError for a server of another identity."""
    try:
        yield
    except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
        reason = str(error).rpartition(": ")[2]  # before it, the address of a Python object
        raise Unreachable(f"no connection to {server}: {reason}", where=where) from error
    except urllib3.exceptions.ReadTimeoutError as error:
        raise Interrupted("the server went silent", where=where) from error
    except urllib3.exceptions.SSLError as error:
        if isinstance(error.args[0], ssl.SSLCertVerificationError):
            raise ClusterError(f"is not the server that the kubeconfig names: {error}", where=where) from error
        raise Interrupted(f"the connection broke: {error}", where=where) from error
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise Interrupted(f"the connection broke: {error}", where=where) from error


def read_body(response: urllib3.BaseHTTPResponse, until: float, where: str, clock: Clock) -> bytes:
    """The whole body, or Interrupted at `until` on `clock`: each byte that drips in renews a read timeout."""
    chunks: list[bytes] = []
    try:
        with wire_errors(where):
            while chunk := response.read1(_CHUNK):
                chunks.append(chunk)
                if clock() > until:
                    raise Interrupted("no complete response in time", where=where)
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return b"".join(chunks)


def api_error(response: urllib3.BaseHTTPResponse, body: bytes, where: str) -> ApiError:
    """The error that a non-2xx answer is; proxies and half-started servers send text instead of a Status object."""
    try:
        status = json.loads(body)
    except ValueError:
        status = None
    if not isinstance(status, dict):
        status = {"message": body.decode(errors="replace").strip()[:500]}
    wait = response.headers.get("Retry-After", "")
    return ApiError(
        response.status,
        str(status.get("reason") or response.reason or ""),
        str(status.get("message") or ""),
        where=where,
        retry_after=float(wait) if wait.isdecimal() else 0.0,
    )


class Watch:
    """One WATCH stream: iterate for (type, object), bookmarks among them; `close` ends it from any thread at once.

    A stream that the server ends is exhausted. Raises ApiError for an ERROR event (410: list again), Interrupted for
    a reset, a cut-off event, or a stream that is still open `seconds` after it began, when the server should long have
    ended it: it is dead or dripping.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse, *, where: str, seconds: float, clock: Clock) -> None:
        self._response = response
        self._where = where
        self._clock = clock
        self._until = clock() + seconds
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        pending = b""
        try:
            while chunk := self._read():
                *lines, pending = (pending + chunk).split(b"\n")
                for line in filter(None, lines):
                    yield self._decode(line)
                if self._clock() > self._until:
                    raise Interrupted("the stream outlived its timeout", where=self._where)
            if pending.strip() and not self._closed.is_set():
                raise Interrupted("the stream was cut off within an event", where=self._where)
        finally:
            self._response.close()

    def close(self) -> None:
        self._closed.set()
        # Closing would wait for the reader's lock; shutting the socket down wakes the reader, who then closes.
        with contextlib.suppress(ValueError, TypeError, OSError):  # read to its end already, or just now
            self._response.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._response.close()

    def _read(self) -> bytes:
        """Some bytes; none at the end, be it the server's or ours: what a closed TLS socket still yields is noise."""
        try:
            with wire_errors(self._where):
                chunk = self._response.read1(_CHUNK)
        except Interrupted:
            if not self._closed.is_set():
                raise
        return b"" if self._closed.is_set() else chunk

    def _decode(self, line: bytes) -> tuple[str, dict[str, Any]]:
        try:
            event = json.loads(line)
            kind, item = str(event["type"]), dict(event["object"])
            if kind != "ERROR":
                _ = item["metadata"]["resourceVersion"]
        except (ValueError, KeyError, TypeError) as error:
            raise Interrupted("an event is not what it should be", where=self._where) from error
        if kind == "ERROR":
            code, reason, message = item.get("code") or 500, item.get("reason") or "", item.get("message") or ""
            raise ApiError(int(code), str(reason), str(message), where=self._where)
        return kind, item
