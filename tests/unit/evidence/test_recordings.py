"""Which recording is meant, and which are kept."""

import os
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.evidence.recordings import find, kept, prune


def left(artifacts: Path, name: str, written: int = 0) -> Path:
    """A recording in a directory of that name."""
    directory = artifacts / name
    directory.mkdir(parents=True)
    (directory / "run.json").write_text("{}")
    (directory / "run.jsonl").write_text("{}\n")
    os.utime(directory / "run.jsonl", (written, written))
    return directory


def test_a_run_is_found_by_its_id_or_its_end(tmp_path: Path) -> None:
    """Failed and green runs alike; the last digits are what a cluster's name ends with."""
    red = left(tmp_path, "kwok-debug-eks-training-flux-oci-20260102-030405-ab12")
    green = left(tmp_path, "kwok-run-eks-helm-20260102-030406-cd34-2")
    assert find(tmp_path, "20260102-030405-ab12") == red
    assert find(tmp_path, "cd34") == green


def test_the_newest_is_meant_where_none_is_named(tmp_path: Path) -> None:
    """Within a second, the one that was written last; what holds no recording does not count."""
    left(tmp_path, "kwok-run-eks-helm-20260102-030404-ffff", written=99)
    left(tmp_path, "kwok-run-eks-helm-20260102-030406-ffff", written=1)
    newest = left(tmp_path, "kwok-debug-b-helm-20260102-030406-0000", written=2)
    (tmp_path / "kwok-debug-b-helm-20260102-030409-0000").mkdir()
    (tmp_path / "notes").mkdir()
    assert find(tmp_path, "") == newest


def test_what_is_not_there_or_not_clear_is_said(tmp_path: Path) -> None:
    """With the place that was looked at, and the ids to choose from."""
    with pytest.raises(UsageError, match="there is no recording ab12"):
        find(tmp_path / "nowhere", "ab12")
    left(tmp_path, "kwok-run-eks-helm-20260102-030405-ab12")
    left(tmp_path, "kwok-run-eks-helm-20260102-030406-ab12")
    with pytest.raises(UsageError, match="20260102-030405-ab12, 20260102-030406-ab12"):
        find(tmp_path, "ab12")


def test_old_green_recordings_go_and_evidence_stays(tmp_path: Path) -> None:
    """The newest ones are kept; a directory into which somebody has put more is left alone."""
    for second in range(5):
        left(tmp_path, f"kwok-run-eks-helm-20260102-03040{second}-0000")
    evidence = left(tmp_path, "kwok-debug-eks-helm-20250102-030400-0000")
    (tmp_path / "kwok-run-eks-helm-20260102-030401-0000" / "mine.txt").write_text("my notes")
    prune(tmp_path, keep=2)
    assert evidence.is_dir()
    assert [each.run_id[9:15] for each in kept(tmp_path)] == ["030400", "030403", "030404"]
    assert (tmp_path / "kwok-run-eks-helm-20260102-030401-0000" / "mine.txt").exists()


def test_what_only_looks_like_a_recording_is_left_alone(tmp_path: Path) -> None:
    """A symbolic link of that name leads somewhere else: nothing is read or removed there."""
    target = left(tmp_path / "elsewhere", "kwok-run-eks-helm-20260102-030405-ab12")
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / target.name).symlink_to(target)
    prune(tmp_path / "artifacts", keep=0)
    assert kept(tmp_path / "artifacts") == []
    assert (target / "run.jsonl").exists()
