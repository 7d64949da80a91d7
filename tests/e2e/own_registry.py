"""A registry that belongs to a test and to no cluster."""

import contextlib
import json
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme

from harness.processes import daemons
from harness.publishing.oci.address import Access, Address
from harness.publishing.oci.credentials import Credentials
from harness.publishing.oci.registry import Registry
from harness.settings import Retries

RETRIES = Retries.model_construct(attempts=3, delay=0.05)


@dataclass
class Running:
    """A registry of the test's own, which can be killed and started again on the same storage."""

    binary: Path
    directory: Path
    port: int
    identity: daemons.Identity | None = None

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def registry(self) -> Registry:
        return Registry(self.host, retries=RETRIES)

    def configuration(self) -> dict[str, Any]:
        return {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": str(self.directory / "storage")}, "delete": {"enabled": True}},
            "http": {"addr": f"127.0.0.1:{self.port}"},
        }

    def start(self) -> None:
        config = self.configuration()
        (self.directory / "config.yml").write_text(json.dumps(config))
        log = self.directory / "registry.log"
        words: list[str | Path] = [self.binary, "serve", self.directory / "config.yml"]
        self.identity = daemons.start(words, env={"OTEL_TRACES_EXPORTER": "none"}, cwd=self.directory, log=log)
        deadline = time.monotonic() + 60
        while not self.registry().ready():
            assert daemons.alive(self.identity), log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        assert self.identity is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.identity.pid, signal.SIGKILL)
        daemons.until_ended(self.identity)

    def tags(self) -> set[str]:
        """As they lie in the storage, whoever answers."""
        return {path.name for path in (self.directory / "storage").glob("**/_manifests/tags/*")}


ME = Credentials("me", "a-password-of-tests", source="config.json")
_HTPASSWD = "me:$2b$04$RMblGh4aM2nyOD5h9gJ40OP0FEv9Ng3TsrHDLAFC0AhgPDof75PSi\n"  # bcrypt of that password


@dataclass
class Private(Running):
    """One with TLS, by an authority of its own, that wants a password."""

    credentials: Credentials | None = ME
    authority: trustme.CA = field(default_factory=trustme.CA)

    @property
    def certificate(self) -> Path:
        """Of the authority."""
        return self.directory / "ca.pem"

    @property
    def docker(self) -> Path:
        """A directory for DOCKER_CONFIG, after `docker login`."""
        return self.directory / "docker"

    @property
    def access(self) -> Access:
        return Access(Address(self.host, "team"), self.credentials, self.certificate)

    def registry(self) -> Registry:
        return Registry.at(self.access, retries=RETRIES)

    def configuration(self) -> dict[str, Any]:
        self.authority.cert_pem.write_to_path(str(self.certificate))
        server = self.authority.issue_cert("localhost", "127.0.0.1")
        server.private_key_and_cert_chain_pem.write_to_path(str(self.directory / "server.pem"))
        (self.directory / "htpasswd").write_text(_HTPASSWD)
        self.docker.mkdir(exist_ok=True)
        (self.docker / "config.json").write_text(ME.docker_config(self.host))
        tls = {"certificate": str(self.directory / "server.pem"), "key": str(self.directory / "server.pem")}
        config = super().configuration()
        config["http"]["tls"] = tls
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(self.directory / "htpasswd")}}
        return config
