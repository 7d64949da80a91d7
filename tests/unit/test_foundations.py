"""Exit codes, errors, verdicts, deadlines, objects and outcomes: the words that everything else is said in."""

import ast
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.deadline import Deadline
from harness.errors import HarnessError, UsageError, did_you_mean
from harness.exits import Exit
from harness.objects import NODES, PODS, Objects
from harness.results.outcome import Outcome, Phase
from harness.settings import ROOT
from harness.verdict import Failed, Passed, Verdict, Waiting, worst
from tests.fakes.clock import ManualClock


def test_the_exit_codes_are_the_documented_ones() -> None:
    """The numbers are a contract with scripts; a renumbering must fail here."""
    gitops = {"REGISTRY_NOT_READY": 20, "REGISTRY_UNREACHABLE": 21, "SYNC_DEADLINE": 50}
    gitops |= {"ARGOCD_INSTALL": 30, "ARGOCD_CRD": 31, "ARGOCD_SECRET": 40}
    gitops |= {"GIT_NOT_READY": 70, "GIT_UNREACHABLE": 71, "GIT_REFUSED": 72}
    gitops |= {"FLUX_INSTALL": 60, "FLUX_ROLLOUT": 61, "FLUX_CRD": 62}
    general = {"OK": 0, "FAILURE": 1, "SETTINGS": 10, "CLUSTER_NOT_READY": 11, "SUITE_SET_UP": 12, "USAGE": 64}
    general |= {"INTERRUPTED": 130, "TERMINATED": 143}
    assert {code.name: code.value for code in Exit} == gitops | general


def test_only_main_exits() -> None:
    """sys.exit, os._exit, exit and SystemExit appear in no module but those that are programs of their own."""
    programs = {"harness/__main__.py", "harness/processes/limits.py"}
    programs |= {"harness/validators/__main__.py", "harness/validators/go_tests.py"}
    programs |= {"harness/endtoend/stand_ins/http_stub.py"}  # the first process of its container
    offenders = set()
    for file in (file for folder in ("harness", "kwok", "lanes") for file in (ROOT / folder).rglob("*.py")):
        if (ROOT / "kwok" / "suites") in file.parents:  # what suites put under test is no part of the harness
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name in {"sys.exit", "os._exit", "exit", "quit", "SystemExit"}:
                offenders.add(file.relative_to(ROOT).as_posix())
    assert offenders <= programs


def test_an_error_says_what_where_and_what_to_do() -> None:
    """The message is one text in that order; parts that are empty leave no trace."""
    assert str(HarnessError("it broke", where="a.yaml:3", do="mend it")) == "a.yaml:3: it broke\n  mend it"
    assert str(HarnessError("it broke")) == "it broke"
    assert UsageError("x").exit is Exit.USAGE


def test_near_names_are_offered_before_the_whole_list() -> None:
    """A typing error gets the name that was meant; a wild guess gets everything there is."""
    assert did_you_mean("eks-trainng", ["eks-training", "aks"]) == "did you mean eks-training?"
    assert did_you_mean("zzz", ["b", "a"]) == "known: a, b"
    assert did_you_mean("zzz", []) == "none are known"


@pytest.mark.parametrize("verdict", [Waiting("x"), Passed("x"), Failed("x")], ids=lambda v: type(v).__name__)
def test_a_verdict_is_no_boolean(verdict: Verdict) -> None:
    """`if verdict:` would make Failed count as true; it raises instead."""
    with pytest.raises(TypeError, match="isinstance"):
        bool(verdict)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([Passed("a"), Waiting("b"), Failed("c")], Failed("c")),
        ([Failed("a"), Failed("b")], Failed("a")),
        ([Passed("a"), Waiting("b"), Waiting("c")], Waiting("b")),
        ([Passed("a"), Passed("b")], Passed("b")),
    ],
    ids=["failed beats waiting", "first failure", "waiting beats passed", "all passed"],
)
def test_the_worst_verdict_decides(verdicts: list[Verdict], expected: Verdict) -> None:
    """Failed before Waiting before Passed; the first of its kind is the one that is told."""
    assert worst(*verdicts) == expected


def test_no_verdicts_are_not_green() -> None:
    """Nothing passes because nothing was there."""
    with pytest.raises(ValueError, match="no verdicts"):
        worst()


def test_deadlines_nest() -> None:
    """A phase gets its own budget or what is left of the cell's, whichever ends first."""
    clock = ManualClock(100)
    cell = Deadline.after(10, clock=clock)
    assert cell.within(3).at == 103
    clock.advance(5 + 3)
    late = cell.within(5)
    assert (late.at, late.budget, late.remaining, late.expired) == (110, 2, 2, False)
    clock.advance(3)
    assert (late.expired, late.remaining) == (True, 0)


def test_objects_do_not_change_with_what_they_were_made_of() -> None:
    """A gate judges what was there when the objects were read, in the order of namespace and name."""
    pods = {("b", "x"): {"metadata": {"name": "x"}}, ("a", "y"): {"metadata": {"name": "y"}}}
    objects = Objects({PODS: pods})
    pods.clear()
    assert [item["metadata"]["name"] for item in objects.all(PODS)] == ["y", "x"]
    assert objects.get(PODS, "a", "y") is not None
    assert objects.get(PODS, "a", "x") is None
    assert objects.count(PODS) == 2


def test_a_kind_that_was_not_watched_is_no_empty_list() -> None:
    """A gate that asks for it has a defect, which must not look like "nothing there"."""
    with pytest.raises(KeyError):
        list(Objects({PODS: {}}).all(NODES))


def test_the_exit_code_of_an_outcome_is_its_verdict() -> None:
    """`passed` cannot disagree with the exit code, since it is drawn from it."""
    for code in Exit:
        outcome = Outcome("r", "helm", "id", "host", "c", datetime(2026, 1, 1, tzinfo=UTC), 1.0, code, "why", ())
        assert outcome.passed is (code == 0)
        assert outcome.document()["passed"] is (code == 0)
        assert outcome.document()["exit"] == code.value


def test_an_outcome_keeps_every_phase_in_its_document() -> None:
    """run.json has each phase with its seconds and verdict, in order."""
    phases = (Phase("cluster", 4.0, "passed"), Phase("verify", 1.2345, "failed", "no"))
    outcome = Outcome(
        "r", "helm", "id", "host", "c", datetime(2026, 1, 1, tzinfo=UTC), 5.23, Exit.FAILURE, "no", phases
    )
    assert [(p["name"], p["seconds"], p["verdict"]) for p in outcome.document()["phases"]] == [
        ("cluster", 4.0, "passed"),
        ("verify", 1.234, "failed"),
    ]


def test_no_module_is_named_for_nothing() -> None:
    """utils, helpers, common and manager say nothing about what is inside."""
    names = {Path(file).stem for folder in ("harness", "kwok", "lanes") for file in (ROOT / folder).rglob("*.py")}
    assert not names & {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
