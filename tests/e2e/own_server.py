"""A server that belongs to a test and to no cluster: a program of the harness's tools on a port of loopback."""

import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from harness.processes import daemons


@dataclass
class Server:
    """It can be killed and started again on the same storage, which lies in `directory`."""

    binary: Path
    directory: Path
    port: int
    identity: daemons.Identity | None = None

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def prepare(self) -> Sequence[str | Path]:
        """Write what it reads, and say with which words it is started."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        return {}

    def ready(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        log = self.directory / "server.log"
        words = self.prepare()
        self.identity = daemons.start(words, env=self.environment(), cwd=self.directory, log=log)
        deadline = time.monotonic() + 60
        while not self.ready():
            assert daemons.alive(self.identity), log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        assert self.identity is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.identity.pid, signal.SIGKILL)
        daemons.until_ended(self.identity)


@dataclass
class Certified(Server):
    """One with TLS, by an authority of its own."""

    authority: trustme.CA = field(default_factory=trustme.CA)

    @property
    def certificate(self) -> Path:
        """Of the authority."""
        return self.directory / "ca.pem"

    @property
    def own_certificate(self) -> Path:
        """Of the server, with its key."""
        return self.directory / "server.pem"

    def certify(self) -> None:
        """Write both certificates."""
        self.authority.cert_pem.write_to_path(str(self.certificate))
        server = self.authority.issue_cert("localhost", "127.0.0.1")
        server.private_key_and_cert_chain_pem.write_to_path(str(self.own_certificate))
