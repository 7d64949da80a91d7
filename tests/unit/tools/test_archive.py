"""Release archives, from a server on the loopback address: what is believed, what is refused, what is tried again."""

import gzip
import hashlib
import tarfile
import threading
from pathlib import Path

import pytest

from harness.deadline import MONOTONIC, Clock
from harness.errors import SettingsError, ToolError
from harness.progress import Silent
from harness.settings import Archive, Tools
from harness.tools import archive as tool_archive
from harness.tools.download import Downloader, Patience, acceptable
from harness.tools.toolbox import Toolbox
from harness.tools.toolchain import PLATFORM
from tests.fakes.clock import ManualClock
from tests.fakes.releases import Answer, ReleaseServer, content, serving, silence, status, tar, trickle

PROGRAM = b"#!/bin/sh\necho frob v1.2.3\n"
HASTY = Patience(read=0.3, total=0.9, delay=0.01, attempts=3)


def fetch(
    tmp_path: Path,
    server: ReleaseServer,
    body: bytes,
    *,
    member: str = "",
    patience: Patience = HASTY,
    clock: Clock = MONOTONIC,
) -> Path:
    """Fetch what should be `body`; the program that it gives."""
    archive = Archive(url=server.url, sha256=hashlib.sha256(body).hexdigest(), member=member)
    program, work = tmp_path / "install" / "frob", tmp_path / "work"
    program.parent.mkdir()
    work.mkdir()
    try:
        downloads = Downloader(patience, cancelled=threading.Event(), clock=clock)
        tool_archive.fetch(archive, program, work, downloads, print)
    except ToolError:
        assert not program.exists()
        raise
    return program


def test_a_plain_file_with_its_checksum_is_the_program(tmp_path: Path) -> None:
    """Without a member the file itself is the program."""
    with serving(content(PROGRAM)) as server:
        assert fetch(tmp_path, server, PROGRAM).read_bytes() == PROGRAM


@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_member_of_a_tar_is_the_program(tmp_path: Path, prefix: str) -> None:
    """The named member is copied out, with or without tar's ./ in front."""
    body = tar(README=b"x", **{f"{prefix}linux-amd64__frob": PROGRAM})
    with serving(content(body)) as server:
        assert fetch(tmp_path, server, body, member="linux-amd64/frob").read_bytes() == PROGRAM


def test_a_wrong_checksum_is_refused_before_anything_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is not even opened as an archive, and is not fetched again."""
    monkeypatch.setattr(tarfile, "open", lambda *_: pytest.fail("opened"))
    with serving(content(b"something else")) as server:
        with pytest.raises(ToolError, match=r"wrong checksum: sha256 is [0-9a-f]{64}, expected [0-9a-f]{64}"):
            fetch(tmp_path, server, PROGRAM, member="frob")
        assert server.requests == 1


def test_a_truncated_download_is_tried_again_and_then_told(tmp_path: Path) -> None:
    """A connection that ends early is named as such, not as a wrong checksum."""
    with serving(content(PROGRAM[:9], announced=len(PROGRAM))) as server:
        with pytest.raises(ToolError, match=rf"truncated: 9 of {len(PROGRAM)} bytes came"):
            fetch(tmp_path, server, PROGRAM)
        assert server.requests == HASTY.attempts


def test_a_file_that_is_not_there_is_not_asked_for_again(tmp_path: Path) -> None:
    """404 is final."""
    with serving(status(404)) as server:
        with pytest.raises(ToolError, match="the server answers 404"):
            fetch(tmp_path, server, PROGRAM)
        assert server.requests == 1


@pytest.mark.parametrize("trouble", [status(500), status(503), content(PROGRAM[:5], announced=99), silence])
def test_a_passing_failure_is_tried_again(tmp_path: Path, trouble: Answer) -> None:
    """5xx, a broken connection and one silent answer are followed by another attempt, which starts afresh."""
    with serving(trouble, content(PROGRAM)) as server:
        assert fetch(tmp_path, server, PROGRAM).read_bytes() == PROGRAM
        assert server.requests == 2


def test_a_server_that_always_fails_is_given_up(tmp_path: Path) -> None:
    """The attempts are bounded."""
    with serving(status(500)) as server:
        with pytest.raises(ToolError, match="the server answers 500"):
            fetch(tmp_path, server, PROGRAM)
        assert server.requests == HASTY.attempts


def test_a_server_that_trickles_is_given_up_at_the_deadline(tmp_path: Path) -> None:
    """Bytes that keep coming slowly do not hold the run beyond the total."""
    clock = ManualClock()
    slow = trickle(lambda: clock.advance(5))
    with serving(slow) as server, pytest.raises(ToolError, match=r"only \d+ of 1000 bytes came within 600 s"):
        fetch(tmp_path, server, PROGRAM, patience=Patience(slowest=0), clock=clock)
    assert server.requests == 1


def test_a_server_that_says_nothing_is_given_up_at_the_deadline(tmp_path: Path) -> None:
    """Silence is bounded by the time of one read and by the total, whichever is first."""
    with serving(silence) as server:
        with pytest.raises(ToolError, match=r"timed out"):
            fetch(tmp_path, server, PROGRAM, patience=Patience(read=0.05, total=60, delay=0.01, attempts=2))
        assert server.requests == 2


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A refused connection is tried again, then told with its address."""
    with serving(status(404)) as server:
        pass
    with pytest.raises(ToolError, match=r"127\.0\.0\.1.*refused"):
        fetch(tmp_path, server, PROGRAM)


