"""Downloads: what is tried again and when, what is gone on with, who is not asked again, and what is told meanwhile."""

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from email.utils import formatdate
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness.deadline import MONOTONIC, Clock
from harness.errors import ToolError
from harness.tools.download import LONGEST_PAUSE, Downloader, Patience
from harness.tools.hosts import Hosts, Unreachable
from tests.fakes.clock import ManualClock, until
from tests.fakes.releases import Answer, ReleaseServer, content, serving, status

BODY = bytes(range(256)) * 40
DIGEST = sha256(BODY).hexdigest()
NOW = 1_800_000_000.0


class Told(list[str]):
    """What progress was told."""

    def __call__(self, text: str) -> None:
        self.append(text)


@pytest.fixture
def told() -> Told:
    return Told()


class Hurried(ManualClock):
    """Pauses take no time, and are noted in `slept`."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.slept.append(seconds)
        return event.is_set()


class Ticking(ManualClock):
    """So many seconds pass between two looks at it."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def __call__(self) -> float:
        self.advance(self._seconds)
        return super().__call__()


def fetch(
    server: ReleaseServer, target: Path, *, clock: Clock = MONOTONIC, told: Told | None = None, **patience: float
) -> str:
    bounds = Patience(**{"read": 5, "total": 60, "delay": 0.001, "attempts": 3, **patience})  # type: ignore[arg-type]
    downloads = Downloader(bounds, cancelled=threading.Event(), clock=clock)
    return downloads.fetch(server.url, target, told if told is not None else Told())


def cut(at: int, ETag: str = "") -> Answer:  # noqa: N803 - as the header is called
    """Everything is announced, and this much comes."""
    return content(BODY[:at], announced=len(BODY), ETag=ETag)


def part(begins: int, at: int | None = None) -> Answer:
    """206 with what follows `begins`, and a Content-Range that may say `at` instead."""
    said = f"bytes {begins if at is None else at}-{len(BODY) - 1}/{len(BODY)}"
    return content(BODY[begins:], code=206, Content_Range=said)


def hangs_up(request: BaseHTTPRequestHandler) -> None:
    """Without a word."""
    raise ConnectionError


# Trying again


@pytest.mark.parametrize("code", [429, 408, 503])
def test_a_server_that_asks_for_a_pause_gets_it(tmp_path: Path, code: int) -> None:
    """Retry-After in seconds is how long the next attempt is put off, for 5xx, 429 and 408 alike."""
    clock = Hurried()
    with serving(status(code, Retry_After="7"), content(BODY)) as server:
        assert fetch(server, tmp_path / "file", clock=clock) == DIGEST
    assert clock.slept == [7.0]


def test_a_pause_may_be_asked_for_as_a_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other form of Retry-After."""
    monkeypatch.setattr("harness.tools.download.time.time", lambda: NOW)
    clock = Hurried()
    with serving(status(429, Retry_After=formatdate(NOW + 9, usegmt=True)), content(BODY)) as server:
        assert fetch(server, tmp_path / "file", clock=clock) == DIGEST
    assert clock.slept == [9.0]


def test_a_pause_that_is_too_long_is_not_waited_for(tmp_path: Path) -> None:
    """A server that says to come back in an hour is given up at once, and its words are told."""
    with (
        serving(status(429, Retry_After=str(int(LONGEST_PAUSE) + 1))) as server,
        pytest.raises(ToolError, match=r"answers 429 .*asks for a pause of 61 s"),
    ):
        fetch(server, tmp_path / "file")
    assert server.requests == 1


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410])
def test_other_refusals_are_final(tmp_path: Path, code: int) -> None:
    """What the client did wrong does not pass."""
    with serving(status(code)) as server, pytest.raises(ToolError, match=f"answers {code}"):
        fetch(server, tmp_path / "file")
    assert server.requests == 1


# Going on


def test_a_download_that_broke_off_is_gone_on_with(tmp_path: Path) -> None:
    """The next attempt asks for the rest of the same version of the file, and the sum is that of the whole."""
    with serving(cut(1000, ETag='"v1"'), part(1000)) as server:
        assert fetch(server, tmp_path / "file") == DIGEST
    assert (server.headers[1]["range"], server.headers[1]["if-range"]) == ("bytes=1000-", '"v1"')
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_file_that_changed_meanwhile_is_begun_anew(tmp_path: Path) -> None:
    """A server that answers with the whole file has another one now: nothing of the old is in it."""
    with serving(content(b"x" * 1000, announced=5000, ETag='"v1"'), content(BODY, ETag='"v2"')) as server:
        assert fetch(server, tmp_path / "file") == DIGEST
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize("tag", ["", 'W/"v1"'], ids=["none", "weak"])
def test_a_file_without_a_version_is_begun_anew(tmp_path: Path, tag: str) -> None:
    """Without a strong entity tag nobody knows whether the rest belongs to the beginning."""
    with serving(cut(1000, ETag=tag), content(BODY)) as server:
        assert fetch(server, tmp_path / "file") == DIGEST
    assert "range" not in server.headers[1]


def test_another_part_than_was_asked_for_is_not_taken(tmp_path: Path) -> None:
    """A cache that serves the wrong range is not believed, and is asked for the whole file next."""
    with serving(cut(1000, ETag='"v1"'), part(500, at=500), content(BODY)) as server:
        assert fetch(server, tmp_path / "file") == DIGEST
    assert "range" not in server.headers[2]


# Bounds


def test_a_download_that_is_slower_than_any_build_is_given_up(tmp_path: Path) -> None:
    """Bytes that keep coming at a crawl do not hold up a build that would be faster."""
    with serving(content(BODY)) as server, pytest.raises(ToolError, match=r"too slow: 0\.\d kB/s"):
        fetch(server, tmp_path / "file", clock=Ticking(30), window=20, slowest=50_000, total=10_000)
    assert server.requests == 1


def test_where_nothing_is_built_a_slow_download_goes_on() -> None:
    """What is slower than a build is given up only where there is a build."""
    assert Patience.of(60, may_build=False).slowest == 0
    assert Patience.of(60, may_build=True).slowest > 0


def test_progress_has_sizes_and_speed(tmp_path: Path, told: Told) -> None:
    """How much of how much, and how fast: while it comes, and when it is there."""
    with serving(content(b"x" * 3_000_000)) as server:
        fetch(server, tmp_path / "file", clock=Ticking(6), told=told, telling=5, slowest=0, total=10_000)
    assert re.fullmatch(r"downloaded 3\.0 MB, 0\.\d MB/s", told[-1])
    assert all(re.fullmatch(r"downloading: \d\.\d( of 3\.0)? MB, 0\.\d MB/s", text) for text in told[:-1])
    assert " of 3.0 MB" in told[0]


# Who is asked


def test_redirects_get_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No request has any, whatever .netrc says: not the first, and not the one that it leads to."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serving(content(BODY)) as target, serving(status(302, Location=target.url)) as server:
        assert fetch(server, tmp_path / "file") == DIGEST
    assert all("authorization" not in headers for headers in (*server.headers, *target.headers))


def test_a_redirect_to_a_dead_server_is_told_at_once(tmp_path: Path) -> None:
    """The release page answers, the store of files does not: that is no reason to ask the page four times."""
    with serving(status(404)) as target:
        pass
    with serving(status(302, Location=target.url)) as server, pytest.raises(ToolError, match="is not reachable"):
        fetch(server, tmp_path / "file")
    assert server.requests == 1


def test_a_server_that_does_not_answer_is_not_asked_again(tmp_path: Path) -> None:
    """After the attempts of one file the next one from the same server fails without a request."""
    with serving(hangs_up) as server:
        downloads = Downloader(
            Patience(read=1, total=9, delay=0.001, attempts=2), cancelled=threading.Event(), hosts=Hosts()
        )
        for _ in range(2):
            with pytest.raises(ToolError):
                downloads.fetch(server.url, tmp_path / "file", Told())
        assert server.requests == 2


@pytest.fixture
def dropped(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every packet is dropped: a connection is never made and never refused. Returns the names that were asked for."""
    asked: list[str] = []
    over = threading.Event()

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        asked.append(address[0])
        over.wait()
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", connect)
    yield asked
    over.set()


