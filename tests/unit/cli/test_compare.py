"""What `compare` prints of two runs, and what it ends with."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness import reports
from harness.__main__ import run
from harness.exits import Exit
from harness.results.critical_path import FACT, CriticalPath, Hop, Whose
from harness.results.outcome import Cause, Outcome, Phase
from harness.results.results import CellResult, Results
from harness.verdict import CauseKind

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PULL = Cause(
    CauseKind.PULL, "OCIRepository flux-system/aicr-bundle", "manifest unknown: unknown tag=0a1b2c3d4e5f-flux-oci"
)


def cell(recipe: str, number: int, seconds: float | None = 40.0, sync: float = 30.0) -> CellResult:
    """One that passed in `seconds`, or failed."""
    code = Exit.SYNC_DEADLINE if seconds is None else Exit.OK
    took = seconds or 300.0
    phases = (Phase("cluster", took - sync, "passed"), Phase("sync", sync, "passed"))
    return CellResult(
        recipe,
        "flux-oci",
        Outcome(
            *(recipe, "flux-oci", f"r{number}", "host", "c", NOW + timedelta(hours=number), took, code, "why", phases),
            facts={"bundle": "sha256:1"},
            cause=PULL if seconds is None else None,
        ),
    )


def written(directory: Path, number: int, *cells: CellResult) -> Path:
    began = NOW + timedelta(hours=number)
    assert reports.write(Results(f"r{number}", began, began, cells), directory) == ()
    return directory


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return written(tmp_path / "runs/old", 1, cell("eks", 1), cell("gke", 1), cell("aks", 1), cell("oke", 1, None))


@pytest.fixture
def new(tmp_path: Path) -> Path:
    made = (cell("eks", 2, None), cell("gke", 2, None), cell("aks", 2, 72.0, 61.5), cell("oke", 2))
    return written(tmp_path / "runs/new", 2, *made)


def test_the_table_and_each_cause_once(old: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Columns for awk, what broke first; the cause of two cells is one sentence; the verdict comes last."""
    assert run(["compare", str(old), str(new)]) is Exit.FAILURE
    assert capsys.readouterr().out.splitlines() == [
        "change  cell               before  now",
        "broke   kwok/eks/flux-oci  passed  failed, flaky",
        "broke   kwok/gke/flux-oci  passed  failed, flaky",
        "fixed   kwok/oke/flux-oci  failed  passed, flaky",
        "slower  kwok/aks/flux-oci  40.0 s  72.0 s (sync +31.5 s)",
        f"pull: {PULL.subject}: {PULL.message}",
        "  in kwok/eks/flux-oci, kwok/gke/flux-oci",
        "cells with fewer than 3 earlier passes, so of unknown noise: 1 (held against OLD alone; less than 10 s or 50 %"
        " is no difference)",
        "WORSE: of 4 cells with a verdict in both, 2 broke, 1 fixed, 1 slower, 3 flaky",
    ]


def test_slower_alone_is_not_worse(old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0: times are told, verdicts decide. A file does as well as its directory."""
    new = written(tmp_path / "new", 2, cell("eks", 2, 72.0)) / reports.RESULTS_FILE
    assert run(["compare", str(old / reports.RESULTS_FILE), str(new)]) is Exit.OK
    assert "not worse: of 1 cells with a verdict in both, 1 slower, 3 vanished" in capsys.readouterr().out


def test_a_slower_cell_says_whose_time_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A column for each owner of the critical path, with the change; empty in rows of which it is not known."""

    def timed(number: int, seconds: float, idle: float) -> CellResult:
        hops = [Hop(0.0, 10.0, "cluster", "our boot", Whose.OURS), Hop(10.0, 10.0 + idle, "a", "a poll", Whose.IDLE)]
        made = cell("eks", number, seconds)
        assert made.outcome is not None
        facts = {**made.outcome.facts, FACT: CriticalPath(hops).document()}
        return replace(made, outcome=replace(made.outcome, facts=facts))

    before = written(tmp_path / "before", 1, timed(1, 40.0, 20.0), cell("gke", 1))
    after = written(tmp_path / "after", 2, timed(2, 72.0, 51.5), cell("gke", 2, None))
    run(["compare", str(before), str(after)])
    heading, broke, slower = capsys.readouterr().out.splitlines()[:3]
    assert heading.split() == ["change", "cell", "before", "now", "ours", "deployer", "idle"]
    assert broke.split() == ["broke", "kwok/gke/flux-oci", "passed", "failed,", "flaky"]
    assert slower.endswith("10.0 s (+0.0 s)  0.0 s (+0.0 s)  51.5 s (+31.5 s)")
    run(["compare", str(before), str(after), "--json"])
    (pace,) = json.loads(capsys.readouterr().out)["slower"]
    assert pace["shares"]["idle"] == {"seconds": 51.5, "usual": 20.0}


def test_the_history_knows_the_noise(old: Path, new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what else is below the directory, and without the file that cannot be read, which is told."""
    for number, seconds in enumerate((20.0, 60.0, 90.0, 30.0), 3):
        written(tmp_path / f"runs/{number}", number, cell("aks", number, seconds, 10.0))
    (tmp_path / "runs/3/nested").mkdir()
    (tmp_path / "runs/3/nested" / reports.RESULTS_FILE).write_text("{")
    run(["compare", str(old), str(new), "--history", str(tmp_path / "runs")])
    printed = capsys.readouterr()
    assert "slower" not in printed.out
    assert "unknown noise" not in printed.out
    assert "left out of the history" in printed.err
    assert "nested" in printed.err


def test_json_for_scripts(old: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of it, and nothing else on stdout."""
    assert run(["compare", str(old), str(new), "--json"]) is Exit.FAILURE
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["worse"] is True
    assert [each["cause"]["kind"] for each in found["broke"]] == ["pull", "pull"]
    assert found["slower"][0]["phases"] == [{"name": "sync", "change": 31.5}]


def test_the_same_run_is_not_worse(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No table at all."""
    assert run(["compare", str(old), str(old)]) is Exit.OK
    *_, last = capsys.readouterr().out.splitlines()
    assert last == "not worse: of 4 cells with a verdict in both, none changed"


def test_bad_input_is_one_clear_error(old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No results below a directory, or a file that is something else: 10. A path that is not there: 64."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.json").write_text("[]")
    for name in ("empty", "other.json"):
        assert run(["compare", str(old), str(tmp_path / name)]) is Exit.SETTINGS
        printed = capsys.readouterr()
        assert printed.err.startswith("error: ")
        assert name in printed.err
        assert printed.out == ""
    assert run(["compare", str(old), str(tmp_path / "absent")]) is Exit.USAGE