def test_a_download_that_is_too_large_is_ended(tmp_path: Path) -> None:
    """Neither the file nor what is packed in it may exceed the bound."""
    bounded = Patience(most_bytes=1000)
    with serving(content(b"x" * 5000)) as server, pytest.raises(ToolError, match="more than 1000 bytes"):
        fetch(tmp_path, server, PROGRAM, patience=bounded)


def test_a_member_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """A small file may hold a huge one."""
    body = tar(frob=b"\0" * 100_000)
    with serving(content(body)) as server, pytest.raises(ToolError, match="frob is larger than 1000 bytes"):
        fetch(tmp_path, server, body, member="frob", patience=Patience(most_bytes=1000))


def test_a_hostile_tar_writes_nowhere_but_the_program(tmp_path: Path) -> None:
    """Members that would leave the directory, by name or by link, are neither followed nor written."""
    link = tarfile.TarInfo("dir")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
    members: dict[str, bytes | tarfile.TarInfo] = {"..__..__escaped": b"x", "link": link, "dir__escaped": b"x"}
    body = tar(**members, frob=PROGRAM)
    with serving(content(body)) as server:
        fetch(tmp_path, server, body, member="frob")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["download", "frob", "install", "work"]


def test_a_member_by_a_path_that_leaves_lands_in_the_program(tmp_path: Path) -> None:
    """Even a member named ../../x is only bytes: they go where the program goes."""
    body = tar(**{"..__..__frob": PROGRAM})
    with serving(content(body)) as server:
        assert fetch(tmp_path, server, body, member="../../frob").read_bytes() == PROGRAM
    assert not (tmp_path.parent / "frob").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_a_member_that_is_no_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    """A link in place of the program would give it another file's bytes."""
    link = tarfile.TarInfo("frob")
    link.type, link.linkname = kind, "/etc/hostname"
    body = tar(link=link)
    with serving(content(body)) as server, pytest.raises(ToolError, match="contains no file 'frob'"):
        fetch(tmp_path, server, body, member="frob")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (tar(other=PROGRAM), "contains no file 'frob'"),
        (b"no tar at all", "is not a readable archive"),
        (tar(frob=PROGRAM)[:60], "is not a readable archive"),
        (gzip.compress(b"no tar"), "is not a readable archive"),
    ],
    ids=["another file", "no archive", "cut off", "no tar"],
)
def test_an_archive_without_the_program_is_told(tmp_path: Path, body: bytes, says: str) -> None:
    """With the right checksum but the wrong content, the pin is at fault, and the error names the file."""
    with serving(content(body)) as server, pytest.raises(ToolError, match=says):
        fetch(tmp_path, server, body, member="frob")