def test_dropped_packets_cost_one_bound_for_all_servers(dropped: list[str]) -> None:
    """Servers are contacted side by side, and each once: however many files are there, the bound is waited for once."""
    hosts = Hosts(seconds=0.05)
    urls = [f"https://{name}.example/{file}" for name in "abc" for file in range(5)]
    hosts.contact(urls)
    for url in urls:
        with pytest.raises(Unreachable, match=r"is not reachable: no answer within 0\.05 s"):
            hosts.require(url)
    until(lambda: len(dropped) >= 3)
    assert sorted(dropped) == ["a.example", "b.example", "c.example"]


def test_a_name_that_does_not_resolve_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the system's words."""

    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unreachable, match=r"files\.example is not reachable: Name or service not known"):
        Hosts(seconds=30).require("https://files.example/x")


def test_a_server_that_does_not_speak_tls_is_not_reachable() -> None:
    """A portal that answers in the place of the server is found out before anything is asked for."""
    with serving(content(BODY)) as server, pytest.raises(Unreachable):
        Hosts(seconds=5).require(server.url.replace("http:", "https:"))
    assert server.requests == 0


def test_behind_a_proxy_the_proxy_is_contacted(monkeypatch: pytest.MonkeyPatch, dropped: list[str]) -> None:
    """Where only the proxy resolves names, the servers' own names are not tried."""
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(Unreachable):
        Hosts(seconds=0.05).require("https://files.example/x")
    until(lambda: dropped)
    assert dropped == ["proxy.example"]


def test_a_proxy_that_does_not_lead_on_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that answers, but opens no tunnel, makes the server unreachable; it gets the user's name and password."""
    asked: list[str] = []

    class Refusing(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append(f"{self.path} {self.headers.get('Proxy-Authorization')}")
            self.send_error(403)

        def log_message(self, *_: object) -> None: ...

    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with HTTPServer(("127.0.0.1", 0), Refusing) as proxy:
        threading.Thread(target=proxy.handle_request, daemon=True).start()
        monkeypatch.setenv("https_proxy", f"http://me:p%40ss@127.0.0.1:{proxy.server_port}")
        with pytest.raises(Unreachable, match=r"files\.example is not reachable: Tunnel connection failed: 403"):
            Hosts(seconds=5).require("https://files.example/x")
    assert asked == ["files.example:443 Basic bWU6cEBzcw=="]


def test_tls_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first contact uses the system's authorities, as the download itself does."""
    seen: list[ssl.SSLContext] = []
    make = ssl.create_default_context

    def noted(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        seen.append(make(*args, **kwargs))
        return seen[-1]

    monkeypatch.setattr(ssl, "create_default_context", noted)
    with serving(content(BODY)) as server, pytest.raises(Unreachable):
        Hosts(seconds=5).require(server.url.replace("http:", "https:"))
    assert [context.verify_mode for context in seen] == [ssl.CERT_REQUIRED]
