"""Which phases run, in which order, what they come to, and when a validation is green."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from harness.errors import DataError, UsageError
from harness.validation import phases
from harness.validation.checks.catalog import Affinity, Catalog, Entry
from harness.validation.constraints import Evaluated
from harness.validation.declared import Component, Declared
from harness.validation.phases import PhasePlan
from harness.validation.results import CheckResult, PhaseReport, Report, Status, summary
from tests.fakes.validation import constraint

NOW = datetime(2026, 6, 20, 8, 15, tzinfo=UTC)
PASSED, FAILED, SKIPPED, OTHER = Status.PASSED, Status.FAILED, Status.SKIPPED, Status.OTHER


def entry(name: str, phase: str = "deployment", **more: object) -> Entry:
    return Entry(name, phase, "a/b:c", **more)  # type: ignore[arg-type]  # fields of any type, in a test


def declared(components: dict[str, Component] | None = None) -> Declared:
    return Declared("mine", {}, (), {}, components or {}, {})


def report(*statuses: list[Status], declared: int = 0, **more: object) -> Report:
    found = tuple(
        PhaseReport(f"p{n}", tuple(CheckResult(f"t{i}", f"p{n}", s) for i, s in enumerate(each)), len(each), NOW, NOW)
        for n, each in enumerate(statuses)
    )
    return Report("r", "mine", NOW, NOW, more.pop("constraints", ()), found, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "selected"),
    [
        ([], ("deployment", "conformance", "performance")),
        (["all"], ("deployment", "conformance", "performance")),
        (["all", "all"], ("deployment", "conformance", "performance")),
        (["performance", "deployment"], ("deployment", "performance")),
        (["conformance", "conformance"], ("conformance",)),
    ],
)
def test_phases_run_in_their_own_order(words: list[str], selected: tuple[str, ...]) -> None:
    """Whatever the order on the command line; duplicates collapse, performance is last."""
    assert phases.select(words) == selected


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["all", "deployment"], 'phase "all" cannot be combined with other phases'),
        (["deploy"], 'invalid phase "deploy": must be one of: deployment, performance, conformance, all'),
        (["all", "readiness"], 'invalid phase "readiness"'),
    ],
)
def test_a_wrong_selection_is_a_usage_error(words: list[str], what: str) -> None:
    """An unknown phase is told even beside `all`; readiness cannot be selected."""
    with pytest.raises(UsageError) as caught:
        phases.select(words)
    assert what in caught.value.what


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ([PASSED, FAILED, OTHER], FAILED),
        ([PASSED, OTHER, SKIPPED], OTHER),
        ([PASSED, SKIPPED], PASSED),
        ([SKIPPED, SKIPPED], SKIPPED),
        ([], SKIPPED),
    ],
)
def test_a_phase_is_passed_with_a_passed_check_alone(statuses: list[Status], status: Status) -> None:
    """All skipped is skipped; other is red."""
    assert report(statuses).phases[0].status is status


@pytest.mark.parametrize(
    ("statuses", "problem"),
    [
        ([[PASSED], [SKIPPED]], ""),
        ([[PASSED], [FAILED, PASSED]], "one or more phases did not pass: p1 is failed (t0)"),
        ([[OTHER], [PASSED]], "one or more phases did not pass: p0 is other (t0)"),
        ([[SKIPPED], [SKIPPED]], "no check passed: 2 declared, 0 evaluated"),
        ([[]], "no check passed: 0 declared, 0 evaluated"),
        ([], "no check passed"),
    ],
)
def test_a_run_is_green_with_a_passed_check_and_nothing_red(statuses: list[list[Status]], problem: str) -> None:
    """A run in which nothing was evaluated is not green, whatever its constraints."""
    found = report(*statuses, constraints=(Evaluated(constraint("a", "1"), True, "1"),)).problem
    assert found.startswith(problem)
    assert bool(found) == bool(problem)


def test_without_a_cluster_the_constraints_decide() -> None:
    """None at all evaluates nothing."""
    passed = (Evaluated(constraint("a", "1"), True, "1"),)
    assert report([SKIPPED], without_cluster=True, constraints=passed).problem == ""
    assert report([SKIPPED], without_cluster=True).problem == "nothing was evaluated: the recipe has no constraints"


def test_three_numbers_are_told() -> None:
    """Declared, evaluated, passed: a skip is none of the last two."""
    found = report([PASSED, FAILED, SKIPPED, OTHER])
    assert (found.declared, found.evaluated, found.passed) == (4, 2, 1)
    assert summary(found) == "4 checks declared, 2 evaluated, 1 passed"


PLANS = [
    PhasePlan("deployment", (entry("a"), entry("b")), (entry("a"), entry("b"), entry("z"))),
    PhasePlan("conformance", (entry("c", "conformance"),), (entry("c", "conformance"), entry("d", "conformance"))),
]


def carried_out(**statuses: Status) -> Callable[[Entry], CheckResult]:
    return lambda each: CheckResult(each.name, each.phase, statuses.get(each.name, PASSED))


def test_all_phases_run_whatever_the_earlier_ones_gave() -> None:
    """Unless somebody asks to stop."""
    found = list(phases.run(PLANS, declared(), carried_out(a=FAILED), now=lambda: NOW))
    assert [[test.name for test in each.tests] for each in found] == [["a", "b"], ["c"]]
    assert [each.declared for each in found] == [2, 1]


@pytest.mark.parametrize("status", [FAILED, OTHER])
def test_fail_fast_skips_the_later_phases(status: Status) -> None:
    """The phase itself goes on; the later ones list all that the catalog has for them, with the reason."""
    found = list(phases.run(PLANS, declared(), carried_out(a=status), fail_fast=True, now=lambda: NOW))
    assert [test.name for test in found[0].tests] == ["a", "b"]
    assert [(test.name, test.status, test.message) for test in found[1].tests] == [
        ("c", SKIPPED, "skipped due to previous phase failure"),
        ("d", SKIPPED, "skipped due to previous phase failure"),
    ]


def test_a_skip_does_not_stop_fail_fast() -> None:
    """Nothing went wrong."""
    found = list(phases.run(PLANS, declared(), carried_out(a=SKIPPED, b=SKIPPED), fail_fast=True, now=lambda: NOW))
    assert found[1].status is PASSED


def test_a_plan_is_in_the_order_of_the_catalog() -> None:
    """Only the declared checks of the phase, and beside them all that the catalog has."""
    catalog = Catalog({each.name: each for each in (entry("a"), entry("b"), entry("c", "conformance"))})
    from harness.recipes.validation import PhaseBlock

    blocks = {"deployment": PhaseBlock("deployment", ("b", "a"))}
    [found] = phases.plan(Declared("mine", {}, (), blocks, {}, {}), catalog, ["deployment"])
    assert [each.name for each in found.entries] == ["a", "b"]
    assert [each.name for each in phases.skipped(found, phases.NO_CLUSTER, NOW).tests] == ["a", "b"]


@pytest.mark.parametrize(
    ("component", "why"),
    [
        (None, "is not in the recipe's componentRefs"),
        (Component("p", "n", False, {}), "is disabled (overrides.enabled=false)"),
        (Component("p", "", True, {}), "has no resolved namespace"),
    ],
)
def test_an_affinity_that_does_not_resolve(component: Component | None, why: str) -> None:
    """Required: the run ends before the first check of the phase. Preferred: a warning."""
    of = declared({"p": component} if component else {})
    beside = Affinity("p", {"app": "x"}, required=True)
    with pytest.raises(DataError) as caught:
        list(phases.run([PhasePlan("deployment", (entry("a"), entry("b", affinity=(beside,))), ())], of, _never))
    assert f'required dependencyAffinity component "p" {why}' in caught.value.what
    found, warnings = phases.resolve_affinity(entry("a", affinity=(Affinity("p", {"app": "x"}),)), of)
    assert (found, len(warnings)) == ([], 1)
    assert why in warnings[0]


def test_an_affinity_resolves_to_the_namespace_of_its_component() -> None:
    """Where the component is there and enabled."""
    beside = Affinity("p", {"app": "x"})
    found, warnings = phases.resolve_affinity(
        entry("a", affinity=(beside,)), declared({"p": Component("p", "monitoring", True, {})})
    )
    assert (found, warnings) == ([(beside, "monitoring")], [])


def _never(each: Entry) -> CheckResult:
    raise AssertionError(f"{each.name} was carried out")
