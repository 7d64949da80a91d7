"""Writing: whole files or none, after every cell, and never at the cost of a sweep."""

import json
import stat
from pathlib import Path

import pytest

from harness import reports
from harness.reports.html import page as html
from harness.results.outcome import Cause, Phase
from harness.verdict import CauseKind
from tests.fakes.results import cell, failed, not_run, sweep

FILES = ["kwok-results.html", "kwok-results.json", "kwok-results.xml", "kwok-summary.md"]


def test_every_format_is_written_and_nothing_else_left(tmp_path: Path) -> None:
    """Into a directory that need not be there; the files may be read by others."""
    place = tmp_path / "deep" / "reports"
    assert reports.write(sweep(cell()), place) == ()
    assert sorted(path.name for path in place.iterdir()) == FILES
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {0o644}


def test_a_later_write_replaces_an_earlier_one(tmp_path: Path) -> None:
    """After every cell: what was there is gone, as a whole."""
    reports.write(sweep(not_run("a"), not_run("b")), tmp_path)
    reports.write(sweep(cell(recipe="a"), not_run("b")), tmp_path)
    tests = json.loads((tmp_path / "kwok-results.json").read_text())["results"]["tests"]
    assert [test["status"] for test in tests] == ["passed", "pending"]


def test_who_reads_while_it_is_written_reads_a_whole_file(tmp_path: Path) -> None:
    """The old one to its end: the new one is another file that takes its name in one step."""
    reports.write(sweep(not_run()), tmp_path)
    for name in FILES:
        before = (tmp_path / name).read_text()
        with (tmp_path / name).open() as reader:
            reports.write(sweep(cell(), failed(Cause(CauseKind.PULL, "", "refused"), name)), tmp_path)
            assert reader.read() == before
        reports.write(sweep(not_run()), tmp_path)


def test_a_write_that_fails_is_told_and_leaves_the_last_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk ends no sweep and tears no file."""
    reports.write(sweep(not_run()), tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in FILES}

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    troubles = reports.write(sweep(cell()), tmp_path)
    assert len(troubles) == len(FILES)
    assert "kwok-results.json cannot be written: No space left on device" in troubles[0]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_place_that_is_no_directory_is_told(tmp_path: Path) -> None:
    """Nothing is raised."""
    (tmp_path / "file").write_text("")
    assert len(reports.write(sweep(cell()), tmp_path / "file")) == len(FILES)


def test_a_defect_of_one_report_does_not_cost_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page cannot be made; what can be read again still is."""

    def defect(*_: object) -> str:
        raise KeyError("page")

    monkeypatch.setattr(html, "document", defect)
    troubles = reports.write(sweep(cell()), tmp_path)
    assert troubles == (f"{tmp_path}/kwok-results.html cannot be made: KeyError: 'page'",)
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES[1:]


def test_secrets_are_taken_out_of_every_report(tmp_path: Path) -> None:
    """Of a reason, a cause, a note and a phase alike."""
    said = "login failed: password=hunter2hunter2"
    made = failed(
        Cause(CauseKind.PULL, "OCIRepository", said),
        reason=said,
        notes=(said,),
        phases=(Phase("sync", 1, "failed", said),),
    )
    reports.write(sweep(made, reason=said), tmp_path)
    for name in FILES:
        written = (tmp_path / name).read_text()
        assert "hunter2" not in written
        assert "REDACTED" in written
