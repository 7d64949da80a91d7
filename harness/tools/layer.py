"""A program out of an official image, without a container engine: the one layer that has it, by digest.

The digest of the index is pinned. It covers the manifest of each platform, and that each layer, so nothing below it
needs a pin of its own: every document is compared with its digest before it is read, a layer before it is opened.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from harness.deadline import Deadline
from harness.errors import ToolError
from harness.formats.addresses import on_this_machine
from harness.publishing.oci.connection import Connection
from harness.publishing.oci.errors import DigestMismatch, NoConnection, RegistryError
from harness.settings import Retries
from harness.tools.archive import WrongChecksum, extract
from harness.tools.download import Downloader, Pace, Tell
from harness.tools.lock import ImageSource, image_address


def fetch(image: ImageSource, platform: str, program: Path, work: Path, downloads: Downloader, tell: Tell) -> None:
    """Write the image's program for a platform ("linux/amd64"). Raises ToolError; `program` is then not there."""
    downloads.hosts.require(image_address(image.repository))
    host, _, repository = image.repository.partition("/")
    connection = connect(host, downloads, image.authority)
    try:
        manifest = connection.again(_document, connection, repository, image.digest)
        if "manifests" in manifest:
            digest = _of_platform(manifest, platform, image)
            manifest = connection.again(_document, connection, repository, digest)
        for layer in reversed(manifest.get("layers", [])):  # the program is what the last step of a build adds
            file = work / "layer"
            connection.again(_layer, connection, repository, layer, file, image, downloads, tell)
            if extract(file, image.member, program, str(image), downloads.patience.most_bytes):
                return
    except DigestMismatch as error:
        raise WrongChecksum(f"{error.where}: {error.what}; nothing was unpacked", do="do not use this image") from error
    except RegistryError as error:
        if isinstance(error, NoConnection):
            downloads.hosts.give_up(image_address(image.repository), error.what)
        raise ToolError(f"{error.where}: {error.what}", do="see whether this machine reaches that registry") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ToolError(f"{image}: is not an image that can be read: {error!r}") from error
    raise ToolError(f"{image}: no layer has a file {image.member!r}", do="correct the pin's `image.member`")


def connect(host: str, downloads: Downloader, authority: Path | None = None) -> Connection:
    """A connection without credentials: what is fetched is public."""
    patience = downloads.patience
    return Connection(
        host,
        Retries.model_construct(attempts=patience.attempts, delay=patience.delay),
        plain_http=on_this_machine(f"oci://{host}"),
        cancelled=downloads.cancelled,
        authority=authority,
    )


def _document(connection: Connection, repository: str, digest: str) -> dict[str, Any]:
    """An index or a manifest, of which the connection has seen that it has the digest."""
    found = json.loads(connection.manifest(repository, digest))
    if not isinstance(found, dict):
        raise TypeError(f"expected a mapping, got a {type(found).__name__}")
    return found


def _of_platform(index: dict[str, Any], platform: str, image: ImageSource) -> str:
    system, _, architecture = platform.partition("/")
    for each in index["manifests"]:
        of = each.get("platform", {})
        if (of.get("os"), of.get("architecture")) == (system, architecture):
            return str(each["digest"])
    raise ToolError(f"{image}: is not there for {platform}")


def _layer(
    connection: Connection,
    repository: str,
    layer: dict[str, Any],
    file: Path,
    image: ImageSource,
    downloads: Downloader,
    tell: Tell,
) -> None:
    """Fetch one layer and compare its digest."""
    digest, size, limit = str(layer["digest"]), int(layer["size"]), downloads.patience.most_bytes
    if size > limit:
        raise ToolError(f"{image}: a layer of {size} bytes, more than {limit}")
    deadline = Deadline.after(downloads.patience.total, clock=downloads.clock)
    pace, hashed = Pace(downloads, str(image), deadline, tell, expected=size), hashlib.sha256()
    with file.open("wb") as target:
        for chunk in connection.content(repository, digest):
            pace.came(len(chunk))
            hashed.update(chunk)
            target.write(chunk)
            if pace.size > size:
                break  # the digest cannot be right any more
    if pace.size < size:
        raise NoConnection(f"truncated: {pace.size} of {size} bytes came", where=f"layer {digest} of {image}")
    if f"sha256:{hashed.hexdigest()}" != digest:
        what = f"the layer that came has digest sha256:{hashed.hexdigest()}"
        raise DigestMismatch(what, where=f"layer {digest} of {image}")
    tell(f"downloaded {pace}")
