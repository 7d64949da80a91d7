"""A connection to an OCI registry: requests, what their failures mean, and when to try again.

Whatever urllib3 and sockets raise becomes a RegistryError, so that callers need to ask one question only: may the same
request succeed later (`transient`)? Refused are plain HTTP to other machines, redirects, proxies of the environment,
and credentials anywhere.
"""

import json
import threading
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar
from urllib.parse import urljoin, urlsplit

import tenacity
import urllib3
from tenacity.nap import sleep_using_event

from harness.errors import HarnessError, RegistryUnreachable, SettingsError
from harness.formats.addresses import _is_loopback
from harness.settings import Retries

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 30.0  # of a registry that was asked something

_REMEDIES = dict.fromkeys((401, 403), "the harness has no credentials to offer: take a registry that asks for none")

P = ParamSpec("P")
T = TypeVar("T")


class RegistryError(HarnessError):
    """The registry says no, or not what it should say. `status` is that of its answer, 0 where HTTP is not to blame."""

    def __init__(self, what: str, *, where: str, do: str = "", status: int = 0) -> None:
        super().__init__(what, where=where, do=do)
        self.status = status


class NoConnection(RegistryError, RegistryUnreachable):
    """No connection, or one that broke before the answer was complete."""


def transient(error: BaseException) -> bool:
    """Whether the same request may succeed later without anybody changing anything."""
    if isinstance(error, RegistryError):
        return isinstance(error, NoConnection) or error.status == 429 or error.status >= 500
    return False


class Connection:
    """To the registry at `host` ("localhost:5500"). Setting `cancelled` ends the pauses between attempts."""

    def __init__(self, host: str, retries: Retries, *, plain_http: bool, cancelled: threading.Event) -> None:
        address, port = _address(host, plain_http=plain_http)
        self._host = host
        self._origin = f"{'http' if plain_http else 'https'}://{host}"
        self._retries = retries
        self._cancelled = cancelled
        pool = urllib3.HTTPConnectionPool if plain_http else urllib3.HTTPSConnectionPool
        self._pool = pool(address, port, retries=False)  # ours are; and no redirects: what is pushed stays here

    def again(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `work`, several times where that may help; pauses double. Raises the last error."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(transient),
            stop=tenacity.stop_after_attempt(self._retries.attempts) | tenacity.stop_when_event_set(self._cancelled),
            wait=tenacity.wait_exponential(multiplier=self._retries.delay),
            sleep=sleep_using_event(self._cancelled),
            reraise=True,
        )
        return retrying(work, *args, **kwargs)

    def ask(
        self,
        method: str,
        target: str,
        *,
        expect: tuple[int, ...] = (200,),
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """One request, one answer with its body read; `seconds` bound each silence, by default SILENCE_SECONDS.

        Raises RegistryError for a status that is not among `expect`.
        """
        silence = SILENCE_SECONDS if seconds is None else seconds
        where = self.where(method, target)
        try:
            answer = self._pool.request(
                method,
                target,
                body=body,
                headers={"Host": self._host, **(headers or {})},
                timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, silence), read=silence),
            )
        except urllib3.exceptions.SSLError as error:
            raise RegistryError(f"does not speak TLS as it should: {_reason(error)}", where=where) from error
        except urllib3.exceptions.HTTPError as error:
            raise NoConnection(
                f"the registry cannot be reached: {_reason(error)}",
                where=where,
                do=f"see whether the registry runs at {self._host}, and what its log says",
            ) from error
        if answer.status in expect:
            return answer
        words = f"the registry answers {answer.status} {answer.reason or ''}".rstrip()
        message = _message(answer.data)
        raise RegistryError(
            f"{words}: {message}" if message else words,
            where=where,
            do=_REMEDIES.get(answer.status, ""),
            status=answer.status,
        )

    def follow(self, answer: urllib3.BaseHTTPResponse, target: str) -> str:
        """The Location of an answer to `target`, as path and query. Raises RegistryError for another server's."""
        parts = urlsplit(urljoin(self._origin + target, answer.headers.get("Location", "")))
        if f"{parts.scheme}://{parts.netloc}" != self._origin:
            raise RegistryError(
                f"sends uploads to another server, {parts.hostname}",
                where=self.where("POST", target),
                do=f"configure the registry to be called {self._origin}, or to answer with relative addresses",
            )
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def where(self, method: str, target: str) -> str:
        """A request in words, without its query, which holds the token of an upload."""
        return f"{method} {self._origin}{target.partition('?')[0]}"


def _address(host: str, *, plain_http: bool) -> tuple[str, int | None]:
    """What to connect to: for localhost IPv4, since ::1 may be somebody else. Raises SettingsError."""
    try:
        parts = urlsplit(f"//{host}")
        name, port = parts.hostname, parts.port
    except ValueError:
        parts, name, port = urlsplit(""), None, None
    if not name or parts.netloc != host or "@" in host:
        shown = repr(host.rpartition("@")[2])
        raise SettingsError("is not the address of a registry", where=shown, do="write host:port, and nothing else")
    if plain_http and not _is_loopback(name):
        raise SettingsError("plain HTTP is for a registry on this machine only", where=repr(host), do="use HTTPS")
    return "127.0.0.1" if name == "localhost" else name, port


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    """What the system said; urllib3's own text has addresses of Python objects in it."""
    cause = error.__cause__ if error.__cause__ is not None else error
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def _message(body: bytes) -> str:
    """The registry's own words, out of {"errors": [{"code", "message", "detail"}]}."""
    try:
        first = json.loads(body)["errors"][0]
        return f"{first['code']}: {first.get('message', '')}"[:300]
    except (ValueError, LookupError, TypeError, AttributeError):
        return body.decode(errors="replace").strip()[:300]
