"""Images on a real container engine: found, pulled from a real registry, moved in a file, missed in time.

The images are a few bytes each, imported from a tar, so that nothing has to be fetched for the tests.
"""

import io
import json
import signal
import socket
import tarfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from harness.exits import Exit
from kwok.engine.client import Engine
from kwok.engine.images import STANDS_FOR
from tests.e2e.machine import Machine, wait_for
from tests.e2e.own_registry import Running

pytestmark = pytest.mark.e2e

DIGEST = "sha256:" + "7" * 64


class Scratch:
    """Images of the test's own in the real engine; all are gone after it."""

    def __init__(self, engine: Engine) -> None:
        self.client = docker.APIClient(base_url=engine.address, version="auto", timeout=120)
        self.prefix = f"kwok-harness.test/{uuid.uuid4().hex[:8]}"
        self._ids: set[str] = set()

    def make(self, tag: str, *labels: str) -> str:
        """An image with one file in it; its id."""
        content = f"{self.prefix}{tag}".encode()
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            member = tarfile.TarInfo("file")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        repository, _, word = tag.rpartition(":")
        self.client.import_image_from_data(tar.getvalue(), repository, word, [f"LABEL {each}" for each in labels])
        made = str(self.client.inspect_image(tag)["Id"])
        self._ids.add(made)
        return made

    def remove(self) -> None:
        """As if the images had never been here: another machine."""
        for each in self._ids:
            if self.there(each):
                self.client.remove_image(each, force=True)

    def there(self, image: str) -> bool:
        try:
            return bool(self.client.inspect_image(image))
        except docker.errors.ImageNotFound:
            return False

    def close(self) -> None:
        self.remove()
        self.client.close()


@pytest.fixture
def scratch(engine: Engine) -> Iterator[Scratch]:
    made = Scratch(engine)
    yield made
    made.close()


@pytest.fixture
def user(tmp_path: Path) -> Iterator[Machine]:
    """A user's machine that needs no tools."""
    made = Machine(tmp_path)
    yield made
    for child in made.children:
        child.kill()
        child.communicate()


def listed(user: Machine, options: list[str]) -> dict[str, dict[str, str]]:
    done = user.run(*options, "images", "list", "--json")
    assert done.returncode == 0, done.stderr
    return {each["name"]: each for each in json.loads(done.stdout)}


def test_images_are_moved_in_a_file(scratch: Scratch, user: Machine, tmp_path: Path) -> None:
    """Saved here, removed, loaded: the same images by id, and the built one is still known as built."""
    pulled, stands_for = f"{scratch.prefix}/registry:1", f"{scratch.prefix}/node:v1@{DIGEST}"
    first = scratch.make(pulled)
    second = scratch.make(f"{scratch.prefix}/node:v1.2", f"{STANDS_FOR}={stands_for}")
    options = ["-o", f"images.registry={pulled}", "-o", f"images.node={stands_for}"]
    here = listed(user, options)
    assert (here["registry"]["state"], here["registry"]["id"]) == ("here", first)
    assert (here["node"]["state"], here["node"]["id"]) == ("built here", second)

    file = tmp_path / "images.tar"
    saved = user.run(*options, "images", "save", str(file), "registry", "node")
    assert (saved.returncode, saved.stdout.strip()) == (0, str(file)), saved.stderr
    scratch.remove()
    assert {listed(user, options)[name]["state"] for name in ("registry", "node")} == {"missing"}
    loaded = user.run(*options, "images", "load", str(file))
    assert loaded.returncode == 0, loaded.stderr
    assert listed(user, options) == here

    file.write_bytes(file.read_bytes()[:-20_000])
    refused = user.run("images", "load", str(file))
    assert (refused.returncode, "or is truncated" in refused.stderr) == (Exit.FAILURE, True)


def test_a_digest_is_pulled_and_survives_the_air_gap(
    scratch: Scratch, user: Machine, running: Running, tmp_path: Path
) -> None:
    """From a registry that holds it, by the digest alone; then into a file and out of it, still known as that digest.

    The tag of the settings leads to another image here, which stays what it is and is not taken.
    """
    repository = f"{running.host}/{uuid.uuid4().hex[:8]}"
    made = scratch.make(f"{repository}:1")
    told = list(scratch.client.push(f"{repository}:1", stream=True, decode=True))
    digest = next(line["aux"]["Digest"] for line in told if "aux" in line)
    scratch.remove()
    other = scratch.make(f"{repository}:1", "other=true")
    options = ["-o", f"images.node={repository}:1@{digest}"]
    assert listed(user, options)["node"]["state"] == "missing"

    pulled = user.run(*options, "images", "pull", "node")
    assert pulled.returncode == 0, pulled.stderr
    tag = f"{repository}:{digest.replace(':', '-')}"
    assert scratch.client.inspect_image(tag)["Id"] == made
    assert scratch.client.inspect_image(f"{repository}:1")["Id"] == other

    file = tmp_path / "images.tar"
    assert user.run(*options, "images", "save", str(file), "node").returncode == 0
    scratch.remove()
    running.kill()
    loaded = user.run(*options, "images", "load", str(file))
    assert loaded.returncode == 0, loaded.stderr
    assert scratch.client.inspect_image(tag)["RepoDigests"] in ([], None)
    found = listed(user, options)["node"]
    assert (found["state"], found["tag"], found["id"]) == ("here", tag, made)


def test_what_nobody_has_is_told_in_seconds(engine: Engine, user: Machine) -> None:
    """Offline: no attempts that cannot help, one error for all images, and the ways out."""
    name = uuid.uuid4().hex[:8]
    options = ["-o", f"images.kwok=localhost:1/{name}:1", "-o", f"images.argocd=registry.invalid/{name}:1"]
    began = time.monotonic()
    done = user.run(*options, "images", "pull", "kwok", "argocd")
    assert done.returncode == Exit.SETTINGS
    assert time.monotonic() - began < 60  # the engine itself asks twice; five attempts would take minutes
    error = done.stderr[done.stderr.index("error: ") :]
    assert f"kwok (localhost:1/{name}:1): {engine.name} cannot pull it" in error
    assert f"argocd (registry.invalid/{name}:1): {engine.name} cannot pull it" in error
    assert "attempt 2" not in done.stderr
    assert all(way in error for way in ("images load FILE", "RUNTIME=host"))


@pytest.mark.usefixtures("engine")
def test_a_pull_is_interrupted_at_once(user: Machine) -> None:
    """While a registry accepts the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reference = f"127.0.0.1:{silent.getsockname()[1]}/{uuid.uuid4().hex[:8]}:1"
        child = user.start("-o", f"images.kwok={reference}", "images", "pull", "kwok")
        wait_for(child, "image kwok: pulling")
        connection, _ = silent.accept()
        with connection:
            began = time.monotonic()
            child.send_signal(signal.SIGINT)
            assert child.wait(30) == Exit.INTERRUPTED
            assert time.monotonic() - began < 5
