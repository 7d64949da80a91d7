"""The clips of the sample suite, and what happens where a file is there already."""

import hashlib
from pathlib import Path

import pytest

from kwok.suites.platform.programs import clips


@pytest.mark.parametrize("clip", clips.CLIPS, ids=lambda clip: clip.name)
def test_content_is_what_is_declared(clip: clips.Clip) -> None:
    """Each clip has the size and the sha256 that its table declares."""
    content = clip.content()

    assert len(content) == clip.size == 49_152
    assert hashlib.sha256(content).hexdigest() == clip.sha256


def test_only_absent_files_are_written(tmp_path: Path) -> None:
    """A second call writes nothing, and the first writes both."""
    assert [path.name for path in clips.make(tmp_path / "new")] == ["ref.yuv", "dist.yuv"]
    assert clips.make(tmp_path / "new") == []


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "expected 49152 bytes, found 0"), (bytes(49_152), "expected sha256 2db68170")]
)
def test_another_file_is_refused_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    """A file of another size or content is named with the difference, is left as it is, and the exit code is 1."""
    place = tmp_path / "dist.yuv"
    place.write_bytes(content)

    assert clips.main([str(tmp_path)]) == 1

    error = capsys.readouterr().err
    assert f"error: {place}: {said}" in error
    assert "remove the file" in error
    assert place.read_bytes() == content


def test_a_file_in_the_way_of_the_directory_is_one_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A path that is no directory ends with one sentence, not a traceback."""
    (tmp_path / "file").touch()

    assert clips.main([str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.startswith("error: ")
