"""The one place that talks to an OCI registry: push, look up, read back.

Written on urllib3 and the distribution API (docs/adr/0008-oci-client.md). What is promised: a tag appears when all
that it stands for is there, and never before; a tag is never moved; what the registry says it holds is what was sent.
"""

import json
import re
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import urllib3

from harness.formats.media_types import HELM_CONFIG, MANIFEST
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
from harness.publishing.oci.connection import Connection, NoConnection, RegistryError
from harness.settings import Retries

__all__ = [
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


class DigestMismatch(RegistryError):
    """What the registry holds, or says it holds, is not what was sent or asked for."""


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

    5xx, 429 and broken connections are tried again as `retries` say, anything else is raised at once. Setting
    `cancelled` ends the pauses between attempts. Safe to use from many threads.
    """

    def __init__(
        self, host: str, *, retries: Retries, plain_http: bool = True, cancelled: threading.Event | None = None
    ) -> None:
        self.host = host
        self._connection = Connection(
            host, retries, plain_http=plain_http, cancelled=cancelled if cancelled is not None else threading.Event()
        )

    def ready(self) -> bool:
        """Whether it answers as a registry right now. An open port proves nothing."""
        try:
            self._connection.ask("GET", "/v2/", seconds=READY_SECONDS)
        except RegistryError:
            return False
        return True

    def push(self, artifact: Artifact, repository: str, tag: str) -> Published:
        """Make `tag` stand for `artifact`. Again with the same artifact is fine, and heals what is missing.

        The manifest goes last, when the registry has confirmed both blobs: a push that is cut off leaves no tag.
        Raises TagTaken where the tag stands for another artifact, RegistryError for everything else.
        """
        again, where = self._connection.again, f"{self.host}/{repository}:{tag}"
        _check(artifact, repository, tag, where)
        there = self.resolve(repository, tag)
        if there not in (None, artifact.digest):
            raise TagTaken(
                f"the tag stands for {there} already, and this is {artifact.digest}",
                where=where,
                do="push under a new tag: consumers that have seen this one do not look again",
            )
        for blob in (artifact.config, artifact.layer):
            again(self._upload, repository, blob)
        for blob in (artifact.config, artifact.layer):
            if not again(self._holds, repository, blob):
                raise RegistryError(f"the registry took {digest_of(blob)}, and does not have it", where=where)
        if there is None:
            again(self._tag, repository, tag, artifact)
        published = self.published(repository, tag)
        if published.digest != artifact.digest:
            raise DigestMismatch(f"{artifact.digest} was pushed, the tag stands for {published.digest}", where=where)
        return published

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
        target = f"/v2/{repository}/manifests/{reference}"
        data = self._fetch(target, reference if ":" in reference else "")
        where = self._connection.where("GET", target)
        try:
            document = json.loads(data)
        except ValueError as error:
            raise RegistryError(f"is not JSON: {error}", where=where) from error
        if not isinstance(document, dict):
            raise RegistryError("is not a manifest", where=where)
        return document, digest_of(data)

    def blob(self, repository: str, digest: str) -> bytes:
        """The content of a config or a layer, which is what `digest` says."""
        return self._fetch(f"/v2/{repository}/blobs/{digest}", digest)

    def _fetch(self, target: str, digest: str) -> bytes:
        """What is at `target`, whose digest is the one that the registry names and, if any, `digest`."""
        answer = self._connection.again(self._connection.ask, "GET", target, headers={"Accept": f"{MANIFEST}, */*"})
        found = digest_of(answer.data)
        self._same(answer, found, "GET", target)
        if digest not in ("", found):
            where = self._connection.where("GET", target)
            raise DigestMismatch(f"the content that came has digest {found}", where=where)
        return answer.data

    def _upload(self, repository: str, blob: bytes) -> None:
        """Make sure that a blob is there. Tried again as a whole: nobody knows the state of a session that broke."""
        if self._holds(repository, blob):
            return
        digest, sessions = digest_of(blob), f"/v2/{repository}/blobs/uploads/"
        session = self._connection.follow(self._connection.ask("POST", sessions, expect=(202,)), sessions)
        target = f"{session}{'&' if '?' in session else '?'}digest={quote(digest, safe='')}"
        binary = {"Content-Type": "application/octet-stream"}
        answer = self._connection.ask("PUT", target, expect=(201,), body=blob, headers=binary)
        self._same(answer, digest, "PUT", target)

    def _holds(self, repository: str, blob: bytes) -> bool:
        digest = digest_of(blob)
        target = f"/v2/{repository}/blobs/{digest}"
        answer = self._connection.ask("HEAD", target, expect=(200, 404))
        if answer.status == 404:
            return False
        self._same(answer, digest, "HEAD", target)
        length = answer.headers.get("Content-Length", "")
        if length != str(len(blob)):
            where = self._connection.where("HEAD", target)
            raise DigestMismatch(f"the registry has {length or 'no'} bytes of a blob of {len(blob)}", where=where)
        return True

    def _tag(self, repository: str, tag: str, artifact: Artifact) -> None:
        target = f"/v2/{repository}/manifests/{tag}"
        document = {"Content-Type": MANIFEST}
        answer = self._connection.ask("PUT", target, expect=(201,), body=artifact.manifest, headers=document)
        self._same(answer, artifact.digest, "PUT", target)

    def _same(self, answer: urllib3.BaseHTTPResponse, digest: str, method: str, target: str) -> None:
        """The header is optional in the specification; where it is there, it has to be right."""
        named = answer.headers.get("Docker-Content-Digest", digest)
        if named != digest:
            where = self._connection.where(method, target)
            raise DigestMismatch(f"the registry speaks of {named}, and the content has digest {digest}", where=where)


def _check(artifact: Artifact, repository: str, tag: str, where: str) -> None:
    if not _REPOSITORY.fullmatch(repository):
        raise RegistryError("is not the name of a repository", where=where, do="use lower case letters, digits and -")
    if not _TAG.fullmatch(tag):
        raise RegistryError("is not a tag", where=where, do="use letters, digits and ._-, 128 of them at most")
    version = artifact.annotations.get(VERSION, "")
    if artifact.config_media_type == HELM_CONFIG and tag != chart_tag(version):
        raise RegistryError(f"Helm finds version {version} of a chart by no other tag than its version", where=where)
