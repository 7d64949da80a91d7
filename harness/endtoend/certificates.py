"""Certificates of our own, for servers of a suite that are asked over TLS: one authority for each cluster.

It is kept beside the cluster, since what was told to trust it has to go on doing so after a restart.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.replacing import replace

if TYPE_CHECKING:
    import trustme

_FILE = "authority.pem"  # key and certificate
_HERE = ("127.0.0.1", "localhost")


@dataclass(frozen=True)
class Certificate:
    """A certificate with those above it, its key, and that of the authority, each in PEM."""

    chain: str
    key: str
    authority: str

    def write(self, directory: Path) -> None:
        """The files tls.crt, tls.key and ca.crt, as in a Secret of the type kubernetes.io/tls; for the owner alone."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in (("tls.crt", self.chain), ("tls.key", self.key), ("ca.crt", self.authority)):
            replace(directory / name, text)


def issue(directory: Path, names: Iterable[str] = ()) -> Certificate:
    """A new certificate for this machine and these names, by the authority that is kept in `directory`."""
    authority = _authority(directory)
    made = authority.issue_cert(*_HERE, *names)
    chain = "".join(each.bytes().decode() for each in made.cert_chain_pems)
    return Certificate(chain, made.private_key_pem.bytes().decode(), authority.cert_pem.bytes().decode())


def trusted(directory: Path) -> str:
    """The certificate of the authority, in PEM: what a client has to trust."""
    return _authority(directory).cert_pem.bytes().decode()


def _authority(directory: Path) -> "trustme.CA":
    """The one that is kept there, made where there is none yet."""
    import trustme  # a quarter of a second, which suites without TLS do not need

    file = directory / _FILE
    if not file.exists():
        made = trustme.CA()
        replace(file, made.private_key_pem.bytes().decode() + made.cert_pem.bytes().decode())
    text = file.read_bytes()
    return trustme.CA.from_pem(cert_bytes=text, private_key_bytes=text)
