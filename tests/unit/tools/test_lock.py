"""tools.lock.yaml: an entry counts for one version, and `tools lock` writes what projects publish, or says why not."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import settings
from harness.errors import SettingsError
from harness.settings import Pin
from harness.tools import archive
from harness.tools import lock as tools_lock
from harness.tools.download import Downloader, Patience
from harness.tools.lock import PLATFORMS, Index, Locked, Sum, archive_of, image_of
from harness.tools.locking import Relocked, published, relock
from tests.fakes.registry import FakeRegistry
from tests.fakes.releases import Answer, ReleaseServer, content, serving, status

A, B = "a" * 64, "b" * 64
BASE = {"version": "v1.2.3", "wrapper": "frob", "package": "example.org/frob", "probe": [], "build": "1s"}


def pin(url: str = "https://x.example", *, sums: str = "", version: str = "v1.2.3") -> Pin:
    release = {"url": f"{url}/{{version}}/frob_{{number}}_{{os}}_{{arch}}.tar.gz", "member": "{os}-{arch}/frob"}
    return Pin.model_validate({**BASE, "version": version, "release": {**release, "sums": sums, "size": "5M"}})


def imaged(repository: str) -> Pin:
    return Pin.model_validate(
        {**BASE, "module": "x", "image": {"repository": repository, "member": "frob", "size": "5M"}}
    )


def both(sha256: str, origin: str = "published") -> Locked:
    return Locked(version="v1.2.3", archives={each: Sum(sha256=sha256, origin=origin) for each in PLATFORMS})  # type: ignore[arg-type]


# What a lock says


def test_an_entry_is_the_archive_of_its_platform() -> None:
    """Version, number, system and architecture are filled into address and member."""
    found = archive_of("frob", pin(), {"frob": both(A)}, "linux/arm64")
    assert found is not None
    assert found[0].url == "https://x.example/v1.2.3/frob_1.2.3_linux_arm64.tar.gz"
    assert (found[0].member, found[0].sha256, found[1]) == ("linux-arm64/frob", A, "sha256, published")


@pytest.mark.parametrize(
    ("changed", "platform"),
    [(pin(version="v1.2.4"), "linux/amd64"), (pin(), "darwin/arm64")],
    ids=["version", "system"],
)
def test_an_entry_counts_for_nothing_else(changed: Pin, platform: str) -> None:
    """A pin that was raised has no archive until it is locked, and a platform without a checksum has none."""
    assert archive_of("frob", changed, {"frob": both(A)}, platform) is None


def test_archives_of_the_user_come_first() -> None:
    """A mirror that settings name, with its own checksum, needs no lock."""
    own = pin().model_copy(
        update={"archives": {"linux/amd64": settings.Archive(url="https://mirror.example/f", sha256=B)}}
    )
    found = archive_of("frob", own, {"frob": both(A)}, "linux/amd64")
    assert found is not None
    assert (found[0].url, found[1]) == ("https://mirror.example/f", "sha256 of the settings")


def test_a_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    """With the comment at its head."""
    file = tmp_path / "lock.yaml"
    file.write_text("# head\n# more\nold: {version: v1}\n")
    lock = {
        "frob": both(A, "computed"),
        "imaged": Locked(version="v2", image=Index(digest=f"sha256:{B}", origin="sources")),
    }
    tools_lock.write(lock, file)
    assert tools_lock.load(file) == lock
    assert file.read_text().startswith("# head\n# more\nfrob:\n")


@pytest.mark.parametrize(
    "text", ["- a", "frob: {version: v1, archives: {linux/amd64: {sha256: abc, origin: sources}}}", "{"]
)
def test_a_lock_that_is_damaged_is_one_clear_error(tmp_path: Path, text: str) -> None:
    """It names the file."""
    (tmp_path / "lock.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"lock\.yaml: cannot be read"):
        tools_lock.load(tmp_path / "lock.yaml")


def test_what_a_lock_lacks_is_named() -> None:
    """Each pin with a release needs a checksum for each platform, and an entry needs a pin."""
    lock = {
        "half": Locked(version="v1.2.3", archives={"linux/amd64": Sum(sha256=A, origin="sources")}),
        "old": Locked(version="v1.2.2"),
        "gone": both(A),
        "good": both(A),
    }
    pins = {"half": pin(), "old": pin(), "new": pin(), "good": pin(), "built": Pin.model_validate(BASE)}
    assert tools_lock.missing(pins, lock) == [
        "half v1.2.3: no checksum for linux/arm64",
        "old v1.2.3: not locked (but v1.2.2)",
        "new v1.2.3: not locked",
        "gone: is locked, and not a pin with a release",
    ]


def test_the_lock_of_the_package_is_that_of_its_pins() -> None:
    """Raising a pin means locking it again. What no two sources agree on is not locked, and is built."""
    pins = settings.load(environment={}).tools.pins
    archive.check(pins)
    lock = tools_lock.load()
    assert tools_lock.missing(pins, lock) == [
        "kwok v0.7.0: no checksum for linux/arm64",
        "kwokctl v0.7.0: no checksum for linux/arm64",
        "argocd v3.2.6: not locked",
    ]
    for name in ("etcd", "kube-apiserver", "kwok", "kwokctl", "helm", "kubectl", "registry"):
        assert archive_of(name, pins[name], lock, "linux/amd64") is not None, name
    for name in ("source-controller", "kustomize-controller", "helm-controller", "source-watcher"):
        assert image_of(name, pins[name], lock) is not None, name
        assert pins[name].image is not None


# What projects publish


@pytest.mark.parametrize(
    "text",
    [
        A,
        f"{A}\n",
        f"{A}  frob.tar.gz\n",
        f"{A} *frob.tar.gz",
        f"{B}  other\n{A}  ./frob.tar.gz\n{B}  frob.tar.gz.asc\n",
        f"-----BEGIN PGP SIGNED MESSAGE-----\n\n{A.upper()}  frob.tar.gz\n-----BEGIN PGP SIGNATURE-----\nabc\n",
    ],
    ids=["bare", "line", "named", "binary", "list", "signed"],
)
def test_a_published_checksum_is_found(text: str) -> None:
    """Alone, or in a line with the file's name, however that is written."""
    assert published(text, "frob.tar.gz") == A


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>",
        f"{A}  other\n",
        f"{A}0",
        f"{A}\n{B}\n",
        f"x{A}",
    ],
    ids=["empty", "page", "other file", "too long", "two", "in a word"],
)
def test_a_page_is_no_checksum(text: str) -> None:
    """Where the file's name is not found, nothing is guessed."""
    with pytest.raises(Exception, match=r"has no checksum of frob\.tar\.gz"):
        published(text, "frob.tar.gz")


