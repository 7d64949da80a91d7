"""A program out of an official image: one layer by digest, from a registry that is not trusted with anything else."""

import dataclasses
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from harness.errors import ToolError
from harness.tools import layer as image_layer
from harness.tools.archive import WrongChecksum
from harness.tools.download import Downloader, Patience
from harness.tools.hosts import Hosts
from harness.tools.lock import ImageSource
from tests.fakes.registry import FakeRegistry, FakeTokens, Fault
from tests.fakes.releases import tar

NAME, STORE, REPOSITORY = "registry.example.com", "store.example.com", "fluxcd/frob"
PROGRAM = b"the program"
MEMBER = "usr/local/bin/frob"
PATIENCE = Patience(read=5, total=30, delay=0.001, attempts=3)


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def descriptor(content: bytes, **more: object) -> dict[str, object]:
    return {"digest": digest(content), "size": len(content), **more}


class Published:
    """An image in a fake registry: an index, a manifest, a base layer and one with the program."""

    def __init__(self, registry: FakeRegistry, layers: tuple[bytes, ...] = ()) -> None:
        self.layers = layers or (tar(etc__passwd=b"root"), tar(usr__local__bin__frob=PROGRAM))
        manifest = json.dumps({"layers": [descriptor(each) for each in self.layers]}).encode()
        other = json.dumps({"layers": []}).encode()
        index = {
            "manifests": [
                descriptor(other, platform={"os": "unknown", "architecture": "unknown"}),
                descriptor(other, platform={"os": "linux", "architecture": "arm64"}),
                descriptor(manifest, platform={"os": "linux", "architecture": "amd64"}),
            ]
        }
        self.index = json.dumps(index).encode()
        for each in (manifest, other, self.index):
            registry.manifests[REPOSITORY, digest(each)] = each
        registry.manifests[REPOSITORY, "v1.2.3"] = self.index
        registry.blobs |= {digest(each): each for each in self.layers}
        self.registry = registry


@pytest.fixture
def plain() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        yield registry


def fetch(
    registry: FakeRegistry,
    directory: Path,
    index: bytes,
    *,
    platform: str = "linux/amd64",
    member: str = MEMBER,
    authority: Path | None = None,
) -> Path:
    source = ImageSource(f"{registry.host}/{REPOSITORY}", digest(index), member, authority)
    downloads = Downloader(PATIENCE, cancelled=threading.Event(), hosts=Open())
    program = directory / "frob"
    try:
        image_layer.fetch(source, platform, program, directory, downloads, lambda _: None)
    except ToolError:
        assert not program.exists()
        raise
    return program


class Open(Hosts):
    """Every server answers."""

    def require(self, url: str) -> None: ...


def test_the_program_is_in_the_layer_of_the_platform(plain: FakeRegistry, tmp_path: Path) -> None:
    """By way of the index and the manifest; the layer below is not fetched, for the program is in the last one."""
    image = Published(plain)
    assert fetch(plain, tmp_path, image.index).read_bytes() == PROGRAM
    assert [path.rpartition("/")[2] for _, path in plain.requests if "/blobs/" in path] == [digest(image.layers[1])]


def test_a_program_below_is_found(plain: FakeRegistry, tmp_path: Path) -> None:
    """Layers are looked through from the last to the first."""
    image = Published(plain, (tar(usr__local__bin__frob=PROGRAM), tar(etc__motd=b"hello")))
    assert fetch(plain, tmp_path, image.index).read_bytes() == PROGRAM


def test_an_image_of_one_platform_has_no_index(plain: FakeRegistry, tmp_path: Path) -> None:
    """The digest may be that of a manifest."""
    image = Published(plain)
    manifest = json.dumps({"layers": [descriptor(each) for each in image.layers]}).encode()
    assert fetch(plain, tmp_path, manifest).read_bytes() == PROGRAM


@pytest.mark.parametrize("where", ["/manifests/", "/blobs/"])
def test_other_content_than_the_digest_says_is_refused(plain: FakeRegistry, tmp_path: Path, where: str) -> None:
    """An index, a manifest or a layer that was swapped is told as what it is, and nothing of it is unpacked."""
    image = Published(plain)
    swapped = tar(usr__local__bin__frob=b"another one").ljust(len(image.layers[1]), b"\0")[: len(image.layers[1])]
    plain.faults.append(Fault("body", "GET", where, body=swapped, headers={"Content-Length": str(len(swapped))}))
    with pytest.raises(WrongChecksum, match="nothing was unpacked"):
        fetch(plain, tmp_path, image.index)


