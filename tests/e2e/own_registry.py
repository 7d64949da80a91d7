"""A registry that belongs to a test and to no cluster."""

import contextlib
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from harness.processes import daemons
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

    def start(self) -> None:
        config = {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": str(self.directory / "storage")}, "delete": {"enabled": True}},
            "http": {"addr": f"127.0.0.1:{self.port}"},
        }
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
