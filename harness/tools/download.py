"""Files over HTTP, within bounds of time and size; an attempt that broke off is gone on with, not begun anew.

What came is not believed: the caller compares its checksum. No request has credentials, so no redirect passes any on.
"""

import hashlib
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from harness.deadline import MONOTONIC, Clock, Deadline
from harness.errors import ToolError
from harness.retrying import retry_after, retrying
from harness.tools.hosts import Hosts

MOST_BYTES = 512 * 2**20  # the largest release file of the field, a Kubernetes server bundle, is below this
LONGEST_PAUSE = 60.0  # that a server may ask for between two attempts
LOOPBACK = "127.0.0.1"
_CHUNK = 256 * 1024
_PASSING = {408, 429}  # and 5xx
_PARTIAL = 206

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Patience:
    """Bounds of a download, in seconds: one read, all of it, and the first pause (each next one twice as long).

    One that gets fewer than `slowest` bytes per second over `window` seconds is given up: building is faster.
    """

    read: float = 15.0
    total: float = 600.0
    delay: float = 1.0
    attempts: int = 4
    most_bytes: int = MOST_BYTES
    slowest: int = 150_000
    window: float = 20.0
    telling: float = 10.0  # between two steps of progress

    @classmethod
    def of(cls, total: float, *, may_build: bool) -> "Patience":
        """With this many seconds in all. Where nothing is built instead, slow is better than nothing."""
        return cls(total=total) if may_build else cls(total=total, slowest=0)


class _Passing(ToolError):
    """A failure that may be gone on the next attempt: the server's own, or the connection's."""

    def __init__(self, what: str, do: str = "", *, after: float = 0.0) -> None:
        super().__init__(what, do=do)
        self.after = after


class _Unanswered(_Passing):
    """There was no answer at all."""


class Pace:
    """How a file comes, held to the bounds of a Patience; in words: how much of how much, and how fast.

    `what` is its name in errors, `expected` its size, 0 where nobody knows, `before` what came in earlier attempts.
    """

    def __init__(
        self, downloads: "Downloader", what: str, deadline: Deadline, tell: Tell, *, expected: int, before: int = 0
    ) -> None:
        self.size = before
        self._what, self._expected, self._before = what, expected, before
        self._patience, self._clock, self._cancelled = downloads.patience, downloads.clock, downloads.cancelled
        self._deadline, self._tell = deadline, tell
        self._begun = self._told = self._window = self._clock()
        self._size_then = before

    def came(self, count: int) -> None:
        """So many bytes more. Raises ToolError where that is too many, too late or too slow, and once it is stopped."""
        self.size += count
        patience, now = self._patience, self._clock()
        if self.size > patience.most_bytes:
            raise ToolError(f"{self._what}: more than {patience.most_bytes} bytes; the download was ended")
        if self._deadline.expired:
            came = f"only {self.size} of {self._expected or '?'} bytes came"
            raise ToolError(f"{self._what}: {came} within {self._deadline.budget:g} s")
        if self._cancelled.is_set():
            raise ToolError("the preparation was stopped")
        if now - self._window >= patience.window:
            speed = (self.size - self._size_then) / (now - self._window)
            if speed < patience.slowest:
                raise ToolError(f"{self._what}: too slow: {speed / 1000:.1f} kB/s; the download was ended")
            self._window, self._size_then = now, self.size
        if now - self._told >= patience.telling:
            self._tell(f"downloading: {self}")
            self._told = now

    def __str__(self) -> str:
        seconds = self._clock() - self._begun
        speed = f", {(self.size - self._before) / seconds / 1e6:.1f} MB/s" if seconds >= 0.1 else ""
        of = f" of {self._expected / 1e6:.1f}" if self._expected > self.size else ""
        return f"{self.size / 1e6:.1f}{of} MB{speed}"


@dataclass
class _Partial:
    """What came so far of one file, over all attempts. `tag` names the version of the file that it is a part of."""

    target: Path
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    size: int = 0
    tag: str = ""

    def begin_anew(self) -> None:
        self.target.unlink(missing_ok=True)
        self.digest, self.size = hashlib.sha256(), 0


