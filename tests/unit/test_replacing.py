"""A file is replaced as a whole or not at all."""

import stat
from pathlib import Path

import pytest

from harness.replacing import replace, replacing


def test_a_replaced_file_has_the_new_text_and_mode(tmp_path: Path) -> None:
    """For its owner alone, unless said otherwise; nothing is left beside it."""
    file = tmp_path / "a"
    file.write_text("old")
    replace(file, "néw\r\n")
    assert file.read_bytes() == "néw\r\n".encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    replace(file, "lone \ud800", 0o644)
    assert file.read_text() == "lone ?"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_what_fails_leaves_the_old_file(tmp_path: Path) -> None:
    """Even a key press in the middle: no half file, and no draft."""
    file = tmp_path / "a"
    file.write_text("old")

    def interrupted() -> None:
        with replacing(file) as draft:
            draft.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
