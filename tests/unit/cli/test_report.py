"""`kwok-harness report`: one report out of many jobs, and the exit code of the whole."""

import json
from pathlib import Path

import pytest

from harness import reports
from harness.__main__ import run
from harness.exits import Exit
from tests.fakes.results import cell, not_run, sweep


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No CI around, and the working directory a new one."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_shards_are_merged_and_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Into kwok-report unless told otherwise; the grid is printed, and exit code 0 is that of the whole."""
    reports.write(sweep(cell(recipe="a"), shard="1/2"), Path("one"))
    reports.write(sweep(cell(recipe="b"), shard="2/2"), Path("two"))
    assert run(["report", "one", "two"]) is Exit.OK
    shown = capsys.readouterr().out
    assert "PASSED 2 cells: 2 passed" in shown
    assert "reports: kwok-report" in shown
    assert len(list(Path("kwok-report").iterdir())) == 4


def test_what_is_missing_is_told_by_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """A shard without results, and the code of a job that was stopped."""
    reports.write(sweep(cell(), shard="1/2"), Path("one"))
    assert run(["report", "one"]) is Exit.FAILURE
    assert "shard 2/2 has no results" in capsys.readouterr().out
    reports.write(sweep(not_run(), shard="2/2", stopped=Exit.SYNC_DEADLINE, reason="three strikes"), Path("two"))
    assert run(["report", "one", "two"]) is Exit.SYNC_DEADLINE


def test_a_report_can_be_made_again_over_the_last_one() -> None:
    """What it wrote is not taken for a job's results, even where it lies among them."""
    reports.write(sweep(cell(), shard="1/2"), Path("jobs/one"))
    words = ["report", "jobs", "--output", "jobs/report"]
    assert run(words) is Exit.FAILURE
    reports.write(sweep(cell(recipe="b"), shard="2/2"), Path("jobs/two"))
    assert run(words) is Exit.OK


def test_scripts_get_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    """The same that is written, and nothing else on stdout."""
    reports.write(sweep(cell()), Path("one"))
    assert run(["report", "one", "--json", "--output", "out"]) is Exit.OK
    assert json.loads(capsys.readouterr().out) == json.loads(Path("out/kwok-results.json").read_text())


def test_flaky_cells_are_marked_from_history(capsys: pytest.CaptureFixture[str]) -> None:
    """The same content passed before: it stays red, and everybody sees that it is not steady."""
    facts = {"bundle": "sha256:0"}
    reports.write(sweep(cell(facts=facts, run_id="earlier"), run_id="earlier"), Path("earlier"))
    reports.write(sweep(cell(Exit.FAILURE, facts=facts)), Path("now"))
    assert run(["report", "now", "--history", "earlier", "--output", "out"]) is Exit.FAILURE
    assert reports.read(Path("out/kwok-results.json")).cells[0].flaky
    assert run(["report", "now", "--output", "other"]) is Exit.FAILURE
    assert not reports.read(Path("other/kwok-results.json")).cells[0].flaky
    assert "flaky" in capsys.readouterr().out


def test_ci_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Summary and annotations, at the overlay where there is such a recipe."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    reports.write(sweep(cell(Exit.FAILURE, "eks-training"), cell(Exit.FAILURE, "gone", reason="no pods")), Path("one"))
    assert run(["report", "one"]) is Exit.FAILURE
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("::")]
    assert len(said) == 2
    assert "overlays/eks-training.yaml,title=kwok/eks-training/helm failed::" in said[0]
    assert said[1] == "::error title=kwok/gone/helm failed::no pods"
    assert (tmp_path / "summary.md").read_text().startswith("## ✗ FAILED")


def test_reports_that_cannot_be_written_are_not_green(capsys: pytest.CaptureFixture[str]) -> None:
    """To write them is what was asked for."""
    reports.write(sweep(cell()), Path("one"))
    Path("taken").mkdir()
    Path("taken/kwok-results.html").mkdir()
    assert run(["report", "one", "--output", "taken"]) is Exit.FAILURE
    assert "kwok-results.html cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "code"), [(["nowhere"], Exit.USAGE), (["."], Exit.SETTINGS), ([], Exit.USAGE)])
def test_without_results_there_is_nothing_to_say(words: list[str], code: Exit) -> None:
    """No directory, or none with results in it."""
    assert run(["report", *words]) is code


def test_cells_of_the_matrix_that_are_in_no_results_are_not_green(capsys: pytest.CaptureFixture[str]) -> None:
    """A job that has left nothing has shown nothing; a tier that had no turn, or nothing to do, is empty."""
    reports.write(sweep(cell(recipe="a")), Path("one"))
    asked = '{"include":[{"shard":"1/2","cells":"a/helm b/flux-oci"}]}'
    assert run(["report", "one", "--matrix", '{"include":[{"cells":"a/helm"}]}', "--matrix", ""]) is Exit.OK
    assert run(["report", "one", "--matrix", '{"include":[]}', "--matrix", asked]) is Exit.FAILURE
    assert "its job wrote no results" in capsys.readouterr().out
    tests = json.loads(Path("kwok-report/kwok-results.json").read_text())["results"]["tests"]
    assert [(test["name"], test["status"]) for test in tests] == [
        ("kwok/a/helm", "passed"),
        ("kwok/b/flux-oci", "pending"),
    ]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"include":[{"recipe":"a"}]}', '{"include":[{"cells":"a"}]}'])
def test_another_matrix_than_ours_is_an_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Read as empty it would turn green what nobody ran."""
    reports.write(sweep(cell()), Path("one"))
    assert run(["report", "one", "--matrix", text]) is Exit.USAGE
    assert "--matrix" in capsys.readouterr().err
