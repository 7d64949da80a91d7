"""A client for an object store that speaks S3: path style, signature version 4 (AWS General Reference, "Signature
Version 4 signing process"), over loopback.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

import urllib3

from harness.endtoend.processes.declared import PORT, ObjectStore, Process
from harness.errors import DataError, HarnessError

_SECONDS = 10.0  # for one request


def client_of(process: Process, ports: Callable[[str], Mapping[str, int]]) -> "ObjectStoreClient":
    """A client of a stand-in for S3; `ports` gives those of a process. Raises DataError for a process that is none."""
    if not isinstance(process.run, ObjectStore):
        raise DataError(
            "is no stand-in for S3", where=f"processes.{process.name}", do="name a process with standIn: s3"
        )
    keys = process.run
    return ObjectStoreClient(ports(process.name)[PORT], keys.access_key, keys.secret_key, keys.region)


class ObjectStoreError(HarnessError):
    """The store did not do what it was asked; `status` is that of its answer, 0 where there was none."""

    def __init__(self, what: str, *, where: str, status: int = 0) -> None:
        super().__init__(what, where=where)
        self.status = status


@dataclass(frozen=True)
class ObjectStoreClient:
    """One store on loopback, with one pair of keys."""

    port: int
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"

    def read(self, bucket: str, key: str) -> bytes:
        """The content of an object. Raises ObjectStoreError."""
        return self._ask("GET", bucket, key)

    def write(self, bucket: str, key: str, content: bytes) -> None:
        """Make an object, or replace it. Raises ObjectStoreError."""
        self._ask("PUT", bucket, key, content)

    def make(self, bucket: str) -> None:
        """Have the bucket there. Raises ObjectStoreError."""
        try:
            self._ask("PUT", bucket)
        except ObjectStoreError as error:
            if error.status != 409:  # it is there
                raise

    def _ask(self, method: str, bucket: str, key: str = "", content: bytes = b"") -> bytes:
        path = "/" + quote("/".join(filter(None, (bucket, key))), safe="/-_.~")
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urllib3.PoolManager(retries=False, timeout=_SECONDS) as pool:
                headers = self.signed(method, path, content, datetime.now(UTC))
                answer = pool.request(method, url, body=content or None, headers=dict(headers))
        except urllib3.exceptions.HTTPError as error:
            raise ObjectStoreError(f"does not answer: {error}", where=f"{method} {url}") from error
        if answer.status >= 300:
            what = f"answers {answer.status}: {answer.data[:300].decode(errors='replace')}"
            raise ObjectStoreError(what, where=f"{method} {url}", status=answer.status)
        return bytes(answer.data)

    def signed(self, method: str, path: str, content: bytes, now: datetime) -> Mapping[str, str]:
        """The headers of a request, with its signature."""
        time, day, digest = f"{now:%Y%m%dT%H%M%SZ}", f"{now:%Y%m%d}", hashlib.sha256(content).hexdigest()
        headers = {"host": f"127.0.0.1:{self.port}", "x-amz-content-sha256": digest, "x-amz-date": time}
        names = ";".join(sorted(headers))
        listed = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        request = "\n".join((method, path, "", listed, names, digest))
        scope = f"{day}/{self.region}/s3/aws4_request"
        hashed = hashlib.sha256(request.encode()).hexdigest()
        text = "\n".join(("AWS4-HMAC-SHA256", time, scope, hashed))
        key = f"AWS4{self.secret_key}".encode()
        for part in (*scope.split("/"), text):
            key = hmac.digest(key, part.encode(), "sha256")
        credential = f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}"
        return {**headers, "authorization": f"{credential}, SignedHeaders={names}, Signature={key.hex()}"}
