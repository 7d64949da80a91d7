"""Layers: the same bytes from the same things, and a key that is another one with anything that differs."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from hack.kind_images.layers import Directory, File, Files, Link, Selection


class Kept:
    """A layer that is kept as a tar file."""

    key = "kept"

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self) -> Path:
        return self.path


def listed(path: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(path) as tar:
        return {member.name: member for member in tar}


def test_the_same_entries_are_the_same_bytes(tmp_path: Path) -> None:
    """Neither the time nor whose file it is on this machine gets into a layer."""
    source = tmp_path / "program"
    layers = []
    for moment in (1, 10**9):
        source.write_bytes(b"\x7fELF")
        os.utime(source, (moment, moment))
        Files(File("usr/bin/x", source, 0o755), Directory("tmp", 0o1777), Link("a", "b")).write(tmp_path / "layer")
        layers.append((tmp_path / "layer").read_bytes())
    assert layers[0] == layers[1]


def test_a_layer_holds_what_was_asked_for(tmp_path: Path) -> None:
    """Modes, owners and targets are those of the entries."""
    Files(File("etc/x", b"12", 0o755), Directory("data", 0o700, 999), Link("a", "b")).write(tmp_path / "layer")
    members = listed(tmp_path / "layer")
    assert (members["etc/x"].mode, members["etc/x"].size, members["etc/x"].uid) == (0o755, 2, 0)
    assert (members["data"].isdir(), members["data"].mode, members["data"].uid) == (True, 0o700, 999)
    assert (members["a"].issym(), members["a"].linkname) == (True, "b")


@pytest.mark.parametrize(
    "other",
    [File("p", b"2"), File("q", b"1"), File("p", b"1", 0o755), Directory("p"), Link("p", "1"), Directory("p", 0o700)],
)
def test_whatever_differs_changes_the_key(other: File | Directory | Link) -> None:
    """Content, path, mode and kind are in the key."""
    assert Files(other).key != Files(File("p", b"1")).key


def test_where_the_bytes_lie_does_not_change_the_key(tmp_path: Path) -> None:
    """A program in another directory is the same program."""
    (tmp_path / "one").write_bytes(b"1")
    assert Files(File("p", tmp_path / "one")).key == Files(File("p", b"1")).key


def test_a_selection_takes_what_matches(tmp_path: Path) -> None:
    """Patterns begin at the root, and a star is one name; directories come with what is in them."""
    names = ["usr/sbin/nft", "usr/lib/x86/libm.so.6", "usr/lib/x86/xtables/libxt.so", "usr/lib/x86/systemd/private.so"]
    with tarfile.open(tmp_path / "system.tar", "w") as tar:
        tar.add(tmp_path, "./usr", recursive=False)
        for name in names:
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))
    chosen = Selection(Kept(tmp_path / "system.tar"), ["/usr/sbin/nft", "/usr/lib/*/*.so*", "/usr/lib/*/xtables/*"])
    chosen.write(tmp_path / "layer")
    assert sorted(listed(tmp_path / "layer")) == sorted(f"./{name}" for name in names[:3])
    with tarfile.open(tmp_path / "layer") as tar:
        content = tar.extractfile("./usr/sbin/nft")
        assert content is not None
        assert content.read() == b"usr/sbin/nft"


def test_a_selection_is_another_one_with_other_patterns() -> None:
    """Its key is of the system and of the patterns."""
    assert Selection(Kept(Path("x")), ["/a"]).key != Selection(Kept(Path("x")), ["/b"]).key