class Downloader:
    """Fetches files for one run; setting `cancelled` ends what it does. Safe to use from many threads."""

    def __init__(
        self, patience: Patience, *, cancelled: threading.Event, hosts: Hosts | None = None, clock: Clock = MONOTONIC
    ) -> None:
        self.patience = patience
        self.hosts = hosts or Hosts()
        self.cancelled = cancelled
        self.clock = clock

    def fetch(self, url: str, target: Path, tell: Tell) -> str:
        """Download `url` into `target`; returns the sha256 of what came. Raises ToolError.

        Passing failures are tried again with growing pauses, or after what the server asks for; a 404 is final.
        """
        self.hosts.require(url)
        partial, deadline = _Partial(target), Deadline.after(self.patience.total, clock=self.clock)

        def pause(seconds: float) -> None:
            tell(f"waiting {seconds:.0f} s before the next attempt")
            self.clock.wait(self.cancelled, seconds)

        again = retrying(
            self.patience,
            lambda error: isinstance(error, _Passing),
            cancelled=self.cancelled,
            asked=lambda error: getattr(error, "after", 0.0),
            sleep=pause,
        )
        try:
            again(self._attempt, url, partial, deadline, tell)
        except _Unanswered as error:
            self.hosts.give_up(url, error.what)
            raise
        return partial.digest.hexdigest()

    def _attempt(self, url: str, partial: _Partial, deadline: Deadline, tell: Tell) -> None:
        request = urllib.request.Request(url)  # noqa: S310 - https, or http on this machine: acceptable()
        if partial.size and partial.tag:
            request.add_header("Range", f"bytes={partial.size}-")
            request.add_header("If-Range", partial.tag)
        with self._open(request, min(self.patience.read, deadline.remaining)) as response:
            begins = f"bytes {partial.size}-"
            if response.status != _PARTIAL or not response.headers.get("Content-Range", "").startswith(begins):
                if response.status == _PARTIAL:
                    partial.tag = ""  # or the next attempt would get the same answer
                    raise _Passing(f"{url}: the server answers with another part of the file than was asked for")
                partial.begin_anew()
                partial.tag = _strong(response.headers.get("ETag", ""))
            self._receive(url, response, partial, deadline, tell)

    def _receive(self, url: str, response: HTTPResponse, partial: _Partial, deadline: Deadline, tell: Tell) -> None:
        expected = partial.size + int(response.headers.get("Content-Length") or 0)
        pace = Pace(self, url, deadline, tell, expected=expected, before=partial.size)
        with partial.target.open("ab") as file:
            while chunk := _read(url, response):
                partial.size += len(chunk)
                pace.came(len(chunk))
                partial.digest.update(chunk)
                file.write(chunk)
        if partial.size < expected:
            raise _Passing(f"{url}: truncated: {partial.size} of {expected} bytes came")
        tell(f"downloaded {pace}")

    def _open(self, request: urllib.request.Request, timeout: float) -> HTTPResponse:
        url = request.full_url
        proxies = urllib.request.ProxyHandler({} if urlsplit(url).hostname == LOOPBACK else None)
        opener = urllib.request.build_opener(proxies, _GuardedRedirects(self.hosts))
        if timeout <= 0:
            raise ToolError(f"{url}: not fetched in time")
        try:
            response: HTTPResponse = opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(url, error) from None
        except (OSError, HTTPException) as error:
            raise _broken(_Unanswered, url, error) from None
        return response


def acceptable(url: str) -> bool:
    """Whether files may come from there: over TLS, or from this machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname == LOOPBACK))


class _GuardedRedirects(urllib.request.HTTPRedirectHandler):
    """A release page may send us on, but not to an address that settings could not have named, or that is dead."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if not acceptable(newurl):
            fp.close()
            raise ToolError(f"{req.full_url}: redirects to {newurl}, which is not an https:// address")
        try:
            self._hosts.require(newurl)
        except ToolError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refusal(url: str, error: urllib.error.HTTPError) -> ToolError:
    what = f"{url}: the server answers {error.code} {error.reason}"
    if error.code < 500 and error.code not in _PASSING:
        return ToolError(what)
    after = retry_after(dict(error.headers), time.time())
    if after > LONGEST_PAUSE:
        return ToolError(f"{what}, and asks for a pause of {after:.0f} s")
    return _Passing(what, after=after)


def _read(url: str, response: HTTPResponse) -> bytes:
    try:
        return response.read1(_CHUNK)  # returns what one receive brings: a trickle cannot outlast the deadline
    except (OSError, HTTPException) as error:
        raise _broken(_Passing, url, error) from None


def _broken(kind: type[_Passing], url: str, error: Exception) -> ToolError:
    reason = getattr(error, "reason", error)
    return kind(f"{url}: {reason or type(reason).__name__}", do="see whether this machine reaches that address")


def _strong(tag: str) -> str:
    """An entity tag that promises the same bytes; weak ones do not."""
    return tag if tag.startswith('"') else ""
