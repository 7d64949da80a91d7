"""Official release files: believed only with their checksum.

Nothing is unpacked, or even opened as an archive, before its sha256 was compared. Out of an archive comes one named
member, whose bytes are copied; no path in an archive is ever followed.
"""

import shutil
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from harness.errors import SettingsError, ToolError
from harness.settings import Archive, Pin
from harness.tools.download import LOOPBACK, Downloader, Tell, acceptable


class WrongChecksum(ToolError):
    """Something else came than what was pinned: told even where the tool can be had in another way."""


def check(pins: Mapping[str, Pin]) -> None:
    """Raises SettingsError where an archive's address is neither https:// nor http:// on the loopback address."""
    for name, pin in pins.items():
        named = {f"archives.{platform}.url": archive.url for platform, archive in pin.archives.items()}
        if pin.release is not None:
            named |= {"release.url": pin.release.url} | ({"release.sums": pin.release.sums} if pin.release.sums else {})
        for key, url in named.items():
            if not acceptable(url):
                raise SettingsError(
                    f"{url!r} is not an https:// address",
                    where=f"tools.pins.{name}.{key}",
                    do=f"write an https:// address (http:// is for {LOOPBACK} only)",
                )


def fetch(archive: Archive, program: Path, work: Path, downloads: Downloader, tell: Tell) -> None:
    """Download into `work`, verify, and write the program. Raises ToolError, and then there is no program."""
    download = work / "download"
    digest = downloads.fetch(archive.url, download, tell)
    if digest != archive.sha256:
        raise WrongChecksum(
            f"{archive.url}: wrong checksum: sha256 is {digest}, expected {archive.sha256}; nothing was unpacked",
            do="compare with the checksum that the project publishes; do not use this file",
        )
    if archive.member:
        if not extract(download, archive.member, program, archive.url, downloads.patience.most_bytes):
            raise ToolError(f"{archive.url}: contains no file {archive.member!r}", do="correct the pin's `member`")
    else:
        download.rename(program)


def extract(download: Path, member: str, program: Path, name: str, most_bytes: int) -> bool:
    """Copy one member of a tar to `program`; whether it has that member, as a file. Raises ToolError."""
    try:
        with tarfile.open(download) as tar:
            found = next((each for each in tar if each.name.removeprefix("./") == member), None)
            content = tar.extractfile(found) if found is not None and found.isfile() else None
            if found is None or content is None:
                return False
            if found.size > most_bytes:
                raise ToolError(f"{name}: {member} is larger than {most_bytes} bytes")
            with program.open("wb") as file:
                shutil.copyfileobj(content, file)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ToolError(f"{name}: is not a readable archive: {error}") from error
    return True
