"""Where a registry is, as settings, controllers and clients write it, and how one gets there."""

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.errors import SettingsError
from harness.publishing.oci.connection import server
from harness.publishing.oci.credentials import Credentials
from harness.settings import Retries

if TYPE_CHECKING:
    from harness.publishing.oci.registry import Registry

# The grammar of the distribution specification.
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")


@dataclass(frozen=True)
class Address:
    """Where a run's artifacts are: a registry's `host` with its port, and the `path` in it below which they lie."""

    host: str
    path: str = ""
    plain_http: bool = False

    @classmethod
    def parse(cls, text: str, *, where: str) -> "Address":
        """From "registry.example.com/team", spoken to over HTTPS, or "http://localhost:5001/team".

        Raises SettingsError for anything else, and for plain HTTP to another machine.
        """
        scheme, separator, rest = text.rpartition("://")
        host, slash, path = rest.rstrip("/").partition("/")
        address = cls(host, path, plain_http=scheme == "http")
        example = "write HOST[:PORT][/PATH], for example registry.example.com/team"
        if (separator and scheme not in ("http", "https", "oci")) or (slash and not _PATH.fullmatch(path)):
            raise SettingsError(
                f"{rest.rpartition('@')[2]!r} is not the address of a registry", where=where, do=example
            )
        server(host, plain_http=address.plain_http)
        return address

    def repository(self, *names: str) -> str:
        """With the host: "registry.example.com/team/eks-training"."""
        return "/".join(filter(None, (self.host, self.path, *names)))

    @property
    def url(self) -> str:
        """As controllers and Helm write it: "oci://registry.example.com/team"."""
        return f"oci://{self.repository()}"

    @property
    def hostname(self) -> str:
        """The host without its port."""
        return urlsplit(f"//{self.host}").hostname or ""

    def __str__(self) -> str:
        return self.repository()


@dataclass(frozen=True)
class Access:
    """All that a client of a registry needs: where it is, who asks, and the file with the certificate of an authority
    that the system does not know.
    """

    address: Address
    credentials: Credentials | None = None
    authority: Path | None = None

    @property
    def secrets(self) -> frozenset[str]:
        """What must not be written anywhere where others may read it."""
        return self.credentials.secrets if self.credentials else frozenset()

    def client(self, *, retries: Retries, cancelled: threading.Event | None = None) -> "Registry":
        from harness.publishing.oci.registry import Registry

        return Registry.at(self, retries=retries, cancelled=cancelled)
