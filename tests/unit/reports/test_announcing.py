"""What CI is told once, and only where there is a CI to tell."""

import io
from pathlib import Path

import pytest

from harness import reports
from harness.exits import Exit
from harness.reports import summary
from tests.fakes.results import cell, sweep

RED = sweep(cell(Exit.FAILURE))


def test_without_a_ci_nothing_is_said() -> None:
    """A terminal has no use for workflow commands."""
    output = io.StringIO()
    assert reports.announce(RED, lambda recipe: None, {}, output) == ()
    assert output.getvalue() == ""


def test_the_summary_is_added_to_what_the_step_has_said(tmp_path: Path) -> None:
    """Within what is left of GitHub's limit for the whole of it."""
    file = tmp_path / "summary.md"
    file.write_text("x" * (summary.LIMIT - 1200) + "\n")
    many = sweep(*(cell(Exit.FAILURE, f"r{number}", reason="y" * 2000) for number in range(9)))
    assert reports.announce(many, lambda recipe: None, {"GITHUB_STEP_SUMMARY": str(file)}, io.StringIO()) == ()
    text = file.read_text()
    assert "x\n## ✗ FAILED: 9 cells: 9 failed\n" in text
    assert len(text.encode()) <= summary.LIMIT
    assert "more parts are left out" in text


def test_a_summary_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """It changes nothing else."""
    troubles = reports.announce(RED, lambda recipe: None, {"GITHUB_STEP_SUMMARY": str(tmp_path)}, io.StringIO())
    assert len(troubles) == 1
    assert "cannot be written" in troubles[0]


@pytest.mark.parametrize(
    ("overlay", "place"),
    [
        ("WORKSPACE/recipes/overlays/eks.yaml", "file=recipes/overlays/eks.yaml,"),
        ("/elsewhere/eks.yaml", "file=/elsewhere/eks.yaml,"),
        ("", ""),
    ],
    ids=["in the workspace", "elsewhere", "unknown"],
)
def test_annotations_name_the_overlay_as_seen_from_the_workspace(tmp_path: Path, overlay: str, place: str) -> None:
    """GitHub shows them beside the file; one elsewhere keeps its whole path, and an unknown recipe has none."""
    file = Path(overlay.replace("WORKSPACE", str(tmp_path))) if overlay else None
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path)}
    output = io.StringIO()
    assert reports.announce(RED, lambda recipe: file, environment, output) == ()
    assert output.getvalue() == f"::error {place}title=kwok/eks/helm failed::the deadline of 300 s passed\n"
