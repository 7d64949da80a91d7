"""Files of a Go module from a proxy's zip, without Go: believed by the committed go.sum, and by nothing else."""

import base64
import hashlib
import io
import threading
import zipfile
from pathlib import Path

import pytest

from harness.errors import ToolError
from harness.settings import Pin
from harness.tools import module
from harness.tools.archive import WrongChecksum
from harness.tools.download import Downloader, Patience
from tests.fakes.releases import content, serving, status

MODULE, VERSION = "example.org/Frob/v3", "v3.2.1"
ROOT = f"{MODULE}@{VERSION}"
FILES = {f"{ROOT}/config/crds/a.yaml": b"kind: A\n", f"{ROOT}/config/other.yaml": b"", f"{ROOT}/go.mod": b"module x\n"}
PIN = Pin.model_validate(
    {"version": VERSION, "wrapper": "frob", "module": MODULE, "files": ["config/crds"], "build": "1s"}
)


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, body in files.items():
            made.writestr(name, body)
    return buffer.getvalue()


def h1(files: dict[str, bytes]) -> str:
    """As golang.org/x/mod/sumdb/dirhash says, written down once more."""
    lines = "".join(f"{hashlib.sha256(body).hexdigest()}  {name}\n" for name, body in sorted(files.items()))
    return f"h1:{base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()}"


def keep(directory: Path, proxy: str, *, locked: str | None = None, pin: Pin = PIN) -> Path:
    """Fetch from this GOPROXY; the directory of the files."""
    wrapper, target = directory / "wrapper", directory / "files"
    wrapper.mkdir()
    said = h1(FILES) if locked is None else locked
    (wrapper / "go.sum").write_text(f"{MODULE} {VERSION}/go.mod h1:other=\n{MODULE} {VERSION} {said}\n")
    downloads = Downloader(Patience(read=5, total=30, delay=0.001, attempts=2), cancelled=threading.Event())
    try:
        module.keep_files(pin, wrapper, target, directory, downloads, lambda _: None, {"GOPROXY": proxy})
    except ToolError:
        assert not target.exists()
        raise
    return target


def proxy(url: str) -> str:
    return url.rpartition("/")[0]


def test_the_files_that_the_pin_names_are_kept(tmp_path: Path) -> None:
    """At the paths that they have in the module; the rest is not."""
    with serving(content(zipped(FILES))) as server:
        target = keep(tmp_path, proxy(server.url))
    assert {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*.*")} == {
        "config/crds/a.yaml": b"kind: A\n"
    }


@pytest.mark.parametrize(
    "files",
    [
        {**FILES, f"{ROOT}/config/crds/a.yaml": b"kind: B\n"},
        {**FILES, f"{ROOT}/config/crds/b.yaml": b""},
        {name: body for name, body in FILES.items() if "other" not in name},
    ],
    ids=["changed", "added", "gone"],
)
def test_other_bytes_than_go_sum_records_are_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    """Whatever is changed in the zip, even in a file that nobody asked for; nothing is unpacked."""
    with serving(content(zipped(files))) as server, pytest.raises(WrongChecksum, match=r"expected h1:.* as go.sum"):
        keep(tmp_path, proxy(server.url))


def test_the_checksum_of_go_mod_is_not_taken_for_that_of_the_zip(tmp_path: Path) -> None:
    """go.sum has two lines for a version; a module that has only the one of its go.mod is not locked."""
    with serving(content(zipped(FILES))) as server, pytest.raises(ToolError, match="does not have"):
        keep(tmp_path, proxy(server.url), pin=PIN.model_copy(update={"version": "v3.2.2"}))
    assert server.requests == 0


def test_the_next_proxy_is_asked_where_one_does_not_have_it(tmp_path: Path) -> None:
    """GOPROXY is a list, in order; bytes of the second are held to the same go.sum."""
    with serving(status(404)) as empty, serving(content(zipped(FILES))) as full:
        assert keep(tmp_path, f"{proxy(empty.url)},{proxy(full.url)}|direct").is_dir()
    assert (empty.requests, full.requests) == (1, 1)


def test_a_proxy_may_be_a_directory(tmp_path: Path) -> None:
    """GOPROXY=file:///srv/modules, as Go knows it; capitals of the path are written with an exclamation mark."""
    place = tmp_path / "modules/example.org/!frob/v3/@v"
    place.mkdir(parents=True)
    (place / f"{VERSION}.zip").write_bytes(zipped(FILES))
    assert keep(tmp_path, (tmp_path / "modules").as_uri()).is_dir()


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, ["https://proxy.golang.org"]),
        ({"GOPROXY": "https://a.example,direct,https://b.example"}, ["https://a.example"]),
        ({"GOPROXY": "https://a.example|https://b.example/"}, ["https://a.example", "https://b.example"]),
        ({"GOPROXY": "http://a.example"}, []),
        ({"GOPROXY": "off"}, []),
        ({"GOENV": "written"}, ["https://c.example"]),
        ({"GOENV": "written", "GOPROXY": "direct"}, []),
        ({"GOENV": "off"}, ["https://proxy.golang.org"]),
    ],
)
def test_the_users_proxies_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], found: list[str]
) -> None:
    """Of GOPROXY, of `go env -w`, or Go's own default; `direct` and `off` end the list, for only Go knows how."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "written").write_text("GOFLAGS=-v\nGOPROXY=https://c.example,direct\n")
    asked = module.addresses(PIN, {"HOME": str(tmp_path), **environment})
    assert asked == [f"{each}/example.org/!frob/v3/@v/{VERSION}.zip" for each in found]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"no zip", "is not a readable zip"),
        (b"", "is not a readable zip"),
        (zipped(FILES)[:80], "is not a readable zip"),
    ],
    ids=["text", "empty", "cut"],
)
def test_what_is_no_zip_is_told(tmp_path: Path, body: bytes, said: str) -> None:
    """A proxy that answers with a page."""
    with serving(content(body)) as server, pytest.raises(ToolError, match=said):
        keep(tmp_path, proxy(server.url))


def test_a_directory_that_the_module_does_not_have_is_told(tmp_path: Path) -> None:
    """As with Go: the pin is at fault."""
    pin = PIN.model_copy(update={"files": ("config/crd",)})
    with serving(content(zipped(FILES))) as server, pytest.raises(ToolError, match="has no files in config/crd"):
        keep(tmp_path, proxy(server.url), pin=pin)


def test_a_file_that_would_leave_its_directory_is_refused(tmp_path: Path) -> None:
    """Even with the right checksum."""
    files = {**FILES, f"{ROOT}/config/crds/../../../../out": b"x"}
    with serving(content(zipped(files))) as server, pytest.raises(ToolError, match="would leave its directory"):
        keep_anyway(tmp_path, proxy(server.url), h1(files))
    assert not (tmp_path / "out").exists()


def keep_anyway(directory: Path, proxies: str, locked: str) -> None:
    """What was written before the refusal does not matter: it is in a stage that is thrown away."""
    try:
        keep(directory, proxies, locked=locked)
    except AssertionError as error:
        raise error.__context__ or error from None
