"""The container engine as the factory needs it: is an image there, take one, and run one while it is finished."""

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from harness.errors import HarnessError, ToolError
from kind.images import MADE_FROM, Image

Answer = TypeVar("Answer")
_NO_CAPABILITY = "unable to apply caps"


class EngineError(HarnessError):
    """The engine refused or failed."""


class Refused(EngineError):
    """The engine cannot start a privileged container, since this machine lacks a capability."""


class Engine(AbstractContextManager["Engine"]):
    """An engine that answers Docker's API, found as the docker command finds it (DOCKER_HOST, else its socket).

    ToolError where none answers. `timeout` in seconds is for one request.
    """

    def __init__(self, timeout: float) -> None:
        try:
            self._client = docker.from_env(timeout=timeout)
            self.version = str(self._client.version()["Version"])
        except (DockerException, requests.RequestException) as error:
            raise ToolError(
                f"no container engine answers: {_first_line(error)}",
                do="start it (systemctl start docker, or dockerd), or name its socket in DOCKER_HOST",
            ) from error

    def holds(self, image: Image) -> bool:
        """Whether the very image is there: that name, made from the same things."""
        try:
            found = self._client.images.get(image.reference)
        except ImageNotFound:
            return False
        return bool(found.labels.get(MADE_FROM) == image.key)

    def load(self, archive: Path) -> None:
        with archive.open("rb") as stream:
            self._ask("load an image", lambda: self._client.images.load(stream))

    def forget(self, reference: str) -> None:
        """Take the name off an image; what others are made of stays."""
        try:
            self._client.images.remove(reference, force=True)
        except (ImageNotFound, APIError):
            pass

    def try_privileged(self, reference: str, words: Sequence[str]) -> None:
        """Run a privileged container, as a node is one. Refused where this machine lacks a capability for it."""
        try:
            self._client.containers.run(reference, list(words), privileged=True, remove=True, network_mode="none")
        except DockerException as error:
            if _NO_CAPABILITY in str(error):
                raise Refused(_first_line(error)) from error
            raise EngineError(f"cannot run a privileged container: {_first_line(error)}") from error

    @contextmanager
    def container(self, image: Image, name: str, entrypoint: Sequence[str], mounts: Mapping[Path, str]) -> Iterator["Container"]:
        """A container of that name for the block; one that an interrupted run left goes first."""
        self._remove(name)
        volumes = {str(source): {"bind": target, "mode": "ro"} for source, target in mounts.items()}
        started = self._ask(
            f"start a container of {image.reference}",
            lambda: self._client.containers.run(
                image.reference, name=name, entrypoint=list(entrypoint), volumes=volumes, detach=True,
                network_mode="none", security_opt=["seccomp=unconfined"],
            ),
        )  # fmt: skip
        try:
            yield Container(started, self._ask)
        finally:
            self._remove(name)

    def _remove(self, name: str) -> None:
        try:
            self._client.containers.get(name).remove(force=True)
        except NotFound:
            pass

    def _ask(self, what: str, question: Callable[[], Answer]) -> Answer:
        try:
            return question()
        except (DockerException, requests.RequestException) as error:
            raise EngineError(f"the engine cannot {what}: {_first_line(error)}") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()


class Container:
    """A running container: words to run in it, files to put in it, and an image to be made of it."""

    def __init__(self, container: Any, ask: Callable[[str, Callable[[], Any]], Any]) -> None:
        self._container = container
        self._ask = ask

    def run(self, *words: str) -> str:
        """What the command wrote to standard output. EngineError with its error output when it fails."""
        done = self._ask(f"run {words[0]}", lambda: self._container.exec_run(list(words), demux=True))
        stdout, stderr = ((each or b"").decode(errors="replace") for each in done.output)
        if done.exit_code != 0:
            raise EngineError(f"{' '.join(words)}: exit status {done.exit_code}\n{(stderr or stdout).strip()[-2000:]}")
        return stdout

    def begin(self, *words: str) -> None:
        """Run a command without waiting for its end."""
        self._ask(f"run {words[0]}", lambda: self._container.exec_run(list(words), detach=True))

    def put(self, path: str, content: bytes) -> None:
        """Write a file (mode 0644, root's) into a directory that is there."""
        directory, _, name = path.rpartition("/")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        self._ask(f"write {path}", lambda: self._container.put_archive(directory, buffer.getvalue()))

    def commit(self, image: Image) -> None:
        """Make the image of what the container holds now, with the image's own words and labels."""
        repository, _, version = image.reference.rpartition(":")
        configuration = {**image.runs, "Labels": image.labels}
        self._ask("commit a container", lambda: self._container.commit(repository, version, conf=configuration))


def _first_line(error: BaseException) -> str:
    said = error.explanation if isinstance(error, APIError) and error.explanation else str(error)
    return str(said).strip().splitlines()[0][:500] if str(said).strip() else type(error).__name__
