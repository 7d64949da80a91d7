"""Files of a Go module without Go: from the zip that a module proxy serves, checked against a committed go.sum.

The line of go.sum, "MODULE VERSION h1:...", covers the name and the content of each file in the zip: it is the base64
of the sha256 over a line for each of them, in the order of their names (golang.org/x/mod/sumdb/dirhash, Hash1).
"""

import base64
import hashlib
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from urllib.request import url2pathname

from harness.errors import ToolError
from harness.settings import Pin
from harness.tools.archive import WrongChecksum
from harness.tools.download import Downloader, Tell, acceptable
from harness.tools.files import no_files

PROXY = "https://proxy.golang.org"  # Go's own default


def addresses(pin: Pin, environment: Mapping[str, str]) -> list[str]:
    """Where the zip of the pin's module may be had, in the order of GOPROXY; empty where only Go knows how."""
    path = re.sub(r"[A-Z]", lambda letter: f"!{letter[0].lower()}", f"{pin.module}/@v/{pin.version}.zip")
    found = []
    for proxy in re.split(r"[,|]", _proxies(environment)):
        if proxy in ("direct", "off"):
            break
        if proxy.startswith("file://") or acceptable(proxy):
            found.append(f"{proxy.rstrip('/')}/{path}")
    return found


def keep_files(
    pin: Pin, wrapper: Path, target: Path, work: Path, downloads: Downloader, tell: Tell, environment: Mapping[str, str]
) -> None:
    """Write the directories `pin.files` of the pin's module below `target`. Raises ToolError.

    Each proxy is asked in turn, and the bytes of none are used unless they are those of the wrapper's go.sum.
    """
    expected = _locked(pin, wrapper / "go.sum")
    reasons = []
    for url in addresses(pin, environment):
        zipped = work / "module.zip"
        try:
            _obtain(url, zipped, downloads, tell)
        except ToolError as error:
            reasons.append(error.what)
            continue
        _unpack(pin, zipped, url, expected, target, downloads.patience.most_bytes)
        return
    raise ToolError("\n".join(reasons) or "GOPROXY names no proxy that can be asked without Go")


def _obtain(url: str, target: Path, downloads: Downloader, tell: Tell) -> None:
    if not url.startswith("file://"):
        downloads.fetch(url, target, tell)
        return
    try:
        shutil.copyfile(url2pathname(urlsplit(url).path), target)
    except OSError as error:
        raise ToolError(f"{url}: {error.strerror}") from error


def _unpack(pin: Pin, zipped: Path, url: str, expected: str, target: Path, most_bytes: int) -> None:
    try:
        with zipfile.ZipFile(zipped) as content:
            if sum(each.file_size for each in content.infolist()) > most_bytes:
                raise ToolError(f"{url}: more than {most_bytes} bytes when unpacked")
            found = hash1(content)
            if found != expected:
                raise WrongChecksum(
                    f"{url}: wrong checksum: {found}, expected {expected} as go.sum records; nothing was unpacked",
                    do="the module proxy (GOPROXY) gave other bytes than go.sum records: do not trust it",
                )
            for name in pin.files:
                _copy(pin, content, name, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ToolError(f"{url}: is not a readable zip: {error}") from error


def hash1(content: zipfile.ZipFile) -> str:
    """The h1 checksum of a module's zip."""
    lines = []
    for name in sorted(content.namelist()):
        with content.open(name) as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")  # type: ignore[arg-type]
    return "h1:" + base64.b64encode(hashlib.sha256("".join(lines).encode()).digest()).decode()


def _copy(pin: Pin, content: zipfile.ZipFile, directory: str, target: Path) -> None:
    """The files of one directory of the module, at the paths that they have in it."""
    root = f"{pin.module}@{pin.version}/"
    names = [each for each in content.namelist() if each.startswith(f"{root}{directory}/") and not each.endswith("/")]
    if not names:
        raise no_files(pin.module, pin.version, directory)
    for name in names:
        path = PurePosixPath(name.removeprefix(root))
        if ".." in path.parts:
            raise ToolError(f"{pin.module} {pin.version}: has a file {name!r}, which would leave its directory")
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        with content.open(name) as source, copy.open("wb") as file:
            shutil.copyfileobj(source, file)
            file.flush()
            os.fsync(file.fileno())


def _locked(pin: Pin, go_sum: Path) -> str:
    for line in go_sum.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{pin.module} {pin.version} "):
            return line.split()[2]
    raise ToolError(f"{go_sum} does not have {pin.module} {pin.version}", do="correct the pin's version or its wrapper")


def _proxies(environment: Mapping[str, str]) -> str:
    """GOPROXY: of the environment, of `go env -w`, or Go's default."""
    if environment.get("GOPROXY"):
        return environment["GOPROXY"]
    home = environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME', '')}/.config"
    named = environment.get("GOENV") or f"{home}/go/env"
    try:
        text = Path(named).read_text(encoding="utf-8") if named != "off" else ""
    except (OSError, UnicodeDecodeError):
        text = ""
    written = re.search(r"^GOPROXY=(.+)$", text, re.MULTILINE)
    return written[1].strip() if written else f"{PROXY},direct"
