"""Credentials for a registry, as `docker login` left them: in a file of Docker's client, or with a credential helper.

They are looked up when a registry of the user's own is used, and never for the registry of a run. They are kept out of
every `repr`; a helper gets the registry's name on its stdin, so that nothing stands in a list of processes.
"""

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import SettingsError
from harness.processes import commands
from harness.processes.commands import CommandFailed, CommandMissing

HELPER_SECONDS = 30.0  # one that asks a cloud for a token takes a few
_TOKEN_USER = "<token>"  # noqa: S105 - the user name by which a helper says that its secret is an identity token
_NONE_THERE = "credentials not found"  # what a helper says that knows of none
_HUB = "https://index.docker.io/v1/"  # how Docker's client calls the registry docker.io
_AGAIN = "log in again: docker login"


@dataclass(frozen=True)
class Credentials:
    """A user's name and password for a registry, or an identity token, which is exchanged for tokens of access.

    `source` says where they were found.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    source: str = ""

    @property
    def basic(self) -> str:
        """User and password as HTTP's basic authentication sends them."""
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    @property
    def secrets(self) -> frozenset[str]:
        """What must not be written anywhere where others may read it."""
        found = (self.password, self.identity_token, self.basic if self.password else "")
        return frozenset(secret for secret in found if len(secret) >= 6)

    def docker_config(self, host: str) -> str:
        """A configuration file of Docker's client with nothing but these: what Helm and Flux read."""
        entry = {"identitytoken": self.identity_token} if self.identity_token else {"auth": self.basic}
        return json.dumps({"auths": {_names(host)[-1]: entry}})


def find(host: str, environment: Mapping[str, str] = os.environ) -> Credentials | None:
    """The credentials for the registry at `host` ("registry.example.com", "localhost:5443"); None where there are none.

    As Docker's client does it: the helper for this registry, then the helper for all, then the file itself, which is
    $DOCKER_CONFIG/config.json or ~/.docker/config.json. Raises SettingsError where the file or a helper is broken.
    """
    directory = environment.get("DOCKER_CONFIG")
    file = (Path(directory) if directory else Path.home() / ".docker") / "config.json"
    config = _read(file)
    for name in _names(host):
        for helper in (_mapping(config, "credHelpers", file).get(name), config.get("credsStore")):
            if helper and (found := _ask(str(helper), name, file)) is not None:
                return found
    for name, entry in _mapping(config, "auths", file).items():
        if name in _names(host) or _host_of(name) == host:
            if not isinstance(entry, dict):
                raise SettingsError(f"auths: expected a mapping for {name}", where=str(file), do=_AGAIN)
            if (found := _of_entry(entry, file)) is not None:
                return found
    return None


def _names(host: str) -> tuple[str, ...]:
    return ("docker.io", _HUB) if host == "docker.io" else (host,)


def _host_of(name: str) -> str:
    """Keys of old files are URLs."""
    return re.sub(r"^https?://", "", name).partition("/")[0]


def _read(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", where=str(file)) from error
    except ValueError:  # whose text could show a part of the file
        raise SettingsError("is not valid JSON", where=str(file), do=_AGAIN) from None
    if not isinstance(config, dict):
        raise SettingsError("expected a JSON object", where=str(file), do=_AGAIN)
    return config


def _mapping(config: Mapping[str, Any], key: str, file: Path) -> dict[str, Any]:
    found = config.get(key) or {}
    if not isinstance(found, dict):
        raise SettingsError(f"{key}: expected a JSON object", where=str(file), do=_AGAIN)
    return found


def _of_entry(entry: Mapping[str, Any], file: Path) -> Credentials | None:
    """An entry of `auths`; one without anything in it only says that a helper has them."""
    try:
        username, _, password = base64.b64decode(entry.get("auth") or "", validate=True).decode().partition(":")
    except (binascii.Error, ValueError, TypeError):
        raise SettingsError("auths: a value of `auth` is not base64", where=str(file), do=_AGAIN) from None
    username, password = entry.get("username") or username, entry.get("password") or password.rstrip("\0")
    token = entry.get("identitytoken") or ""
    return Credentials(str(username), str(password), str(token), str(file)) if password or token else None


def _ask(helper: str, name: str, file: Path) -> Credentials | None:
    """What docker-credential-`helper` has for a registry. It ends with the harness, and has a time limit."""
    program = f"docker-credential-{helper}"
    if not re.fullmatch(r"[\w.-]+", helper):
        raise SettingsError(f"{helper!r} is not the name of a credential helper", where=str(file))
    try:
        done = commands.run([program, "get"], timeout=HELPER_SECONDS, stdin=name, check=False)
    except CommandMissing as error:
        do = f"install it, or remove it from the file and run: docker login {name}"
        what = f"names the credential helper {program}, which was not found"
        raise SettingsError(what, where=str(file), do=do) from error
    except CommandFailed:
        # Without what it printed: that may be the secret.
        raise SettingsError(f"timed out after {HELPER_SECONDS:g} s", where=f"{program} get", do=_AGAIN) from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[:300]
        if _NONE_THERE in f"{done.stdout}{done.stderr}".lower():
            return None
        raise SettingsError(f"failed with exit status {done.returncode}: {said}", where=f"{program} get", do=_AGAIN)
    try:
        answer = json.loads(done.stdout)
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, LookupError, TypeError):
        raise SettingsError("did not print JSON with Username and Secret", where=f"{program} get") from None
    if not secret:
        return None
    if username == _TOKEN_USER:
        return Credentials(identity_token=secret, source=program)
    return Credentials(username, secret, source=program)
