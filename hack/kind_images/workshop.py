"""Containers that images are made in: beyond what the harness asks of the engine, so beyond its module for that."""

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import docker
import requests
from docker.errors import APIError, DockerException, NotFound

from hack.kind_images.images import Image
from kwok.engine.client import EngineError

Answer = TypeVar("Answer")
_TRIAL = "kwok-harness-privileged-check"
_NO_CAPABILITY = "unable to apply caps"


class Refused(EngineError):
    """The engine cannot start a privileged container, since this machine lacks a capability."""


class Workshop:
    """Runs containers on the engine at `address` (as DOCKER_HOST names it); `timeout` in seconds is for one request."""

    def __init__(self, address: str, timeout: float) -> None:
        self._client = docker.DockerClient(base_url=address, version="auto", timeout=int(timeout))

    def try_privileged(self, reference: str, words: Sequence[str]) -> None:
        """Run a privileged container to its end, as a node is one. Refused where this machine lacks a capability."""
        self._remove(_TRIAL)
        try:
            self._client.containers.run(reference, list(words), name=_TRIAL, privileged=True, network_mode="none")
        except DockerException as error:
            if _NO_CAPABILITY in str(error):
                raise Refused(_said(error)) from error
            raise EngineError(f"the engine cannot run a privileged container: {_said(error)}") from error
        finally:
            self._remove(_TRIAL)

    def forget(self, reference: str) -> None:
        """Remove an image, or the name off one that others are made of; one that a container has stays as it is."""
        with suppress(APIError):
            self._client.images.remove(reference)

    @contextmanager
    def container(self, reference: str, name: str, mounts: Mapping[Path, str]) -> Iterator["Container"]:
        """A container that sleeps, for the block, with directories of this machine mounted read-only.

        One of that name goes first: an interrupted run's.
        """
        self._remove(name)
        volumes = {str(source): {"bind": target, "mode": "ro"} for source, target in mounts.items()}
        started = _asked(
            f"start a container of {reference}",
            lambda: self._client.containers.run(
                reference, name=name, entrypoint=["sleep", "infinity"], volumes=volumes, detach=True,
                network_mode="none", security_opt=["seccomp=unconfined"],
            ),
        )  # fmt: skip
        try:
            yield Container(started)
        finally:
            self._remove(name)

    def _remove(self, name: str) -> None:
        with suppress(NotFound):
            self._client.containers.get(name).remove(force=True)

    def close(self) -> None:
        self._client.close()


class Container:
    """A running container: words to run in it, files to put in it, and an image to be made of it."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def run(self, *words: str) -> str:
        """What the command wrote to standard output. EngineError with its error output when it fails."""
        done = _asked(f"run {words[0]}", lambda: self._container.exec_run(list(words), demux=True))
        stdout, stderr = ((each or b"").decode(errors="replace") for each in done.output)
        if done.exit_code != 0:
            raise EngineError(f"{' '.join(words)}: exit status {done.exit_code}\n{(stderr or stdout).strip()[-2000:]}")
        return stdout

    def begin(self, *words: str) -> None:
        """Run a command without waiting for its end."""
        _asked(f"run {words[0]}", lambda: self._container.exec_run(list(words), detach=True))

    def put(self, path: str, content: bytes) -> None:
        """Write a file (mode 0644, root's) into a directory that is there."""
        directory, _, name = path.rpartition("/")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        _asked(f"write {path}", lambda: self._container.put_archive(directory, buffer.getvalue()))

    def commit(self, image: Image) -> None:
        """Make the image of what the container holds now, with the image's own words and labels."""
        repository, _, version = image.reference.rpartition(":")
        configuration = {**image.runs, "Labels": image.labels}
        _asked("commit a container", lambda: self._container.commit(repository, version, conf=configuration))


def _asked(what: str, question: Callable[[], Answer]) -> Answer:
    try:
        return question()
    except (DockerException, requests.RequestException) as error:
        raise EngineError(f"the engine cannot {what}: {_said(error)}") from error


def _said(error: BaseException) -> str:
    said = error.explanation if isinstance(error, APIError) and error.explanation else str(error)
    return " ".join(str(said).split())[:500]
