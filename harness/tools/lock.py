"""tools.lock.yaml: the checksums by which official programs are believed, for each tool and platform.

An entry counts for the version that it names and no other: a pin that was raised, here or in settings of a user's own,
has none until `tools lock` has written it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from harness.errors import SettingsError
from harness.formats.addresses import on_this_machine
from harness.replacing import replace
from harness.settings import DEFAULT_FILE, Archive, Pin

FILE = DEFAULT_FILE.with_name("tools.lock.yaml")
PLATFORMS = ("linux/amd64", "linux/arm64")  # those that the harness runs on

Origin = Literal["published", "computed", "sources"]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sum(_Closed):
    """Of a release file. The file itself says at its head what the origins mean."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    origin: Origin


class Index(_Closed):
    """Of an image: the digest of its index, which covers all platforms."""

    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    origin: Origin


class Locked(_Closed):
    """What is known of one tool at one version."""

    version: str
    archives: dict[str, Sum] = Field(default_factory=dict)
    image: Index | None = None


@dataclass(frozen=True)
class ImageSource:
    """`repository` with its registry ("ghcr.io/fluxcd/source-controller"); `digest` is of the index, "sha256:...".

    `authority` is the file with the certificate of an authority that the system does not know.
    """

    repository: str
    digest: str
    member: str
    authority: Path | None = None

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}"


Lock = Mapping[str, Locked]
_FORM = TypeAdapter(dict[str, Locked])


def load(file: Path = FILE) -> dict[str, Locked]:
    """The entries by tool. Raises SettingsError."""
    try:
        return _FORM.validate_python(yaml.safe_load(file.read_text(encoding="utf-8")) or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise SettingsError(f"cannot be read: {reason}", where=str(file), do="restore it: git checkout") from error


def write(lock: Lock, file: Path = FILE) -> None:
    """Write the entries in order of their names; the comment at the head of the file stays."""
    head = re.match(r"(#.*\n)*", file.read_text(encoding="utf-8") if file.exists() else "")
    lines = [head[0] if head else ""]
    for name, entry in sorted(lock.items()):
        lines.append(f"{name}:\n  version: {entry.version}\n")
        if entry.archives:
            lines.append("  archives:\n")
        for platform, each in sorted(entry.archives.items()):
            lines.append(f"    {platform}: {{sha256: {each.sha256}, origin: {each.origin}}}\n")
        if entry.image:
            lines.append(f"  image: {{digest: {entry.image.digest}, origin: {entry.image.origin}}}\n")
    replace(file, "".join(lines), mode=0o644)


def archive_of(name: str, pin: Pin, lock: Lock, platform: str) -> tuple[Archive, str] | None:
    """The release file of a tool for a platform, and what vouches for it; None where there is none with a checksum."""
    own = pin.archives.get(platform)
    if own is not None:
        return own, "sha256 of the settings"
    entry = lock.get(name)
    if pin.release is None or entry is None or entry.version != pin.version or platform not in entry.archives:
        return None
    found = entry.archives[platform]
    url, member = address(pin, pin.release.url, platform), address(pin, pin.release.member, platform)
    return Archive(url=url, sha256=found.sha256, member=member), f"sha256, {found.origin}"


def image_of(name: str, pin: Pin, lock: Lock) -> tuple[ImageSource, str] | None:
    """The image that has a tool's program, and what vouches for it; None where there is none with a digest."""
    entry = lock.get(name)
    if pin.image is None or entry is None or entry.version != pin.version or entry.image is None:
        return None
    return ImageSource(pin.image.repository, entry.image.digest, pin.image.member), f"digest, {entry.image.origin}"


def address(pin: Pin, template: str, platform: str) -> str:
    """An address, or a path in an archive, of a release: with version and platform filled in."""
    system, _, architecture = platform.partition("/")
    names = {"version": pin.version, "number": pin.version.removeprefix("v"), "os": system, "arch": architecture}
    return re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], found[0]), template)


def missing(pins: Mapping[str, Pin], lock: Lock) -> list[str]:
    """What a lock lacks, or has too much of, in words: each pin that has a release needs a checksum per platform."""
    found = []
    for name, pin in pins.items():
        entry = lock.get(name)
        if pin.release is None and pin.image is None:
            continue
        if entry is None or entry.version != pin.version:
            found.append(f"{name} {pin.version}: not locked" + (f" (but {entry.version})" if entry else ""))
        elif pin.image is not None and entry.image is None:
            found.append(f"{name} {pin.version}: no digest of its image")
        elif pin.release is not None:
            absent = [each for each in PLATFORMS if each not in entry.archives]
            found += [f"{name} {pin.version}: no checksum for {each}" for each in absent]
    known = {name for name, pin in pins.items() if pin.release or pin.image}
    return found + [f"{name}: is locked, and not a pin with a release" for name in sorted(lock.keys() - known)]


def image_address(repository: str) -> str:
    """Of an image's registry, which is asked over TLS unless it is on this machine."""
    return f"{'http' if on_this_machine(f'oci://{repository}') else 'https'}://{repository}"
