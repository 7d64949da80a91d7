"""Images: an archive that an engine takes, the labels that the harness looks for, and the key that saves the making."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from hack.kind_images.images import Image, tag
from hack.kind_images.layers import File, Files
from harness.settings import load

LAYER = Files(File("x", b"1"))
IMAGE = Image("a.example/x:1", [LAYER], {"Entrypoint": ["/x"], "Env": ["A=b"]}, stands_for="a.example/x:1@sha256:00")


def written(image: Image, directory: Path) -> dict[str, bytes]:
    image.write(directory / "image.tar", directory)
    found = {}
    with tarfile.open(directory / "image.tar") as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            found[member.name] = content.read()
    return found


def configuration(content: dict[str, bytes]) -> Any:
    return json.loads(next(value for name, value in content.items() if len(name) == 69))


def test_an_archive_names_its_layers_and_its_configuration_by_their_digests(tmp_path: Path) -> None:
    """An engine compares them: a layer under another digest is refused."""
    content = written(IMAGE, tmp_path)
    [manifest] = json.loads(content["manifest.json"])
    [layer] = manifest["Layers"]
    assert manifest["RepoTags"] == ["a.example/x:1"]
    assert hashlib.sha256(content[manifest["Config"]]).hexdigest() == manifest["Config"].removesuffix(".json")
    assert layer == f"{hashlib.sha256(content[layer]).hexdigest()}/layer.tar"
    assert configuration(content)["rootfs"]["diff_ids"] == [f"sha256:{layer.partition('/')[0]}"]


def test_an_image_says_what_it_stands_for_and_what_it_was_made_from(tmp_path: Path) -> None:
    """By labels: the reference of the settings with its digest, and the key."""
    said = configuration(written(IMAGE, tmp_path))["config"]
    assert said["Labels"] == {"kwok-harness.stands-for": IMAGE.stands_for, "kwok-harness.made-from": IMAGE.key}
    assert said["Env"][0].startswith("PATH=")
    assert said["Env"][1:] == ["A=b"]


def test_an_image_without_a_reference_of_its_own_stands_for_itself() -> None:
    """Those that kubeadm wants are not in the settings."""
    assert Image("a:1", [LAYER]).labels["kwok-harness.stands-for"] == "a:1"


def test_the_same_things_are_the_same_image(tmp_path: Path) -> None:
    """Byte by byte, and nothing of a layer stays in the work directory."""
    written(IMAGE, tmp_path)
    first = (tmp_path / "image.tar").read_bytes()
    written(IMAGE, tmp_path)
    assert (tmp_path / "image.tar").read_bytes() == first
    assert [each.name for each in tmp_path.iterdir()] == ["image.tar"]


@pytest.mark.parametrize(
    "other",
    [
        Image("a.example/x:2", IMAGE.layers, IMAGE.runs, IMAGE.stands_for),
        Image(IMAGE.reference, [*IMAGE.layers, LAYER], IMAGE.runs, IMAGE.stands_for),
        Image(IMAGE.reference, IMAGE.layers, {}, IMAGE.stands_for),
        Image(IMAGE.reference, IMAGE.layers, IMAGE.runs, "b"),
        Image(IMAGE.reference, IMAGE.layers, IMAGE.runs, IMAGE.stands_for, ["k"]),
    ],
)
def test_whatever_differs_changes_the_key(other: Image) -> None:
    """An image that is there under the same name, made from other things, is made anew."""
    assert other.key != IMAGE.key


def test_a_tag_has_no_digest() -> None:
    """The node is named by digest in the settings, and what is made here cannot have it."""
    assert tag(load(environment={}), "node").count("@") == 0
    assert tag(load(environment={}), "kwok") == load(environment={}).images["kwok"]
