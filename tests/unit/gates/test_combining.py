"""How gates are put together: order, danger, grace, and the one verdict of many findings."""

from typing import Any

import pytest

from harness.formats.versions import exact
from harness.gates.combining import UnlessDoomed, in_order, there
from harness.gates.findings import Finding, Level, listed, overall, shortened
from harness.gates.flux.releases import HELMRELEASES
from harness.verdict import Failed, Passed, Verdict, Waiting
from tests.fakes.gitops import WEB_KEY, objects_of, release

EMPTY = objects_of([])
PASSED, WAITING, DOOMED, FAILED = Passed("p"), Waiting("w", "A"), Waiting("d", "B", doomed="cause"), Failed("f", "C")
OTHER_DOOM, OTHER_FAILURE = Waiting("pod", "Pod x", doomed="no node"), Failed("job", "Job x")


def says(verdict: Verdict) -> Any:
    return lambda _: verdict


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((PASSED, Passed("q")), Passed("q")),
        ((PASSED, WAITING, FAILED), WAITING),
        ((DOOMED, FAILED), DOOMED),
        ((PASSED, FAILED), FAILED),
    ],
    ids=["all", "second", "doomed-first", "failed"],
)
def test_gates_in_order_stop_at_the_first_that_does_not_pass(verdicts: Any, expected: Verdict) -> None:
    """What comes later is not looked at."""
    assert in_order(*(says(verdict) for verdict in verdicts))(EMPTY) == expected


def test_no_gates_at_all_are_a_defect() -> None:
    """Nothing passes because nothing was asked."""
    with pytest.raises(ValueError, match="no steps"):
        in_order()


@pytest.mark.parametrize(
    ("verdict", "danger", "subject", "doomed"),
    [
        (WAITING, WAITING, "A", ""),
        (WAITING, PASSED, "A", ""),
        (WAITING, OTHER_DOOM, "Pod x", "no node"),
        (DOOMED, OTHER_DOOM, "Pod x", "no node"),
        (DOOMED, WAITING, "B", "cause"),
    ],
    ids=["calm", "danger-passes", "danger", "both", "own"],
)
def test_a_danger_dooms_what_waits(verdict: Verdict, danger: Verdict, subject: str, doomed: str) -> None:
    """The nearer cause decides; a danger that passes passes nothing."""
    result = UnlessDoomed(says(verdict), says(danger))(EMPTY)
    assert isinstance(result, Waiting)
    assert (result.subject, result.doomed) == (subject, doomed)
    assert verdict.reason in result.reason


@pytest.mark.parametrize("danger", [OTHER_DOOM, OTHER_FAILURE], ids=["doomed", "failed"])
@pytest.mark.parametrize("verdict", [PASSED, FAILED], ids=["passed", "failed"])
def test_what_is_decided_is_not_overruled_by_a_danger(verdict: Verdict, danger: Verdict) -> None:
    """The pods of a pass are verified afterwards, by a gate of their own."""
    assert UnlessDoomed(says(verdict), says(danger))(EMPTY) == verdict


def test_a_danger_that_has_come_true_ends_the_wait() -> None:
    """Failed is final, whoever says it."""
    assert UnlessDoomed(says(WAITING), says(OTHER_FAILURE))(EMPTY) == OTHER_FAILURE


def test_there_asks_for_one_object() -> None:
    """By kind, namespace and name."""
    gate = there(HELMRELEASES, WEB_KEY)
    assert gate(EMPTY) == Waiting("is not there", "HelmRelease flux-system/web")
    assert isinstance(gate(objects_of([release("web")])), Passed)
    assert isinstance(gate(objects_of([release("db")])), Waiting)


def test_the_worst_finding_decides_and_what_is_no_cause_is_left_out() -> None:
    """Failed and doomed carry only what is as bad; a reason to wait carries all."""
    late, sick, lost, dead = (Finding(level, level.name, f"is {level.name}") for level in Level)
    assert overall([late]) == Waiting("is WAITING", "WAITING")
    assert overall([late, sick]) == Waiting("is DOOMED\nWAITING: is WAITING", "DOOMED", doomed="is DOOMED")
    certain = overall([late, sick, lost])
    assert certain == Waiting("is CERTAIN\nDOOMED: is DOOMED\nWAITING: is WAITING", "CERTAIN", doomed="is CERTAIN")
    assert isinstance(certain, Waiting)
    assert certain.certain
    assert overall([late, sick, lost, dead]) == Failed("is FAILED", "FAILED")


def test_long_lists_of_findings_are_counted() -> None:
    """Five are told."""
    verdict = overall(Finding(Level.WAITING, f"s{i}", f"text {i}") for i in range(8))
    assert verdict.reason.splitlines()[0] == "text 0"
    assert verdict.reason.splitlines()[-2:] == ["s4: text 4", "and 3 more"]


def test_a_long_message_loses_its_middle() -> None:
    """Controllers say first what failed, and last why."""
    text = shortened(f"Helm install failed {'x' * 5000} context deadline\n exceeded")
    assert text.startswith("Helm install failed")
    assert text.endswith("context deadline exceeded")
    assert len(text) < 800
    assert shortened(None) == ""


def test_names_are_sorted_and_counted() -> None:
    """Five, and how many more."""
    assert listed("ba") == "a, b"
    assert listed("gfedcba") == "a, b, c, d, e and 2 more"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.2.3", True), ("v1.2.3", True), ("1.2.3-rc.1+b", True), ("1.2", False), (">=1.2.3", False), ("*", False)],
)
def test_a_version_is_told_from_a_range(text: str, expected: bool) -> None:
    """Only an exact version is known beforehand."""
    assert exact(text) is expected