def test_a_redirect_within_bounds_is_followed(tmp_path: Path) -> None:
    """Release pages answer with the address of the file."""
    with serving(content(PROGRAM)) as target, serving(status(302, Location=target.url)) as server:
        assert fetch(tmp_path, server, PROGRAM).read_bytes() == PROGRAM


@pytest.mark.parametrize("place", ["http://example.org/frob", "ftp://example.org/frob", "file:///etc/hostname"])
def test_a_redirect_to_an_unsafe_address_is_refused(tmp_path: Path, place: str) -> None:
    """Being sent on does not widen which addresses are acceptable."""
    with serving(status(302, Location=place)) as server, pytest.raises(ToolError, match=r"[Rr]edirect"):
        fetch(tmp_path, server, PROGRAM)
    assert server.requests == 1


def test_a_cancelled_download_ends(tmp_path: Path) -> None:
    """Closing the toolbox ends a download between two reads."""
    cancelled = threading.Event()
    with serving(trickle(cancelled.set)) as server:
        archive = Archive(url=server.url, sha256="0" * 64)
        downloads = Downloader(Patience(), cancelled=cancelled)
        with pytest.raises(ToolError, match="stopped"):
            tool_archive.fetch(archive, tmp_path / "frob", tmp_path, downloads, print)
        assert server.requests == 1


# Through the toolbox


def toolbox(tmp_path: Path, url: str, sha256: str, path: Path | None = None) -> Toolbox:
    """A machine without Go: the archive is the only way."""
    pin = {
        "version": "v1.2.3",
        "wrapper": "frob",
        "package": "example.org/frob",
        "probe": ["--version"],
        "build": "90s",
        "archives": {PLATFORM: {"url": url, "sha256": sha256}},
    }
    tools = Tools.model_validate({"go": "", "go_wheel": "1.26.6", "pins": {"frob": pin}})
    environment = {"PATH": str(path or tmp_path)}
    cache = tmp_path / "cache"
    return Toolbox(
        tools, cache, Silent(), timeout=5, wrappers=tmp_path / "none", environment=environment, patience=HASTY
    )


def test_a_tool_from_an_archive_needs_no_go_and_stays_in_the_cache(tmp_path: Path) -> None:
    """It is executable, its origin is recorded, and it is found again without Go, wrapper module or server."""
    with serving(content(PROGRAM)) as server:
        program = toolbox(tmp_path, server.url, hashlib.sha256(PROGRAM).hexdigest()).path("frob")
    again = toolbox(tmp_path, server.url, hashlib.sha256(PROGRAM).hexdigest())
    assert again.path("frob") == program
    assert [(state.state, state.origin) for state in again.list()] == [("cache", server.url)]
    assert program.stat().st_mode & 0o777 == 0o755


def test_an_archive_that_fails_is_followed_by_the_build(tmp_path: Path) -> None:
    """Both reasons are in the error when neither works."""
    with serving(status(404)) as server, pytest.raises(ToolError) as caught:
        toolbox(tmp_path, server.url, "0" * 64).path("frob")
    text = str(caught.value)
    assert text.index("release archive: ") < text.index("404") < text.index("build: no wrapper module")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/frob",
        "http://localhost/frob",
        "http://127.0.0.1.example.org/frob",
        "http://127.0.0.1@example.org/frob",
        "file:///etc/hostname",
        "https:///frob",
        "",
    ],
)
def test_an_archive_must_come_over_https(tmp_path: Path, url: str) -> None:
    """Anything but https://, or http:// to the loopback address itself, is a settings error that names the key."""
    with pytest.raises(SettingsError, match=rf"tools\.pins\.frob\.archives\.{PLATFORM}\.url"):
        toolbox(tmp_path, url, "0" * 64)


def test_https_is_acceptable() -> None:
    """The ordinary case."""
    assert acceptable("https://example.org/frob.tar.gz")
