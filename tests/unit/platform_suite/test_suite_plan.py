"""The sample suite as it is read and planned: what each runtime judges is what the guide says."""

import re

from harness.endtoend import reading
from harness.endtoend.model import HOST, KIND, Why
from harness.endtoend.plan import Plan, plan
from harness.settings import ROOT

SUITE = ROOT / "kwok" / "suites" / "platform"


def planned(runtime: str) -> Plan:
    """The plan of all cases, after the suite was read without a warning."""
    suite, warnings = reading.load(SUITE)
    assert warnings == []
    return plan(suite, runtime)


def skipped(found: Plan) -> dict[str, Why | None]:
    """The steps that are not judged, and what they need."""
    return {step.name: step.why for case in found.cases for step in case.steps if not step.judged}


def problems(found: Plan) -> list[str]:
    """What would be red whatever the cluster does: an undeclared skip, or a needless one."""
    return [step.problem for case in found.cases for step in case.steps if step.problem]


def test_on_the_host_runtime_only_scores_are_skipped() -> None:
    """Both need execution, and nothing else is left out: three of the five cases are judged in full."""
    found = planned(HOST)

    assert problems(found) == []
    assert skipped(found) == {"worker-scores": Why.EXECUTION, "worker-fetches-and-scores": Why.EXECUTION}
    whole = [case.case.name for case in found.cases if case.judged == len(case.steps)]
    assert whole == ["01-operator-installs", "03-node-heartbeat", "05-trainer"]


def test_on_kind_every_step_of_every_case_is_judged() -> None:
    """Pods run there, and what the suite does to its processes it does to their workloads."""
    found = planned(KIND)

    assert problems(found) == []
    assert skipped(found) == {}


def test_the_guide_has_every_case() -> None:
    """The table of the guide has one row for each case of the suite file, in its order."""
    page = (ROOT / "docs" / "end-to-end-suites.md").read_text(encoding="utf-8")
    suite, _ = reading.load(SUITE)

    assert re.findall(r"^\| (\d\d-[a-z0-9-]+) \|", page, re.MULTILINE) == [case.name for case in suite.cases]