def test_a_layer_that_breaks_off_is_fetched_again(plain: FakeRegistry, tmp_path: Path) -> None:
    """Like every other passing failure: a connection that broke, 429 and 5xx."""
    image = Published(plain)
    plain.faults += [
        Fault("cut", "GET", "/blobs/"),
        Fault("status", "GET", "/blobs/", 503),
        Fault("status", "GET", "/manifests/", 429),
    ]
    assert fetch(plain, tmp_path, image.index).read_bytes() == PROGRAM


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({"slowest": 10**9, "window": 0.0}, "too slow"),
        ({"most_bytes": 10}, "more than 10"),
        ({"total": 0.0}, r"only \d+ of \d+ bytes came within 0 s"),
    ],
)
def test_a_layer_is_held_to_the_bounds_of_a_download(
    plain: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bounds: dict[str, Any], said: str
) -> None:
    """Size, time and speed: a registry that crawls holds up no build."""
    image = Published(plain)
    monkeypatch.setattr("tests.unit.tools.test_layer.PATIENCE", dataclasses.replace(PATIENCE, **bounds))
    with pytest.raises(ToolError, match=said):
        fetch(plain, tmp_path, image.index)


def test_an_image_that_is_not_there_is_told(plain: FakeRegistry, tmp_path: Path) -> None:
    """404 is final, and names the address."""
    with pytest.raises(ToolError, match=r"manifests/sha256:.*404"):
        fetch(plain, tmp_path, b"{}")
    assert len(plain.requests) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"platform": "linux/riscv64"}, "is not there for linux/riscv64"),
        ({"member": "usr/bin/frob"}, "no layer has a file 'usr/bin/frob'"),
    ],
)
def test_an_image_without_the_program_is_told(
    plain: FakeRegistry, tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    """The pin is at fault, and the error says how."""
    image = Published(plain)
    with pytest.raises(ToolError, match=said):
        fetch(plain, tmp_path, image.index, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["[]", "no JSON", '{"layers": [{}]}', '{"manifests": 3}'])
def test_a_document_that_is_no_image_is_told(plain: FakeRegistry, tmp_path: Path, text: str) -> None:
    """With the right digest but the wrong content: one clear error."""
    plain.manifests[REPOSITORY, digest(text.encode())] = text.encode()
    with pytest.raises(ToolError, match="is not an image that can be read"):
        fetch(plain, tmp_path, text.encode())


def test_a_registry_that_is_not_there_is_not_asked_again(tmp_path: Path) -> None:
    """Its name is given up for the rest of the run."""
    with FakeRegistry() as registry:
        image = Published(registry)
    source = ImageSource(f"{registry.host}/{REPOSITORY}", digest(image.index), MEMBER)
    downloads = Downloader(PATIENCE, cancelled=threading.Event())
    for _ in range(2):
        with pytest.raises(ToolError, match="not reachable"):
            image_layer.fetch(source, "linux/amd64", tmp_path / "frob", tmp_path, downloads, lambda _: None)


def test_a_token_for_nobody_is_fetched_and_not_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Public images want an anonymous token; the store of blobs that the registry sends us to must not get it."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *args, **kwargs: resolve(
            "127.0.0.1" if str(host).endswith("example.com") else host, *args, **kwargs
        ),
    )
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    authority, trusted = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("*.example.com").configure_cert(tls)
    with (
        FakeTokens(tls=tls, name=NAME, anonymous=True) as tokens,
        FakeRegistry(tls=tls, tokens=tokens, name=NAME) as registry,
        FakeRegistry(tls=tls, name=STORE) as store,
    ):
        image = Published(registry)
        wanted = digest(image.layers[1])
        store.blobs[wanted] = image.layers[1]
        there: dict[str, Any] = {"Location": f"https://{store.host}/v2/any/blobs/{wanted}?signature=sesame"}
        registry.faults.append(Fault("status", "GET", "/blobs/", 307, headers=there))
        assert fetch(registry, tmp_path, image.index, authority=trusted).read_bytes() == PROGRAM
    assert any(each and each.startswith("Bearer ") for each in registry.authorizations)
    assert store.authorizations == [None]
    assert len(tokens.asked) == 1
