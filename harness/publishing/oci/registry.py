"""The one place that pushes to an OCI registry, looks up and reads back.

What is promised: a tag appears when all that it stands for is there, and never before; a tag is never moved; what the
registry says it holds is what was sent. The client is oras's: docs/adr/0015-oras.md.
"""

import json
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.bundles.delivery import Target
from harness.formats.media_types import HELM_CONFIG
from harness.publishing.oci.address import Access
from harness.publishing.oci.artifact import (
    VERSION,
    Artifact,
    chart_tag,
    content_digest,
    digest_of,
    pack_chart,
    pack_directory,
    tag_for,
)
from harness.publishing.oci.connection import Connection
from harness.publishing.oci.credentials import Credentials
from harness.publishing.oci.errors import AccessRefused, DigestMismatch, NoConnection, RegistryError
from harness.settings import Retries

__all__ = [
    "AccessRefused",
    "Artifact",
    "DigestMismatch",
    "NoConnection",
    "Published",
    "Registry",
    "RegistryError",
    "TagTaken",
    "chart_tag",
    "content_digest",
    "digest_of",
    "pack_chart",
    "pack_directory",
    "tag_for",
]

READY_SECONDS = 2.0

# The grammars of the distribution specification.
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class TagTaken(RegistryError):
    """The tag stands for something else already."""


@dataclass(frozen=True)
class Published:
    """An artifact in a registry. `digest`, of its manifest, is the identity for everything after; the tag is a name."""

    registry: str
    repository: str
    tag: str
    digest: str
    config_media_type: str
    layer_media_types: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}:{self.tag}@{self.digest}"


class Registry:
    """The registry at `host` ("localhost:5500"), over plain HTTP, which is for loopback addresses, or HTTPS.

    `authority` is the file with the certificate of an authority that the system does not know. 5xx, 429 and broken
    connections are tried again as `retries` say, anything else is raised at once. Setting `cancelled` ends the pauses
    between attempts. Safe to use from many threads.
    """

    def __init__(
        self,
        host: str,
        *,
        retries: Retries,
        plain_http: bool = True,
        cancelled: threading.Event | None = None,
        credentials: Credentials | None = None,
        authority: Path | None = None,
    ) -> None:
        self.host = host
        self._connection = Connection(
            host,
            retries,
            plain_http=plain_http,
            cancelled=cancelled if cancelled is not None else threading.Event(),
            credentials=credentials,
            authority=authority,
        )

    @classmethod
    def at(cls, access: Access, *, retries: Retries, cancelled: threading.Event | None = None) -> "Registry":
        """The registry that `access` describes."""
        return cls(
            access.address.host,
            retries=retries,
            plain_http=access.address.plain_http,
            cancelled=cancelled,
            credentials=access.credentials,
            authority=access.authority,
        )

    def ready(self) -> bool:
        """Whether it answers as a registry right now. An open port proves nothing."""
        try:
            self._ping(READY_SECONDS)
        except RegistryError:
            return False
        return True

    def require(self) -> None:
        """Raise RegistryError unless it answers as a registry, and takes the credentials."""
        self._connection.again(self._ping)

    def push(self, artifact: Artifact, repository: str, tag: str) -> Published:
        """Make `tag` stand for `artifact`. Again with the same artifact is fine, and heals what is missing.

        The manifest goes last, when the registry has confirmed both blobs: a push that is cut off leaves no tag.
        Raises TagTaken where the tag stands for another artifact, RegistryError for everything else.
        """
        connection, where = self._connection, f"{self.host}/{repository}:{tag}"
        _check(artifact, repository, tag, where)
        there = self.resolve(repository, tag)
        if there not in (None, artifact.digest):
            raise TagTaken(
                f"the tag stands for {there} already, and this is {artifact.digest}",
                where=where,
                do="push under a new tag: consumers that have seen this one do not look again",
            )
        target = connection.container(repository, tag)
        blobs = (artifact.config, artifact.layer)
        for blob in blobs:
            connection.again(connection.upload, blob, target)
        for blob in blobs:
            if not connection.again(connection.blob_exists, {"digest": digest_of(blob), "size": len(blob)}, target):
                raise RegistryError(f"the registry took {digest_of(blob)}, and does not have it", where=where)
        if there is None:
            connection.again(connection.upload_manifest, artifact.manifest, target)
        published = self.published(repository, tag)
        if published.digest != artifact.digest:
            raise DigestMismatch(f"{artifact.digest} was pushed, the tag stands for {published.digest}", where=where)
        return published

    def deliver(self, parcel: Artifact, target: Target) -> Published:
        """`push` it to where a target says, whatever host controllers call this registry by."""
        return self.push(parcel, target.path, target.tag)

    def published(self, repository: str, tag: str) -> Published:
        """What stands behind a tag, whoever pushed it. Raises RegistryError (status 404) where nothing does."""
        document, digest = self.manifest(repository, tag)
        try:
            config, layers = document["config"]["mediaType"], tuple(layer["mediaType"] for layer in document["layers"])
        except (LookupError, TypeError) as error:
            where = f"{self.host}/{repository}:{tag}"
            raise RegistryError("is not the manifest of an artifact", where=where) from error
        return Published(self.host, repository, tag, digest, config, layers)

    def resolve(self, repository: str, tag: str) -> str | None:
        """The digest behind a tag; None where there is no such tag, or no such repository."""
        try:
            return self.manifest(repository, tag)[1]
        except RegistryError as error:
            if error.status == 404:
                return None
            raise

    def manifest(self, repository: str, reference: str) -> tuple[dict[str, Any], str]:
        """(manifest, its digest) by tag or digest. The digest is computed from the bytes that came."""
        url = self._connection.url(self._connection.container(repository, reference).manifest_url())
        data = self._connection.again(self._connection.fetch, url)
        where = self._connection.where("GET", url)
        try:
            document = json.loads(data)
        except ValueError as error:
            raise RegistryError(f"is not JSON: {error}", where=where) from error
        if not isinstance(document, dict):
            raise RegistryError("is not a manifest", where=where)
        return document, digest_of(data)

    def blob(self, repository: str, digest: str) -> bytes:
        """The content of a config or a layer, which is what `digest` says."""
        url = self._connection.url(self._connection.container(repository).get_blob_url(digest))
        return self._connection.again(self._connection.fetch, url)

    def _ping(self, seconds: float | None = None) -> None:
        self._connection.do_request(self._connection.url(self._connection.api), seconds=seconds)


def _check(artifact: Artifact, repository: str, tag: str, where: str) -> None:
    if not _REPOSITORY.fullmatch(repository):
        raise RegistryError("is not the name of a repository", where=where, do="use lower case letters, digits and -")
    if not _TAG.fullmatch(tag):
        raise RegistryError("is not a tag", where=where, do="use letters, digits and ._-, 128 of them at most")
    version = artifact.annotations.get(VERSION, "")
    if artifact.config_media_type == HELM_CONFIG and tag != chart_tag(version):
        raise RegistryError(f"Helm finds version {version} of a chart by no other tag than its version", where=where)
