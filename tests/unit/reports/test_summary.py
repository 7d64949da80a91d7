"""The step summary and the annotations: short, whole and not to be broken out of."""

import pytest

from harness.exits import Exit
from harness.reports import summary
from harness.reports.annotations import MOST, annotations
from harness.results.outcome import Cause
from harness.results.results import CellResult
from harness.verdict import CauseKind
from tests.fakes.results import cell, failed, not_run, skipped, sweep

CAUSE = Cause(CauseKind.SCHEDULE, "Pod a/b", "0/6 nodes are available")


def lines(*cells: CellResult, overlay: str = "") -> list[str]:
    return annotations(sweep(*cells), lambda recipe: overlay and f"{overlay}/{recipe}.yaml")


def test_the_first_line_is_the_verdict() -> None:
    """Of a green run and of one that is not."""
    assert summary.document(sweep(cell())).startswith("## ✓ PASSED: 1 cell: 1 passed\n")
    assert summary.document(sweep(cell(), not_run("b"))).startswith("## ✗ FAILED: 2 cells: 1 passed, 1 not run\n")


def test_text_cannot_become_markup() -> None:
    """A recipe's message is shown, not obeyed; a line break does not end the table."""
    text = summary.document(
        sweep(failed(Cause(CauseKind.APPLY, "<b>x", "</li>\n\n<img src=x>"), reason="</pre><script>"))
    )
    assert "<img" not in text
    assert "<script" not in text
    assert "<b>x" not in text
    assert "&lt;/pre&gt;&lt;script&gt;" in text


def test_a_summary_that_is_too_long_is_cut_between_its_parts() -> None:
    """GitHub would show nothing of it; the grid is kept, and what is missing is counted."""
    cells = [cell(Exit.FAILURE, f"recipe-{number}", reason="x" * 3000) for number in range(600)]
    text = summary.document(sweep(*cells))
    assert len(text.encode()) <= summary.LIMIT
    assert text.count("<td>") == 600
    assert text.count("<details>") == text.count("</details>") < 600
    assert text.rstrip().endswith("more parts are left out here: a step summary holds no more.")


def test_a_cause_is_said_once() -> None:
    """However many cells it hit, and at the overlay of the first."""
    said = lines(
        failed(CAUSE, "eks"), failed(CAUSE, "eks", "flux-oci"), failed(CAUSE, "aks"), cell(), overlay="recipes/overlays"
    )
    assert said == [
        "::error file=recipes/overlays/eks.yaml,title=3 cells failed%3A schedule::"
        "Pod a/b: 0/6 nodes are available%0Akwok/eks/helm, kwok/eks/flux-oci, kwok/aks/helm"
    ]
    assert summary.document(sweep(failed(CAUSE, "eks"), failed(CAUSE, "aks"))).count("<li>") == 1


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (cell(Exit.FAILURE), "::error title=kwok/eks/helm failed::the deadline of 300 s passed"),
        (cell(Exit.TERMINATED, reason="terminated"), "::error title=kwok/eks/helm interrupted::terminated"),
        (not_run(), "::error title=kwok/eks/helm not run::no time was left"),
        (skipped(), "::error title=kwok-harness::nothing passed"),
    ],
    ids=["failed", "interrupted", "not run", "nothing but skipped"],
)
def test_whatever_is_not_green_is_annotated(made: CellResult, line: str) -> None:
    """A job that is red says why in at least one line."""
    assert lines(made) == [line]


def test_a_message_cannot_become_a_command() -> None:
    """Percent signs, line ends, and in properties colons and commas are escaped as GitHub unescapes them."""
    said = lines(failed(Cause(CauseKind.PULL, "", "100 %\r\n::set-output name=a::b")), overlay="a,b:c")
    assert said == ["::error file=a%2Cb%3Ac/eks.yaml,title=kwok/eks/helm failed::100 %25%0A::set-output name=a::b"]


def test_no_more_are_printed_than_are_kept() -> None:
    """The last one says how many there are beyond."""
    said = lines(*(cell(Exit.FAILURE, f"r{number}", reason=f"reason {number}") for number in range(25)))
    assert len(said) == MOST
    assert "16 more causes" in said[-1]
