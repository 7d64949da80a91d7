"""A Git server that belongs to a test and to no cluster: Gitea with TLS, whose repositories nobody reads unasked."""

import contextlib
import http.client
import shutil
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.installers.git.configuration import HEALTH, configuration
from harness.processes import commands
from harness.publishing.git.address import Credentials
from tests.e2e.own_server import Certified

ME = Credentials("team", "a-password-of-tests")


@dataclass
class PrivateGit(Certified):
    """As the harness configures its own, but with TLS by an authority of its own, and private repositories."""

    @property
    def remote(self) -> str:
        """The setting git.remote for repositories of this user."""
        return f"https://{self.host}/{ME.username}/{{recipe}}.git"

    def repository(self, name: str) -> Path:
        """Where the server keeps one."""
        return self.directory / "data" / "repositories" / ME.username / f"{name}.git"

    def prepare(self) -> Sequence[str | Path]:
        self.certify()
        own = self.own_certificate
        url = f"https://{self.host}/"
        text = configuration(self.port, "tests", listen="127.0.0.1", url=url, home=str(self.directory))
        for ours, theirs in {
            "PROTOCOL = http\n": f"PROTOCOL = https\nCERT_FILE = {own}\nKEY_FILE = {own}\n",
            "LOCAL_ROOT_URL = http:": "LOCAL_ROOT_URL = https:",
            "DEFAULT_PUSH_CREATE_PRIVATE = false": "DEFAULT_PUSH_CREATE_PRIVATE = true",
            "REQUIRE_SIGNIN_VIEW = false": "REQUIRE_SIGNIN_VIEW = true",
        }.items():
            assert text.count(ours) == 1, ours
            text = text.replace(ours, theirs)
        (self.directory / "app.ini").write_text(text)
        return self._words("web")

    def environment(self) -> Mapping[str, str]:
        git = shutil.which("git")
        assert git is not None
        return {
            "HOME": str(self.directory),
            "PATH": str(Path(git).parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            "USER": "tests",
        }

    def ready(self) -> bool:
        trusting = ssl.create_default_context(cafile=str(self.certificate))
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=5, context=trusting)
        with contextlib.closing(connection):
            try:
                connection.request("GET", HEALTH)
                return connection.getresponse().status == http.client.OK
            except OSError:
                return False

    def add_user(self) -> None:
        """The only one there is."""
        words = ("user", "create", "--must-change-password=false", f"--email={ME.username}@example.invalid")
        who = (f"--username={ME.username}", f"--password={ME.password}")
        commands.run(self._words("admin", *words, *who), timeout=60, env=self.environment(), cwd=self.directory)

    def _words(self, *words: str) -> list[str | Path]:
        return [self.binary, *words, f"--config={self.directory / 'app.ini'}", f"--work-path={self.directory}"]
