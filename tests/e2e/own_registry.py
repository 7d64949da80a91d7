"""A registry that belongs to a test and to no cluster."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.publishing.oci.address import Access, Address
from harness.publishing.oci.credentials import Credentials
from harness.publishing.oci.registry import Registry
from harness.settings import Retries
from tests.e2e.own_server import Certified, Server

RETRIES = Retries.model_construct(attempts=3, delay=0.05)


@dataclass
class Running(Server):
    """A registry of the test's own, which can be killed and started again on the same storage."""

    def registry(self) -> Registry:
        return Registry(self.host, retries=RETRIES)

    def configuration(self) -> dict[str, Any]:
        return {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": str(self.directory / "storage")}, "delete": {"enabled": True}},
            "http": {"addr": f"127.0.0.1:{self.port}"},
        }

    def prepare(self) -> Sequence[str | Path]:
        (self.directory / "config.yml").write_text(json.dumps(self.configuration()))
        return [self.binary, "serve", self.directory / "config.yml"]

    def environment(self) -> Mapping[str, str]:
        return {"OTEL_TRACES_EXPORTER": "none"}

    def ready(self) -> bool:
        return self.registry().ready()

    def tags(self) -> set[str]:
        """As they lie in the storage, whoever answers."""
        return {path.name for path in (self.directory / "storage").glob("**/_manifests/tags/*")}


ME = Credentials("me", "a-password-of-tests", source="config.json")
_HTPASSWD = "me:$2b$04$RMblGh4aM2nyOD5h9gJ40OP0FEv9Ng3TsrHDLAFC0AhgPDof75PSi\n"  # bcrypt of that password


@dataclass
class Private(Certified, Running):
    """One with TLS, by an authority of its own, that wants a password."""

    @property
    def docker(self) -> Path:
        """A directory for DOCKER_CONFIG, after `docker login`."""
        return self.directory / "docker"

    @property
    def access(self) -> Access:
        return Access(Address(self.host, "team"), ME, self.certificate)

    def registry(self) -> Registry:
        return Registry.at(self.access, retries=RETRIES)

    def configuration(self) -> dict[str, Any]:
        self.certify()
        (self.directory / "htpasswd").write_text(_HTPASSWD)
        self.docker.mkdir(exist_ok=True)
        (self.docker / "config.json").write_text(ME.docker_config(self.host))
        config = super().configuration()
        config["http"]["tls"] = {"certificate": str(self.own_certificate), "key": str(self.own_certificate)}
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(self.directory / "htpasswd")}}
        return config
