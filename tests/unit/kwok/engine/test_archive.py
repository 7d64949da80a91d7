"""The file that takes images elsewhere: whole or not there, and told from every other file."""

import io
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kwok.engine.archive import INDEX, Entry, ImageFileError, read, write

ENTRY = Entry("node", "kindest/node:v1", "docker.io/kindest/node:v1", "sha256:1", ("sha256:a", "sha256:b"), "amd64")


def a_tar(**members: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """The index, and the engine's own members as they were; anybody may read the file."""
    file = tmp_path / "images.tar"
    whole = a_tar(manifest=b"[]", layer=b"x" * 5000)
    write(file, [whole[:700], whole[700:]], [ENTRY])
    assert read(file) == (ENTRY,)
    with tarfile.open(file) as archive:
        assert archive.getnames() == ["manifest", "layer", INDEX]
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    """The engine went away half-way: the file of before is as it was, and nothing lies beside it."""
    file = tmp_path / "images.tar"
    file.write_text("old")

    def broken() -> Iterator[bytes]:
        yield b"x" * 100
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(file, broken(), [ENTRY])
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_what_an_engine_sends_must_be_a_tar(tmp_path: Path) -> None:
    """An error page is not kept as images."""
    with pytest.raises(ImageFileError, match="cannot be written"):
        write(tmp_path / "images.tar", [b"<html>" * 200], [ENTRY])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#!/bin/sh\n",
        a_tar(manifest=b"[]"),
        a_tar(**{INDEX: b"{}"}),
        a_tar(**{INDEX: b'{"images": [{"name": 1}]}'}),
    ],
    ids=["empty", "script", "another tar", "no images", "other fields"],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """One clear error that says which file would do."""
    file = tmp_path / "other"
    file.write_bytes(content)
    with pytest.raises(ImageFileError, match=r"is not a file of images of the harness(.|\n)*images save FILE"):
        read(file)


def test_a_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    """A copy that ran out of disk has no index."""
    file = tmp_path / "images.tar"
    write(file, [a_tar(layer=b"x" * 5000)], [ENTRY])
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(ImageFileError, match="or is truncated"):
        read(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The operating system's words, with the path."""
    with pytest.raises(ImageFileError, match="none: cannot be read: No such file"):
        read(tmp_path / "none")
