"""The container engine of this machine: Docker, or Podman by the same interface. No other module speaks to it.

What is read from it is typed here; what it answers as an error becomes an EngineError, without credentials. Each call
that takes long has a connection of its own, so that threads never share one.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import docker
import urllib3
from docker import utils
from docker.errors import APIError, DockerException, NotFound

from harness.errors import ClusterError
from harness.redaction import Redactor

_ANSWER = 60  # seconds for a question that the engine answers by itself; a loaded machine takes its time
_CHUNK = 1024 * 1024
_QUERY = re.compile(r"(https?://[^\s\"'?]+)\?[^\s\"']+")  # signed addresses of layers carry a key there
_REMEDY = (
    "start it (systemctl start docker), join its group where permission is denied (usermod -aG docker $USER),\n"
    "  name its socket in DOCKER_HOST, or do without containers: RUNTIME=host"
)


class EngineMissing(ClusterError):
    """No container engine answers; the message names each socket that was tried and why it failed."""


class EngineError(ClusterError):
    """The engine refused, or went away; `status` is its HTTP status, 0 where it gave none."""

    def __init__(self, what: str, *, status: int = 0) -> None:
        super().__init__(what)
        self.status = status


@dataclass(frozen=True)
class Container:
    """`exit_code` is None while it runs; `ports` are the host's TCP ports and the container's behind them."""

    id: str
    name: str
    running: bool
    exit_code: int | None
    image: str
    labels: Mapping[str, str]
    ports: Mapping[int, int]


@dataclass(frozen=True)
class Image:
    """An image as the engine has it: `tags` are name:tag, `digests` name@sha256:…, `size` bytes, `created` seconds.

    `layers` are the digests of the unpacked layers: the same wherever an image is, which its id is not.
    """

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    labels: Mapping[str, str]
    size: int
    created: int = 0
    layers: tuple[str, ...] = ()
    architecture: str = ""


@dataclass(frozen=True)
class PullEvent:
    """One line of a pull: what happens, to which layer (empty: the image), and how many bytes of it."""

    status: str
    layer: str = ""
    current: int = 0
    total: int = 0


@dataclass(frozen=True)
class Engine:
    """`name` is "Docker 20.10.24" or the like; `root` keeps the images, `memory` bytes, `address` its DOCKER_HOST."""

    name: str
    podman: bool
    root: Path
    memory: int
    address: str
    architecture: str
    _open: Callable[[float | None], docker.APIClient]

    @classmethod
    def connect(cls, environment: Mapping[str, str] = os.environ, timeout: float = 5.0) -> "Engine":
        """The engine that DOCKER_HOST names, else the first that answers within `timeout` seconds: Docker, then Podman.

        Raises EngineMissing.
        """
        tried = []
        for address in _addresses(environment):
            try:
                client = _client(environment, address, "auto", timeout)
                version = client.version()
                client.timeout = _ANSWER
                info = client.info()
            except (DockerException, OSError, urllib3.exceptions.HTTPError, ValueError) as error:
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
            _open=opened,
        )

    @property
    def local(self) -> bool:
        """Whether it runs on this machine's own files, so that its `root` may be looked at."""
        return self.address.startswith("unix://")

    # Containers

    def container(self, name: str) -> Container | None:
        """The container of that name or id, running or not."""
        with self._told("inspect a container") as client:
            try:
                return _container(client.inspect_container(name))
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

    # Images

    def images(self, label: str = "") -> list[Image]:
        """All images, or those that carry a label (its name); without their layers."""
        with self._told("list images") as client:
            listed = client.images(filters={"label": label} if label else None)
        return [_listed(each) for each in listed]

    def image(self, name: str) -> Image | None:
        """The image of a tag, digest or id, with everything that is known of it."""
        with self._told("inspect an image") as client:
            try:
                return _inspected(client.inspect_image(name))
            except NotFound:
                return None

    def tag(self, image: str, tag: str) -> None:
        repository, _, word = tag.rpartition(":")
        with self._told(f"tag {tag}") as client:
            client.tag(image, repository, word)

    def pull(self, reference: str) -> Iterator[PullEvent]:
        """Pull name:tag or name@digest; the last event is followed by the end, an error by EngineError."""
        with self._told(f"pull {reference}", None) as client:
            for line in client.pull(reference, stream=True, decode=True):
                _raise_told(line)
                detail = line.get("progressDetail") or {}
                yield PullEvent(
                    str(line.get("status") or line.get("stream") or ""),
                    str(line.get("id") or ""),
                    int(detail.get("current") or 0),
                    int(detail.get("total") or 0),
                )

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
            client = self._open(seconds)
            try:
                yield client
            finally:
                client.close()
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
    return [f"unix://{path}" for path in ("/var/run/docker.sock", *rootless, "/run/podman/podman.sock")]


def _client(environment: Mapping[str, str], address: str, version: str, timeout: float | None) -> docker.APIClient:
    """Proxies of the environment are for what the engine pulls, never for the way to the engine."""
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


def _container(data: Mapping[str, Any]) -> Container:
    state, config = data["State"], data["Config"]
    running = bool(state.get("Running"))
    bound = (data.get("NetworkSettings") or {}).get("Ports") or (data.get("HostConfig") or {}).get("PortBindings") or {}
    ports = {
        int(each["HostPort"]): int(inner.partition("/")[0])
        for inner, outer in bound.items()
        for each in outer or []
        if inner.endswith("/tcp") and each.get("HostPort")
    }
    return Container(
        id=data["Id"],
        name=str(data.get("Name", "")).removeprefix("/"),
        running=running,
        exit_code=None if running else int(state.get("ExitCode") or 0),
        image=str(config.get("Image") or data.get("Image") or ""),
        labels=dict(config.get("Labels") or {}),
        ports=ports,
    )


def _listed(data: Mapping[str, Any]) -> Image:
    return Image(
        id=_id(data),
        tags=_named(data.get("RepoTags")),
        digests=_named(data.get("RepoDigests")),
        labels=dict(data.get("Labels") or {}),
        size=int(data.get("Size") or 0),
        created=int(data.get("Created") or 0),
    )


def _inspected(data: Mapping[str, Any]) -> Image:
    return Image(
        id=_id(data),
        tags=_named(data.get("RepoTags")),
        digests=_named(data.get("RepoDigests")),
        labels=dict((data.get("Config") or {}).get("Labels") or {}),
        size=int(data.get("Size") or 0),
        layers=tuple((data.get("RootFS") or {}).get("Layers") or ()),
        architecture=str(data.get("Architecture") or ""),
    )


def _id(data: Mapping[str, Any]) -> str:
    """Podman leaves the algorithm out in some answers."""
    found = str(data["Id"])
    return found if ":" in found else f"sha256:{found}"


def _named(names: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(name for name in names or () if not name.startswith("<none>"))
