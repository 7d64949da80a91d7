"""`tools lock`: what projects publish about their releases, written down once, so that installing asks nobody.

A checksum that changed for an unchanged version is an error, and the old one stays: whoever replaces a release after
the fact, or stands in between, must not be believed because a robot ran. A tag of an image may move; the digest that
was locked stays as good as it was, and that the tag moved is told.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harness.errors import HarnessError, ToolError
from harness.publishing.oci.artifact import digest_of
from harness.publishing.oci.errors import RegistryError
from harness.settings import Image, Pin, Release
from harness.tools.download import Downloader, Tell
from harness.tools.layer import connect
from harness.tools.lock import PLATFORMS, Index, Lock, Locked, Sum, address, image_address

_SUM = re.compile(r"([0-9a-f]{64})(?:\s+\*?(?:\./)?(\S+))?", re.IGNORECASE)
_MOST_TEXT = 2**20  # bytes of a file of checksums


@dataclass
class Relocked:
    """A new lock, a row for each checksum (tool, version, platform, origin, what became of it), and what went wrong."""

    lock: dict[str, Locked]
    rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def relock(
    pins: Mapping[str, Pin],
    names: Sequence[str],
    lock: Lock,
    downloads: Downloader,
    work: Path,
    tell: Callable[[str, str], None],
    *,
    accept_changed: bool = False,
    authority: Path | None = None,
) -> Relocked:
    """Ask the projects of these tools for their checksums, for all platforms. `tell` gets a tool and what is done.

    What could not be had, and what changed unless that is accepted, is in `problems`; its old entry stays.
    """
    found = Relocked(dict(lock))
    for name in names:
        pin = pins[name]
        old = lock.get(name)
        if old is None or old.version != pin.version:
            old = Locked(version=pin.version)

        def say(text: str, name: str = name) -> None:
            tell(name, text)

        archives, image = dict(old.archives), old.image
        for platform in PLATFORMS:
            if pin.release is None:
                break
            row = (name, pin.version, platform)
            try:
                new = _of_release(pin, pin.release, platform, downloads, work, say)
                archives[platform] = _agreed(archives.get(platform), new, accept_changed=accept_changed)
            except HarnessError as error:
                found.problems.append(f"{name} {platform}: {error.what}")
                found.rows.append((*row, "", "failed"))
            else:
                found.rows.append((*row, new.origin, _became(old.archives.get(platform), new)))
        if pin.image is not None:
            try:
                index = _of_image(pin, pin.image, downloads, authority)
            except HarnessError as error:
                found.problems.append(f"{name}: {error.what}")
                found.rows.append((name, pin.version, "image", "", "failed"))
            else:
                moved = image is not None and image.digest != index.digest and not accept_changed
                became = "its tag moved: the locked digest stays" if moved else _became(image, index)
                found.rows.append((name, pin.version, "image", index.origin, became))
                image = image if moved else index
        if archives or image:
            found.lock[name] = Locked(version=pin.version, archives=archives, image=image)
    found.lock = {name: entry for name, entry in found.lock.items() if name in pins}
    return found


def published(text: str, name: str) -> str:
    """The checksum of a file in what a project publishes: 64 digits alone, or a line of them with the file's name.

    Raises ToolError: a page that says that something went wrong is no checksum.
    """
    for line in text.splitlines():
        found = _SUM.fullmatch(line.strip())
        if found and (found[2] == name or (found[2] is None and text.strip() == line.strip())):
            return found[1].lower()
    first = text.strip().splitlines()[0][:80] if text.strip() else ""
    raise ToolError(f"has no checksum of {name}; it begins with {first!r}")


def _of_release(pin: Pin, release: Release, platform: str, downloads: Downloader, work: Path, tell: Tell) -> Sum:
    url = address(pin, release.url, platform)
    file = work / "fetched"
    if not release.sums:
        tell(f"downloading {url}, of which no checksum is published")
        return Sum(sha256=downloads.fetch(url, file, tell), origin="computed")
    sums = address(pin, release.sums, platform)
    tell(f"reading {sums}")
    downloads.fetch(sums, file, lambda _: None)
    if file.stat().st_size > _MOST_TEXT:
        raise ToolError(f"{sums}: is too large for a file of checksums")
    try:
        found = published(file.read_text(encoding="utf-8", errors="replace"), unquote(Path(urlsplit(url).path).name))
    except ToolError as error:
        raise ToolError(f"{sums}: {error.what}") from error
    return Sum(sha256=found, origin="published")


def _of_image(pin: Pin, image: Image, downloads: Downloader, authority: Path | None) -> Index:
    host, _, repository = image.repository.partition("/")
    downloads.hosts.require(image_address(image.repository))
    try:
        connection = connect(host, downloads, authority)
        content = connection.again(connection.manifest, repository, pin.version)
    except RegistryError as error:
        raise ToolError(f"{error.where}: {error.what}") from error
    return Index(digest=digest_of(content), origin="published")


def _agreed(old: Sum | None, new: Sum, *, accept_changed: bool) -> Sum:
    if old is not None and old.sha256 != new.sha256 and not accept_changed:
        raise ToolError(f"the checksum changed for an unchanged version: it was {old.sha256}, and is {new.sha256}")
    return new


def _became(old: Sum | Index | None, new: Sum | Index) -> str:
    if old is None:
        return "new"
    if old == new:
        return "as before"
    same = old.model_copy(update={"origin": new.origin}) == new
    return f"confirmed, was {old.origin}" if same else "changed"
