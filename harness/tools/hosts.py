"""Which servers answer: each is tried once in a run, and one that did not answer is not asked again.

A machine without a network must not wait for every tool anew, and one that drops packets sees neither names resolved
nor connections refused: so the first contact with a server (name, connection and TLS together) has one short bound.
"""

import base64
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from harness.errors import ToolError
from harness.formats.addresses import on_this_machine

CONTACT_SECONDS = 2.5  # long enough for a SYN that is sent again; two in a row, by a redirect, are 5 s


class Unreachable(ToolError):
    """A server did not answer; `host` is its name."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"{host} is not reachable: {reason}", do="see whether this machine reaches that server")
        self.host, self.reason = host, reason


@dataclass(frozen=True)
class _Contact:
    reason: "Future[str]"  # why the server does not answer; empty where it does
    begun: float


class Hosts:
    """The servers of one run. `seconds` bound the first contact with each. Safe to use from many threads."""

    def __init__(self, seconds: float = CONTACT_SECONDS) -> None:
        self._seconds = seconds
        self._contacts: dict[str, _Contact] = {}
        self._lock = threading.Lock()

    def contact(self, urls: Iterable[str]) -> None:
        """Begin to contact the servers of these addresses, all at once, where that has not begun yet."""
        for url in urls:
            parts = urlsplit(url)
            with self._lock:
                if parts.netloc in self._contacts:
                    continue
                contact = self._contacts[parts.netloc] = _Contact(Future(), time.monotonic())
            threading.Thread(target=self._try, args=(parts, contact), name="contact", daemon=True).start()

    def require(self, url: str) -> None:
        """Return once the server of an address has answered. Raises Unreachable, at once where it is known."""
        self.contact([url])
        host = urlsplit(url).netloc
        contact = self._contacts[host]
        try:
            reason = contact.reason.result(max(0.0, contact.begun + self._seconds - time.monotonic()))
        except TooLate:
            reason = f"no answer within {self._seconds:g} s"
            self.give_up(url, reason)
        if reason:
            raise Unreachable(host.rpartition("@")[2], reason)

    def give_up(self, url: str, reason: str) -> None:
        """The server of this address is not asked again."""
        given_up: Future[str] = Future()
        given_up.set_result(reason)
        with self._lock:
            self._contacts[urlsplit(url).netloc] = _Contact(given_up, time.monotonic())

    def _try(self, parts: SplitResult, contact: _Contact) -> None:
        try:
            _connect(parts, self._seconds)
        except (OSError, ValueError, HTTPException) as error:
            contact.reason.set_result(getattr(error, "strerror", None) or str(error) or type(error).__name__)
        else:
            contact.reason.set_result("")


def _connect(parts: SplitResult, seconds: float) -> None:
    """Connect to a server and shake hands, through the proxy that leads there if there is one. Raises OSError."""
    host, timeout = parts.hostname or "", seconds
    if parts.scheme == "http":  # on this machine only: download.acceptable
        socket.create_connection((host, parts.port or 80), timeout).close()
        return
    port, context = parts.port or 443, ssl.create_default_context()
    proxy = "" if on_this_machine(parts.geturl()) or proxy_bypass(host) else getproxies().get("https", "")
    if proxy:
        there = urlsplit(proxy if "://" in proxy else f"//{proxy}")
        connection = HTTPSConnection(there.hostname or "", there.port or 80, timeout=timeout, context=context)
        connection.set_tunnel(host, port, _authorization(there))
    else:
        connection = HTTPSConnection(host, port, timeout=timeout, context=context)
    with closing(connection):
        connection.connect()


def _authorization(proxy: SplitResult) -> dict[str, str]:
    """For a proxy whose address has a name and a password, as urllib sends them."""
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
