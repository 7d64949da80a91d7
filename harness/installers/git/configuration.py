"""How the Git server is configured, whatever it runs in, how it is known, who pushes, and the evidence that it leaves.

Anybody may read, and one user pushes, with a token of this server: it is made by the server's own command, lies in the
cluster's directory for this user alone, and stands neither among words nor in a log.
"""

import base64
import hashlib
import http.client
import os
import re
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import GitRefused, GitUnreachable, HarnessError
from harness.evidence.collect import Collector
from harness.evidence.collectors import EvidenceSite
from harness.installers.authority import authority
from harness.installers.reachable import PROBE_SECONDS, Served
from harness.processes.ports import GIT
from harness.publishing.git.address import Access, Credentials, Repositories
from harness.replacing import replace
from harness.runtime import RunningCluster
from harness.settings import Settings

NAME = "gitea"
USER = "aicr"  # whose repositories they are: aicr/<recipe>, pushed to for the first time makes it
CONFIGURATION = "app.ini"
IDENTITY = "custom/public/assets/kwok-harness.txt"  # a file that it serves, by which it is known
HEALTH = "/api/healthz"
LOG_LINES = 200  # of evidence, as documented
_TOKEN = "gitea-token"  # noqa: S105 - the name of a file
_SCOPES = "write:repository,read:user"
_THERE = "user already exists"

Administer = Callable[[Sequence[str]], str]  # runs the server's command with these words, and gives what it printed


def repositories(host: str) -> Repositories:
    """Those of the server at `host`, "localhost:3300"."""
    return Repositories(f"http://{host}/{USER}/{{recipe}}.git")


def elsewhere(settings: Settings) -> Repositories | None:
    """The repository of the user's own that the settings name; None where it is the run's. Raises SettingsError."""
    return Repositories.parse(settings.git.remote, where="git.remote") if settings.git.remote else None


def own_access(settings: Settings) -> Access | None:
    """How one gets to the repository of the user's own; None where it is the run's. Raises SettingsError."""
    there = elsewhere(settings)
    if there is None:
        return None
    return Access(there, Credentials.of(os.environ), authority(settings.git.ca, "git.ca"))


def credentials(running: RunningCluster | None) -> Credentials | None:
    """Who pushes to the server of a cluster; None before it is installed."""
    token = _known(running) if running is not None else ""
    return Credentials(USER, token) if token else None


def configuration(port: int, identity: str, *, listen: str, url: str, home: str) -> str:
    """The server's app.ini. What is stored lies below `home`, and goes with the cluster."""
    sections = {
        "": {"APP_NAME": "kwok-harness", "RUN_MODE": "prod", "I_AM_BEING_UNSAFE_RUNNING_AS_ROOT": "true"},
        "server": {
            "PROTOCOL": "http",
            "HTTP_ADDR": listen,
            "HTTP_PORT": str(port),
            "ROOT_URL": url,
            "LOCAL_ROOT_URL": f"http://127.0.0.1:{port}/",
            "OFFLINE_MODE": "true",
            "DISABLE_SSH": "true",
            "LFS_START_SERVER": "false",
            "APP_DATA_PATH": f"{home}/data",
        },
        "database": {"DB_TYPE": "sqlite3", "PATH": f"{home}/data/gitea.db"},
        "repository": {
            "ROOT": f"{home}/data/repositories",
            "DEFAULT_BRANCH": "main",
            "ENABLE_PUSH_CREATE_USER": "true",
            "DEFAULT_PUSH_CREATE_PRIVATE": "false",
            "DISABLE_HTTP_GIT": "false",
        },
        "service": {
            "DISABLE_REGISTRATION": "true",
            "REQUIRE_SIGNIN_VIEW": "false",
            "ENABLE_NOTIFY_MAIL": "false",
        },
        "security": {
            "INSTALL_LOCK": "true",
            "INTERNAL_TOKEN": _secret("internal", identity),
            "SECRET_KEY": _secret("key", identity),
        },
        "oauth2": {"ENABLED": "false", "JWT_SECRET": _jwt(identity)},
        "session": {"PROVIDER": "memory"},
        "cache": {"ADAPTER": "memory"},
        "queue": {"TYPE": "channel"},
        "indexer": {"ISSUE_INDEXER_TYPE": "db", "REPO_INDEXER_ENABLED": "false"},
        "actions": {"ENABLED": "false"},
        "packages": {"ENABLED": "false"},
        "cron": {"ENABLED": "false"},
        "cron.update_checker": {"ENABLED": "false"},
        "mailer": {"ENABLED": "false"},
        "i18n": {"LANGS": "en-US", "NAMES": "English"},
        "log": {"MODE": "console", "LEVEL": "Info", "COLORIZE": "false"},
        "log.console": {"COLORIZE": "false"},
    }
    return "\n".join(
        "\n".join([f"[{name}]"] * bool(name) + [f"{key} = {value}" for key, value in keys.items()]) + "\n"
        for name, keys in sections.items()
    )


def _secret(purpose: str, identity: str) -> str:
    """The same each time: installing again changes nothing."""
    return hashlib.sha256(f"gitea {purpose} {identity}".encode()).hexdigest()


def _jwt(identity: str) -> str:
    digest = hashlib.sha256(f"gitea jwt {identity}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _identify(connection: http.client.HTTPConnection) -> str:
    answer = connection.getresponse()
    return answer.read(256).decode(errors="replace").strip() if answer.status == http.client.OK else ""


SERVED = Served(GIT, "/assets/kwok-harness.txt", _identify, GitUnreachable)


def user_that_pushes(running: RunningCluster, port: int, administer: Administer) -> None:
    """Have the server know the user, and a token with which they push. Raises GitRefused (72)."""
    if _taken(port, _known(running)):
        return
    # The password is made and printed by the server, and used by nobody.
    words = ("admin", "user", "create", f"--username={USER}", f"--email={USER}@example.invalid", "--random-password")
    try:
        said = administer(
            (*words, "--must-change-password=false", "--access-token", f"--access-token-scopes={_SCOPES}")
        )
    except HarnessError as error:
        if _THERE not in error.what:
            raise GitRefused(f"the user {USER} cannot be created: {error.what}", where=f"localhost:{port}") from error
        said = _another_token(port, administer)
    found = re.search(r"\b[0-9a-f]{40}\b", said)
    if found is None or not _taken(port, found[0]):
        raise GitRefused(
            f"the server does not accept the token that it created for the user {USER}",
            where=f"http://localhost:{port}",
        )
    replace(running.directory / _TOKEN, found[0], mode=0o600)


def _another_token(port: int, administer: Administer) -> str:
    name = f"--token-name=kwok-harness-{secrets.token_hex(4)}"
    words = ("admin", "user", "generate-access-token", f"--username={USER}", name, f"--scopes={_SCOPES}", "--raw")
    try:
        return administer(words)
    except HarnessError as error:
        raise GitRefused(
            f"no token can be created for the user {USER}: {error.what}", where=f"localhost:{port}"
        ) from error


def _known(running: RunningCluster) -> str:
    try:
        return (running.directory / _TOKEN).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _taken(port: int, token: str) -> bool:
    """Whether the server takes this token for the user's."""
    if not token:
        return False
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/api/v1/user", headers={"Authorization": f"token {token}"})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def token_file(directory: Path) -> Path:
    """Where the token of a cluster's server lies."""
    return directory / _TOKEN


def collectors(site: EvidenceSite) -> list[Collector]:
    """Who pushed and pulled what, and how it was answered."""
    return [site.log_of(NAME, lines=LOG_LINES)]
