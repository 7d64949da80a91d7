"""Where Git repositories of bundles are, as settings write it, and how one gets there."""

import base64
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.bundles.delivery import Target
from harness.errors import SettingsError
from harness.formats.addresses import on_this_machine
from harness.settings import Retries

if TYPE_CHECKING:
    from harness.publishing.git.client import Client

BRANCH = "main"  # the aicr command line writes no other into its bundles
USER, PASSWORD = "KWOK_GIT_USER", "KWOK_GIT_PASSWORD"
_EXAMPLE = "write https://HOST/PATH.git, for example https://git.example.com/team/{recipe}.git"


@dataclass(frozen=True)
class Repositories:
    """The repositories of a server: `template` is the URL of one, with `{recipe}` and `{lane}` for these names."""

    template: str

    @classmethod
    def parse(cls, text: str, *, where: str) -> "Repositories":
        """From "https://git.example.com/team/{recipe}.git". Raises SettingsError, which never shows credentials."""
        try:
            parts = urlsplit(text)
            host = parts.hostname
        except ValueError:
            host = None
        if not host or parts.scheme not in ("http", "https") or not parts.path.strip("/"):
            shown = text.rpartition("@")[2]
            raise SettingsError(f"{shown!r} is not the URL of a Git repository", where=where, do=_EXAMPLE)
        if parts.username is not None or parts.password is not None:
            do = f"take them out, and set {USER} and {PASSWORD} in the environment"
            raise SettingsError("the URL contains credentials", where=where, do=do)
        if parts.query or parts.fragment or re.search(r"\{(?!recipe\}|lane\})|[\s\x00-\x1f]", text):
            raise SettingsError(f"{text!r} is not the URL of a Git repository", where=where, do=_EXAMPLE)
        if parts.scheme == "http" and not on_this_machine(text):
            raise SettingsError(
                f"{host} would be spoken to without TLS, and it is another machine", where=where, do=_EXAMPLE
            )
        return cls(text)

    @property
    def plain_http(self) -> bool:
        return self.template.startswith("http://")

    @property
    def hostname(self) -> str:
        """The host without its port."""
        return urlsplit(self.template).hostname or ""

    def target(self, recipe: str, lane: str) -> Target:
        """Where the bundle of a recipe goes, as those write it who pull from this address."""
        scheme, _, repository = self.template.partition("://")
        repository = repository.replace("{recipe}", recipe).replace("{lane}", lane)
        return Target(repository, BRANCH, plain_http=False, scheme=scheme)

    def __str__(self) -> str:
        return self.template


@dataclass(frozen=True)
class Credentials:
    """Who asks: a user's name, with a password or a token."""

    username: str
    password: str = field(repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Credentials | None":
        """Those of the environment; None where it has none. Raises SettingsError where it has half of them."""
        username, password = environment.get(USER, ""), environment.get(PASSWORD, "")
        if bool(username) != bool(password):
            lacking, there = (USER, PASSWORD) if password else (PASSWORD, USER)
            raise SettingsError(f"is set, but {lacking} is not", where=f"environment variable {there}")
        return cls(username, password) if username else None

    @property
    def basic(self) -> str:
        """As HTTP's basic authentication sends them."""
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True)
class Access:
    """All that a client needs: where the repositories are for it, who asks, and the file with the certificate of an
    authority that the system does not know. `public`: anybody may read there, so only who pushes has to say who it is.
    """

    address: Repositories
    credentials: Credentials | None = None
    authority: Path | None = None
    public: bool = False

    @property
    def reader(self) -> Credentials | None:
        """Who asks where controllers pull; None where they need not say."""
        return None if self.public else self.credentials

    @property
    def secrets(self) -> frozenset[str]:
        """What must not be written anywhere where others may read it."""
        found = (self.credentials.password, self.credentials.basic) if self.credentials else ()
        return frozenset(secret for secret in found if len(secret) >= 6)

    def client(self, *, retries: Retries, cancelled: threading.Event | None = None) -> "Client":
        from harness.publishing.git.client import Client

        return Client(self, retries=retries, cancelled=cancelled)
