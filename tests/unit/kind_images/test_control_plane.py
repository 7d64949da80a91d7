"""The images of the control plane: those that kubeadm names, at the versions of the pins."""

from pathlib import Path
from typing import Any

import pytest

from hack.kind_images.control_plane import by_program, images
from hack.kind_images.images import Image
from hack.kind_images.layers import Entry, File, Files, Selection
from harness.errors import DataError

LISTING = """registry.k8s.io/kube-apiserver:v1.34.10
registry.k8s.io/kube-proxy:v1.34.10
registry.k8s.io/coredns/coredns:v1.12.1
registry.k8s.io/pause:3.10.1
registry.k8s.io/etcd:3.6.5-0
"""
PINNED = {
    "kube-apiserver": "v1.34.10", "kube-proxy": "v1.34.10", "coredns": "v1.12.1", "pause": "3.10.1", "etcd": "v3.6.14",
}  # fmt: skip


class Debian:
    key = "debian"

    def file(self) -> Path:
        raise AssertionError("a key was asked for, not a layer")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "program").write_bytes(b"\x7fELF")
    return tmp_path / "program"


def made(program: Path, pinned: dict[str, str]) -> dict[str, Image]:
    debian: Any = Debian()
    return {each.reference: each for each in images(by_program(LISTING), pinned, lambda _: program, debian)}


def files(image: Image) -> list[Entry]:
    return [entry for layer in image.layers if isinstance(layer, Files) for entry in layer.entries]


def test_a_listing_is_read_by_program() -> None:
    """The last part of the name, whatever is in front of it and after the colon."""
    assert by_program(LISTING)["coredns"] == "registry.k8s.io/coredns/coredns:v1.12.1"
    assert list(by_program(LISTING)) == ["kube-apiserver", "kube-proxy", "coredns", "pause", "etcd"]


def test_every_image_has_the_name_that_kubeadm_wants(program: Path) -> None:
    """And runs the program by its path in the image."""
    found = made(program, PINNED)
    assert list(found) == LISTING.split()
    for image in found.values():
        [path] = [each.path for each in files(image) if isinstance(each, File) and each.content == program]
        assert image.runs["Entrypoint"] == [f"/{path}"]


@pytest.mark.parametrize("name", ["coredns", "pause", "kube-proxy"])
def test_a_pin_of_another_version_is_refused(program: Path, name: str) -> None:
    """kubeadm decides: an image under its tag with another version in it would be a lie."""
    with pytest.raises(DataError, match=f"the pin of {name} is v0"):
        made(program, {**PINNED, name: "v0"})
    with pytest.raises(DataError, match=f"the pin of {name} is missing"):
        made(program, {each: PINNED[each] for each in PINNED if each != name})


def test_kube_proxy_has_tables_of_both_kinds(program: Path) -> None:
    """Out of the Debian system, without making it; iptables itself is a script that follows the kubelet's choice."""
    proxy = made(program, PINNED)["registry.k8s.io/kube-proxy:v1.34.10"]
    assert isinstance(proxy.layers[0], Selection)
    scripts = {
        each.path: each.content
        for each in files(proxy)
        if isinstance(each, File) and isinstance(each.content, bytes) and each.path.startswith("usr/sbin/")
    }
    assert sorted(scripts) == sorted(
        f"usr/sbin/ip{six}tables{verb}" for six in ("", "6") for verb in ("", "-save", "-restore")
    )
    assert b"exec /usr/sbin/ip6tables-$kind-restore" in scripts["usr/sbin/ip6tables-restore"]
