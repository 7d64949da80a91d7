"""The container engine of this machine: Docker, or Podman by the same interface. No other module speaks to it.

What it answers as an error becomes an EngineError, without credentials. Each call has a connection of its own, so that
threads never share one.
"""

import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import docker
import urllib3
from docker import utils
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.errors import APIError, DockerException, NotFound

from harness.errors import ClusterError
from harness.evidence.redaction import Redactor
from harness.exits import Exit
from kwok.engine.answers import Container as Container
from kwok.engine.answers import Image as Image
from kwok.engine.answers import PullEvent as PullEvent
from kwok.engine.answers import read_container, read_inspected, read_listed, read_pull_event

_ANSWER = 60  # seconds for a question that the engine answers by itself; a loaded machine takes its time
_CHUNK = 1024 * 1024
_UNIX = "unix://"
_QUERY = re.compile(r"(https?://[^\s\"'?]+)\?[^\s\"']+")  # signed addresses of layers carry a key there
_REMEDY = (
    "start it (systemctl start docker), join its group where permission is denied (usermod -aG docker $USER),\n"
    "  name its socket in DOCKER_HOST, or do without containers: RUNTIME=host"
)


class EngineMissing(ClusterError):
    """No container engine answers; the message names each socket that was tried and why it failed."""

    exit = Exit.SETTINGS


class EngineError(ClusterError):
    """The engine refused, or went away; `status` is its HTTP status, 0 where it gave none."""

    def __init__(self, what: str, *, status: int = 0) -> None:
        super().__init__(what)
        self.status = status


@dataclass(frozen=True)
class Engine:
    """`name` is "Docker 20.10.24" or the like; `root` keeps the images, `memory` bytes, `address` its DOCKER_HOST,
    `runtimes` the names of what it can run containers with: runc, nvidia.
    """

    name: str
    podman: bool
    root: Path
    memory: int
    address: str
    architecture: str
    runtimes: tuple[str, ...]
    _open: Callable[[float | None], docker.APIClient]

    @classmethod
    def connect(cls, environment: Mapping[str, str] = os.environ, timeout: float = 5.0) -> "Engine":
        """The engine that DOCKER_HOST names, else the first that answers within `timeout` seconds: Docker, then Podman.

        Raises EngineMissing.
        """
        tried = []
        for address in _addresses(environment):
            try:
                with closing(_client(environment, address, DEFAULT_DOCKER_API_VERSION, timeout)) as client:
                    version = client.version(api_version=False)
                with closing(_client(environment, address, str(version["ApiVersion"]), _ANSWER)) as client:
                    info = client.info()
            except (DockerException, OSError, urllib3.exceptions.HTTPError, ValueError, KeyError) as error:
                tried.append(f"{_clean(address)}: {_why(error)}")
                continue
            return cls._of(environment, address, version, info)
        raise EngineMissing("no container engine answers\n  " + "\n  ".join(tried), do=_REMEDY)

    @classmethod
    def _of(
        cls, environment: Mapping[str, str], address: str, version: Mapping[str, Any], info: Mapping[str, Any]
    ) -> "Engine":
        podman = any("podman" in str(each.get("Name")).lower() for each in version.get("Components") or [])

        def opened(seconds: float | None) -> docker.APIClient:
            return _client(environment, address, str(version["ApiVersion"]), seconds)

        return cls(
            name=f"{'Podman' if podman else 'Docker'} {version.get('Version', '')}".strip(),
            podman=podman,
            root=Path(info.get("DockerRootDir") or "/"),
            memory=int(info.get("MemTotal") or 0),
            address=address,
            architecture=str(version.get("Arch") or ""),
            runtimes=tuple(info.get("Runtimes") or ()),
            _open=opened,
        )

    @property
    def local(self) -> bool:
        """Whether it runs on this machine's own files, so that its `root` may be looked at."""
        return self.address.startswith(_UNIX)

    # Containers

    def container(self, name: str) -> Container | None:
        """The container of that name or id, running or not."""
        with self._told("inspect a container") as client:
            try:
                return read_container(client.inspect_container(name))
            except NotFound:
                return None

    def publishing(self, port: int) -> Container | None:
        """The running container that holds a TCP port of the host."""
        with self._told("list containers") as client:
            for each in client.containers():
                if any(p.get("PublicPort") == port and p.get("Type", "tcp") == "tcp" for p in each.get("Ports") or []):
                    return self.container(each["Id"])
        return None

    def until_stopped(self, name: str) -> int:
        """Block until the container has stopped; its exit code. EngineError where it or the engine is gone."""
        with self._told(f"wait for container {name}", None) as client:
            return int(client.wait(name)["StatusCode"])

    def execute(self, name: str, argv: Sequence[str], seconds: float = _ANSWER) -> tuple[int, bytes]:
        """Run a command in a running container: its exit code, and what it says on both streams.

        EngineError where it says nothing for `seconds`.
        """
        with self._told(f"run {argv[0]} in container {name}", seconds) as client:
            started = client.exec_create(name, list(argv))["Id"]
            said = client.exec_start(started)
            return int(client.exec_inspect(started)["ExitCode"]), bytes(said)

    def remove(self, name: str) -> None:
        """Kill and remove a container with its anonymous volumes; one that is not there is gone already."""
        with self._told(f"remove container {name}") as client:
            try:
                client.remove_container(name, v=True, force=True)
            except NotFound:
                return
            except APIError as error:
                if error.status_code != 409:  # somebody else is removing it
                    raise
                client.wait(name, condition="removed")

    # Images

    def images(self, label: str = "") -> list[Image]:
        """All images, or those that carry a label (its name); without their layers."""
        with self._told("list images") as client:
            listed = client.images(filters={"label": label} if label else None)
        return [read_listed(each) for each in listed]

    def image(self, name: str) -> Image | None:
        """The image of a tag, digest or id, with everything that is known of it."""
        with self._told("inspect an image") as client:
            try:
                return read_inspected(client.inspect_image(name))
            except NotFound:
                return None

    def tag(self, image: str, tag: str) -> None:
        repository, _, word = tag.rpartition(":")
        with self._told(f"tag {tag}") as client:
            client.tag(image, repository, word)

    def pull(self, reference: str) -> Iterator[PullEvent]:
        """Pull name:tag or name@digest; the last event is followed by the end, an error by EngineError."""
        with self._told("pull it", None) as client:
            for line in client.pull(reference, stream=True, decode=True):
                _raise_told(line)
                yield read_pull_event(line)

    def save(self, tags: Sequence[str]) -> Iterator[bytes]:
        """One tar of several images under these tags, layers that they share only once."""
        with self._told("save images", None) as client:
            url = f"{client.base_url}/v{client.api_version}/images/get"
            with client.get(url, params={"names": list(tags)}, stream=True, timeout=None) as response:
                if not response.ok:
                    raise EngineError(_clean(response.text), status=response.status_code)
                yield from response.iter_content(_CHUNK)

    def load(self, tar: IO[bytes]) -> None:
        """Load the images of a tar with their tags; a tag that another image had is moved."""
        with self._told("load images", None) as client:
            for line in client.load_image(tar):
                _raise_told(line)

    @contextmanager
    def _told(self, doing: str, seconds: float | None = _ANSWER) -> Iterator[docker.APIClient]:
        """A connection of its own; whatever fails is an EngineError that says what could not be done."""
        try:
            with closing(self._open(seconds)) as client:
                yield client
        except EngineError as error:
            raise EngineError(f"{self.name} cannot {doing}: {error.what}", status=error.status) from error
        except (DockerException, OSError, urllib3.exceptions.HTTPError, ValueError) as error:
            status = (error.status_code or 0) if isinstance(error, APIError) else 0
            raise EngineError(f"{self.name} cannot {doing}: {_why(error)}", status=status) from error


