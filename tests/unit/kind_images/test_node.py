"""A node is finished by its own containerd: started, waited for, given every archive, ended before the commit."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hack.kind_images import node
from hack.kind_images.images import Image
from kwok.engine.client import EngineError

ARCHIVES = [Path("/somewhere/archives/a.tar"), Path("/somewhere/archives/b.tar")]
BASE, NODE = Image("base:1", []), Image("kindest/node:v1", [])


class Container:
    """Records; containerd answers at the third question."""

    def __init__(self, failing: str = "") -> None:
        self.did: list[str] = []
        self.questions = 0
        self.failing = failing

    def run(self, *words: str) -> str:
        line = " ".join(words)
        if line == "ctr version":
            self.questions += 1
            if self.questions < 3:
                raise EngineError("no socket")
        self.did.append(line)
        if self.failing and self.failing in line:
            raise EngineError(line)
        return '{"process": {}}'

    def begin(self, *words: str) -> None:
        self.did.append(f"{' '.join(words)} &")

    def put(self, path: str, content: bytes) -> None:
        self.did.append(f"put {path}")

    def commit(self, image: Image) -> None:
        self.did.append(f"commit {image.reference}")


class Workshop:
    def __init__(self, container: Container) -> None:
        self._container = container
        self.mounts: dict[Path, str] = {}
        self.removed = False

    @contextmanager
    def container(self, reference: str, name: str, mounts: dict[Path, str]) -> Iterator[Container]:
        assert reference == "base:1"
        self.mounts = mounts
        try:
            yield self._container
        finally:
            self.removed = True


def make(container: Container) -> Workshop:
    workshop: Any = Workshop(container)
    try:
        node.make(workshop, NODE, BASE, ARCHIVES, pause=lambda _: None)
    finally:
        assert workshop.removed
    made: Workshop = workshop
    return made


def test_a_node_is_finished_in_order() -> None:
    """Nothing is imported before containerd answers, nothing committed before it has ended."""
    container = Container()
    assert make(container).mounts == {Path("/somewhere/archives"): "/archives"}
    imported = "ctr --namespace=k8s.io images import --all-platforms --no-unpack /archives/"
    assert container.did == [
        "ctr oci spec",
        "put /etc/containerd/cri-base.json",
        "containerd &",
        "ctr version",
        f"{imported}a.tar",
        f"{imported}b.tar",
        "pkill containerd",
        "rm -rf /run/containerd",
        "commit kindest/node:v1",
    ]


@pytest.mark.parametrize("failing", ["a.tar", "pkill", "oci spec"])
def test_a_node_that_is_not_whole_is_not_committed(failing: str) -> None:
    """And its container is gone."""
    container = Container(failing)
    with pytest.raises(EngineError):
        make(container)
    assert not [each for each in container.did if each.startswith("commit")]
