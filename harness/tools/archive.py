"""Official release files: fetched within bounds of time and size, believed only with their pinned checksum.

Nothing is unpacked, or even opened as an archive, before its sha256 was compared. Out of an archive comes one named
member, whose bytes are copied; no path in an archive is ever followed.
"""

import hashlib
import shutil
import tarfile
import threading
import urllib.error
import urllib.request
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from harness.deadline import MONOTONIC, Clock, Deadline
from harness.errors import SettingsError, ToolError
from harness.retrying import retrying
from harness.settings import Archive, Pin

MOST_BYTES = 512 * 2**20  # the largest release file of the field, a Kubernetes server bundle, is below this
_CHUNK = 256 * 1024
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Patience:
    """Bounds of a download, in seconds: one read, all of it, and the first pause (each next one twice as long)."""

    read: float = 30.0
    total: float = 600.0
    delay: float = 1.0
    attempts: int = 4
    most_bytes: int = MOST_BYTES


class _Passing(ToolError):
    """A failure that may be gone on the next attempt: the server's own (5xx), or the connection's."""


def check(pins: Mapping[str, Pin]) -> None:
    """Raises SettingsError where an archive's address is neither https:// nor http:// on the loopback address."""
    for name, pin in pins.items():
        for platform, archive in pin.archives.items():
            if not acceptable(archive.url):
                raise SettingsError(
                    f"{archive.url!r} is not an https:// address",
                    where=f"tools.pins.{name}.archives.{platform}.url",
                    do=f"write an https:// address (http:// is for {_LOOPBACK} only)",
                )


def acceptable(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname == _LOOPBACK)
    )


def fetch(
    archive: Archive,
    program: Path,
    work: Path,
    *,
    patience: Patience,
    cancelled: threading.Event,
    clock: Clock = MONOTONIC,
) -> None:
    """Download into `work`, verify, and write the program. ToolError says what is wrong; `program` is then not there.

    5xx and connection errors are tried again with growing pauses, 404 and a wrong checksum are not.
    """
    download = work / "download"
    deadline = Deadline.after(patience.total, clock=clock)

    def pause(seconds: float) -> None:
        clock.wait(cancelled, seconds)

    again = retrying(patience, lambda error: isinstance(error, _Passing), cancelled=cancelled, sleep=pause)
    digest = again(_download, archive.url, download, patience, deadline, cancelled)
    if digest != archive.sha256:
        raise ToolError(
            f"{archive.url}: wrong checksum: sha256 is {digest}, settings say {archive.sha256}; nothing was unpacked",
            do="compare with the checksum that the project publishes; do not use this file",
        )
    if archive.member:
        _extract(download, archive, program, patience.most_bytes)
    else:
        download.rename(program)


def _download(url: str, target: Path, patience: Patience, deadline: Deadline, cancelled: threading.Event) -> str:
    """One attempt; returns the sha256 of what came."""
    digest, size = hashlib.sha256(), 0
    with _open(url, min(patience.read, deadline.remaining)) as response, target.open("wb") as file:
        announced = int(response.headers.get("Content-Length") or 0)
        while chunk := _read(url, response):
            size += len(chunk)
            if size > patience.most_bytes:
                raise ToolError(f"{url}: more than {patience.most_bytes} bytes; the download was ended")
            if deadline.expired:
                raise ToolError(f"{url}: only {size} of {announced or '?'} bytes came within {deadline.budget:g} s")
            if cancelled.is_set():
                raise ToolError("the preparation was stopped")
            digest.update(chunk)
            file.write(chunk)
    if size < announced:
        raise _Passing(f"{url}: truncated: {size} of {announced} bytes came")
    return digest.hexdigest()


def _open(url: str, timeout: float) -> HTTPResponse:
    proxies = urllib.request.ProxyHandler({} if urlsplit(url).hostname == _LOOPBACK else None)
    opener = urllib.request.build_opener(proxies, _GuardedRedirects)
    if timeout <= 0:
        raise ToolError(f"{url}: not fetched in time")
    try:
        response: HTTPResponse = opener.open(url, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            kind = _Passing if error.code >= 500 else ToolError
            raise kind(f"{url}: the server answers {error.code} {error.reason}") from None
    except (OSError, HTTPException) as error:
        raise _broken(url, error) from None
    return response


def _read(url: str, response: HTTPResponse) -> bytes:
    try:
        return response.read1(_CHUNK)  # returns what one receive brings: a trickle cannot outlast the deadline
    except (OSError, HTTPException) as error:
        raise _broken(url, error) from None


def _broken(url: str, error: Exception) -> ToolError:
    reason = getattr(error, "reason", error)
    return _Passing(f"{url}: {reason or type(reason).__name__}", do="see whether this machine reaches that address")


class _GuardedRedirects(urllib.request.HTTPRedirectHandler):
    """A release page may send us on, but not to an address that settings could not have named."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if not acceptable(newurl):
            fp.close()
            raise ToolError(f"{req.full_url}: redirects to {newurl}, which is not an https:// address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _extract(download: Path, archive: Archive, program: Path, most_bytes: int) -> None:
    try:
        with tarfile.open(download) as tar:
            found = next((m for m in tar if m.name.removeprefix("./") == archive.member), None)
            content = tar.extractfile(found) if found is not None and found.isfile() else None
            if found is None or content is None:
                raise ToolError(f"{archive.url}: contains no file {archive.member!r}", do="correct the pin's `member`")
            if found.size > most_bytes:
                raise ToolError(f"{archive.url}: {archive.member} is larger than {most_bytes} bytes")
            with program.open("wb") as file:
                shutil.copyfileobj(content, file)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ToolError(f"{archive.url}: is not a readable archive: {error}") from error
