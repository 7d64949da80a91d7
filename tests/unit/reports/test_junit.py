"""JUnit XML: what counts as what, and that any reason can be in it."""

from xml.etree import ElementTree as ET

import pytest

from harness.exits import Exit
from harness.reports import junit
from harness.results.outcome import Cause
from harness.results.results import CellResult
from harness.verdict import CauseKind
from tests.fakes.results import cell, failed, not_run, skipped, sweep


def parsed(*cells: CellResult) -> ET.Element:
    return ET.fromstring(junit.document(sweep(*cells)))  # noqa: S314 - our own


@pytest.mark.parametrize(
    ("made", "tag", "kind"),
    [
        (failed(Cause(CauseKind.SCHEDULE, "Pod a", "nowhere")), "failure", "schedule"),
        (failed(Cause(CauseKind.INFRASTRUCTURE, "", "no etcd")), "error", "infrastructure"),
        (failed(Cause(CauseKind.HARNESS, "", "KeyError")), "error", "harness"),
        (cell(Exit.SYNC_DEADLINE), "failure", "failed"),
        (cell(Exit.INTERRUPTED), "error", "interrupted"),
        (not_run(), "error", "not run"),
        (skipped(), "skipped", "skipped"),
    ],
    ids=["the recipe", "the cluster", "the harness", "no cause", "interrupted", "not run", "skipped"],
)
def test_a_failure_is_the_recipes_and_an_error_is_not(made: CellResult, tag: str, kind: str) -> None:
    """What never ran is an error: as skipped it would look green."""
    case = next(parsed(made).iter("testcase"))
    assert [(child.tag, child.get("type")) for child in case] == [(tag, kind)]


def test_a_suite_is_a_lane() -> None:
    """With its own counts and seconds; the names are those of CTRF."""
    root = parsed(cell(recipe="a"), cell(recipe="b"), cell(Exit.FAILURE, "a", "flux-oci"))
    suites = [(suite.get("name"), suite.get("tests"), suite.get("failures"), suite.get("time")) for suite in root]
    assert suites == [("helm", "2", "0", "25.000"), ("flux-oci", "1", "1", "12.500")]
    assert [case.get("name") for case in root[0]] == ["kwok/a/helm", "kwok/b/helm"]


def test_control_characters_are_left_out() -> None:
    """XML cannot hold them, and a reader would reject the whole file."""
    case = next(parsed(cell(Exit.FAILURE, reason="\x1b[1;31mno\x1b[0m \x00\ufffe\ud800pods ]]>\nx")).iter("failure"))
    assert case.get("message") == "no pods ]]>"
    assert case.text == "no pods ]]>\nx"