def _addresses(environment: Mapping[str, str]) -> list[str]:
    if environment.get("DOCKER_HOST"):
        return [environment["DOCKER_HOST"]]
    own = environment.get("XDG_RUNTIME_DIR")
    rootless = [f"{own}/docker.sock", f"{own}/podman/podman.sock"] if own else []
    return [f"{_UNIX}{path}" for path in ("/var/run/docker.sock", *rootless, "/run/podman/podman.sock")]


def _client(environment: Mapping[str, str], address: str, version: str, timeout: float | None) -> docker.APIClient:
    """Proxies of the environment are for what the engine pulls, never for the way to the engine.

    A socket is tried first: the library leaves one open that it could not connect, and wraps the reason seven times.
    """
    if address.startswith(_UNIX):
        with socket.socket(socket.AF_UNIX) as trial:
            trial.connect(address.removeprefix(_UNIX))
    connection = utils.kwargs_from_env({**environment, "DOCKER_HOST": address})
    client = docker.APIClient(**connection, version=version, timeout=timeout)  # type: ignore[arg-type]  # None: no end
    client.trust_env = False
    return client


def _why(error: BaseException) -> str:
    """The engine's own words, or what the operating system said, out of the layers that libraries wrap it in."""
    if isinstance(error, APIError):
        return _clean(str(error.explanation or error))
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.errno is not None and found.strerror:
            return found.strerror.lower()
        found = found.__cause__ or found.__context__
    return _clean(str(error))


def _clean(text: str) -> str:
    """Text of the engine for people: in one line, without passwords of proxies and keys of signed addresses."""
    return _QUERY.sub(r"\1?…", Redactor().text(" ".join(text.split())))


def _raise_told(line: Mapping[str, Any]) -> None:
    """A stream's own way of failing: the status was 200 long ago."""
    if line.get("error") or line.get("errorDetail"):
        detail = line.get("errorDetail") or {}
        raise EngineError(_clean(str(line.get("error") or detail.get("message"))), status=int(detail.get("code") or 0))