Relock = Callable[..., Relocked]


@pytest.fixture
def again(tmp_path: Path) -> Relock:
    def call(one: Pin, lock: dict[str, Locked], accept_changed: bool = False) -> Relocked:
        bounds = Patience(read=5, total=30, delay=0.001, attempts=2)
        downloads = Downloader(bounds, cancelled=threading.Event())
        return relock(
            {"frob": one}, ["frob"], lock, downloads, tmp_path, lambda *_: None, accept_changed=accept_changed
        )

    return call


def sums_of(server: ReleaseServer) -> Pin:
    return pin("https://x.example", sums=f"{server.url}/{{version}}/sums")


def listed(sha256: str) -> Answer:
    lines = [f"{sha256}  frob_1.2.3_{each.replace('/', '_')}.tar.gz" for each in PLATFORMS]
    return content("\n".join(lines).encode())


def test_published_checksums_are_locked_for_all_platforms(again: Relock) -> None:
    """Only the files of checksums are fetched, not the releases."""
    with serving(listed(A)) as server:
        found = again(sums_of(server), {})
    assert (found.lock, found.problems) == ({"frob": both(A)}, [])
    assert [row[2:] for row in found.rows] == [(each, "published", "new") for each in PLATFORMS]


def test_a_checksum_of_other_sources_is_confirmed(again: Relock) -> None:
    """The same digits, from the project itself: its origin is raised."""
    with serving(listed(A)) as server:
        found = again(sums_of(server), {"frob": both(A, "sources")})
    assert found.lock == {"frob": both(A)}
    assert {row[4] for row in found.rows} == {"confirmed, was sources"}


def test_a_checksum_that_changed_is_an_error_and_never_an_update(again: Relock) -> None:
    """The old one stays, unless it is said that the new one is accepted."""
    with serving(listed(B)) as server:
        found = again(sums_of(server), {"frob": both(A)})
        assert found.lock == {"frob": both(A)}
        assert len(found.problems) == len(PLATFORMS)
        assert "the checksum changed for an unchanged version" in found.problems[0]
        assert again(sums_of(server), {"frob": both(A)}, accept_changed=True).lock == {"frob": both(B)}


def test_a_new_version_is_no_change(again: Relock) -> None:
    """What was locked for another version is replaced without a question."""
    with serving(listed(B)) as server:
        found = again(sums_of(server), {"frob": both(A).model_copy(update={"version": "v1.2.2"})})
    assert (found.lock, found.problems) == ({"frob": both(B)}, [])


def test_where_none_is_published_the_file_is_hashed(again: Relock) -> None:
    """Trust on first use, and the lock says so."""
    with serving(content(b"program")) as server:
        found = again(pin(server.url), {})
    assert found.lock == {"frob": both(hashlib.sha256(b"program").hexdigest(), "computed")}


@pytest.mark.parametrize("answer", [status(404), content(b"<html>")], ids=["404", "page"])
def test_what_cannot_be_had_is_a_problem_and_the_old_stays(again: Relock, answer: Answer) -> None:
    """It names the tool, the platform and the address."""
    with serving(answer) as server:
        found = again(sums_of(server), {"frob": both(A)})
    assert found.lock == {"frob": both(A)}
    assert [text.partition(":")[0] for text in found.problems] == [f"frob {each}" for each in PLATFORMS]


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.manifests["team/frob", "v1.2.3"] = json.dumps({"manifests": []}).encode()
        yield fake


def test_the_tag_of_an_image_becomes_the_digest_of_its_index(again: Relock, registry: FakeRegistry) -> None:
    """One digest for all platforms."""
    found = again(imaged(f"{registry.host}/team/frob"), {})
    digest = f"sha256:{hashlib.sha256(registry.manifests['team/frob', 'v1.2.3']).hexdigest()}"
    assert found.lock == {"frob": Locked(version="v1.2.3", image=Index(digest=digest, origin="published"))}


def test_a_tag_that_moved_is_told_and_the_digest_stays(again: Relock, registry: FakeRegistry) -> None:
    """The content that was locked is as good as it was."""
    locked = {"frob": Locked(version="v1.2.3", image=Index(digest=f"sha256:{A}", origin="published"))}
    found = again(imaged(f"{registry.host}/team/frob"), locked)
    assert (found.lock, found.problems) == (locked, [])
    assert found.rows[0][4] == "its tag moved: the locked digest stays"
