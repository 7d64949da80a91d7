"""What each report of a run of suites says, and that they agree."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from harness.reports.suites import Format, text, write
from harness.suites.model import Block, Language
from harness.suites.record import RunRecord, Status
from tests.fakes.ctrf_schema import SCHEMA
from tests.fakes.page import Page
from tests.fakes.suites import case, operation, run, step

RED: dict[str, Any] = {"message": "first line\nsecond <line>", "diff": "--- expected\n+++ actual\n-a: 1\n+a: 2\n"}


def everything() -> RunRecord:
    """A run in which each status is there, and each block of a test has failed."""
    setup = step("setup", operation(Status.FAILED, "create", block=Block.SETUP, message="no namespace"))
    blocks = [
        operation(Status.FAILED, "podLogs", block=Block.CATCH, message="no logs"),
        operation(Status.FAILED, "script", block=Block.FINALLY, message="no script"),
    ]
    cleanup = step("@cleanup", operation(Status.FAILED, "delete", block=Block.CLEANUP, message="still there"))
    facts: dict[str, Any] = {
        "objects": ("Pod ns/a", "Pod ns/b"),
        "candidates": 3,
        "matched": 0,
        "vacuous": ("a foreach over nothing",),
        "changed": (("Pod ns/a", 1.5),),
        "output": "it printed this",
        "place": "suites/red/chainsaw-test.yaml:7",
    }
    return run(
        case("green", step("step 1", operation(), operation(kind="apply")), namespace="ns"),
        case("red", step("step 1", operation(Status.FAILED, **RED, **facts), *blocks), cleanup),
        case("broken", step("step 1", operation(Status.ERROR, message="unknown function"))),
        case("unset", setup),
        case("outside", status=Status.FAILED, message="the cluster went away"),
        case("simulated", step("step 1", operation(Status.SIMULATED, proof="execution"))),
        case("skipped", status=Status.SKIPPED, message="skip is written"),
        left_changed=("ConfigMap default/a",),
        notes=("a note",),
    )


def cases(report: Format, record: RunRecord | None = None) -> dict[str, str]:
    """Each test case with what became of it: the tag below it, or its status."""
    root = ET.fromstring(text(record or everything(), report))  # noqa: S314 - our own text
    return {
        f"{suite.get('name')}: {each.get('name')}": next(iter(each)).tag if len(each) else each.get("status", "")
        for suite in root.iter("testsuite")
        for each in suite.findall("testcase")
    }


def test_junit_by_test_has_a_case_for_each_test() -> None:
    """A suite for each folder; red tests have a failure with the whole text."""
    assert cases(Format.JUNIT_TEST) == {
        "suites/green: green": "",
        "suites/red: red": "failure",
        "suites/broken: broken": "failure",
        "suites/unset: unset": "failure",
        "suites/outside: outside": "failure",
        "suites/simulated: simulated": "simulated",
        "suites/skipped: skipped": "skipped",
    }
    root = ET.fromstring(text(everything(), Format.JUNIT_TEST))  # noqa: S314 - our own text
    (failure,) = root.findall(".//testcase[@name='red']/failure")
    assert failure.get("message") == "first line"
    assert "second <line>" in (failure.text or "")
    assert "+a: 2" in (failure.text or "")
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("7", "4", "1")


def test_junit_by_step_has_what_chainsaw_leaves_out() -> None:
    """Failed set-up, clean-up and failures outside of steps are cases of their own."""
    assert cases(Format.JUNIT_STEP) == {
        "green: step 1": "",
        "red: step 1": "failure",
        "red: @cleanup": "failure",
        "broken: step 1": "failure",
        "unset: setup": "failure",
        "outside: outside of a step": "failure",
        "simulated: step 1": "simulated",
        "skipped: skipped": "skipped",
    }


def test_junit_by_operation_names_the_block_of_what_failed() -> None:
    """Failures of catch and finally are cases, with chainsaw's type as the class."""
    found = cases(Format.JUNIT_OPERATION)
    assert found["red: step 1 / catch: operation 1"] == "failure"
    assert found["red: step 1 / finally: operation 1"] == "failure"
    assert found["red: @cleanup / operation 1"] == "failure"
    root = ET.fromstring(text(everything(), Format.JUNIT_OPERATION))  # noqa: S314 - our own text
    assert {each.get("classname") for each in root.iter("testcase")} >= {"assert", "apply", "command", "script"}
    assert [each.get("value") for each in root.findall("testsuite[1]/properties/property")] == ["ns"]


def test_a_green_run_has_no_cases_of_ours() -> None:
    """Where nothing failed, the reports have what theirs have, and nothing of the runner's own work."""
    setup = step("setup", operation(kind="create", block=Block.SETUP))
    caught = operation(kind="script", block=Block.FINALLY)
    record = run(case("green", setup, step("step 1", operation(), caught)))
    assert list(cases(Format.JUNIT_STEP, record)) == ["green: step 1"]
    assert list(cases(Format.JUNIT_OPERATION, record)) == ["green: step 1 / operation 1"]


def test_kuttls_report_has_clean_up_that_failed() -> None:
    """A case `setup` always, one for clean-up where it failed; asserted objects are counted."""
    cleanup = step("@cleanup", operation(Status.FAILED, "delete", block=Block.CLEANUP, message="still there"))
    judged = (operation(kind="assert"), operation(kind="error"), operation(kind="round"))
    record = run(case("a", step("0-x", *judged), cleanup, language=Language.KUTTL))
    report = json.loads(text(record, Format.KUTTL_JSON))
    (suite,) = report["testsuite"][0]["testsuite"]
    assert [each["name"] for each in suite["testcase"]] == ["setup", "step 0-x", "@cleanup"]
    assert suite["testcase"][1]["assertions"] == 2
    assert suite["testcase"][2]["failure"] == {"text": "still there", "message": "still there"}


@pytest.mark.parametrize("record", [everything(), run(), run(error="nothing was judged")])
def test_ctrf_is_what_the_format_allows(record: RunRecord) -> None:
    """The document holds to the schema; counts add up."""
    made = json.loads(text(record, Format.CTRF))
    schema = json.loads(json.dumps(SCHEMA))
    jsonschema.validate(made, schema)
    summary = made["results"]["summary"]
    assert summary["tests"] == sum(summary[each] for each in ("passed", "failed", "skipped", "pending", "other"))


def test_a_collector_that_fails_is_not_what_kuttl_reports() -> None:
    """The text is the last error of the step itself."""
    collected = operation(Status.FAILED, "podLogs", block=Block.CATCH, message="no logs")
    record = run(case("a", step("0-x", operation(Status.FAILED, message="not there"), collected)))
    report = json.loads(text(record, Format.KUTTL_JSON))
    failure = report["testsuite"][0]["testsuite"][0]["testcase"][1]["failure"]
    assert failure == {"text": "not there", "message": "failed in step 0-x"}


def test_ctrf_keeps_simulated_apart_and_has_steps() -> None:
    """What held on simulated nodes is `other`; steps have their operations under `extra`."""
    tests = {each["name"]: each for each in json.loads(text(everything(), Format.CTRF))["results"]["tests"]}
    simulated = tests["suites/simulated[simulated]"]
    assert (simulated["status"], simulated["rawStatus"]) == ("other", "simulated")
    red = tests["suites/red[red]"]
    assert [each["status"] for each in red["steps"]] == ["failed", "failed"]
    first = red["steps"][0]["extra"]["operations"][0]
    assert "0 of 3 candidates matched" in first["facts"]
    assert "vacuous: a foreach over nothing" in first["facts"]


def test_the_page_has_a_row_for_each_test_and_all_that_is_known_of_a_failure() -> None:
    """Rows lead to details and back; diff, objects and output are there, and nothing of it is markup."""
    source = text(everything(), Format.HTML)
    page = Page(source)
    assert page.tags["article"] == 7
    said = "".join(page.text)
    for each in ("second <line>", "+a: 2", "0 of 3 candidates matched", "Pod ns/b", "it printed this", "a note"):
        assert each in said
    assert "ConfigMap default/a" in said
    assert "#test-1-red" in page.links
    assert page.ids["test-1-red"] == page.ids["at-test-1-red"] == 1
    assert set(page.ids.values()) == {1}
    assert "<line>" not in source


def test_the_summary_tells_failures_and_keeps_to_the_limit() -> None:
    """Verdict first, a row for each test, text escaped; what does not fit is left out, and that is said."""
    made = text(everything(), Format.SUMMARY)
    assert made.startswith("## ✗ FAILED: 7 tests: 1 error, 3 failed, 1 simulated, 1 passed, 1 skipped")
    assert "second &lt;line&gt;" in made
    many = run(*(case(f"t{number}", step("s", operation(Status.FAILED, message="x" * 9000))) for number in range(400)))
    assert len(text(many, Format.SUMMARY).encode()) < 1024 * 1024
    assert "more parts are left out" in text(many, Format.SUMMARY)


@pytest.mark.parametrize("record", [run(), run(case("a", status=Status.SKIPPED)), run(error="interrupted")])
def test_nothing_judged_is_not_green(record: RunRecord) -> None:
    """No test, only skipped ones, or an error of the run: no report calls that passed."""
    assert "FAILED" in text(record, Format.SUMMARY)
    assert "FAILED" in text(record, Format.HTML)
    assert json.loads(text(record, Format.CTRF))["extra"]["green"] is False


def test_an_error_of_the_run_is_a_failure_in_junit() -> None:
    """Whoever reads XML only sees that the run as a whole failed."""
    for each in (Format.JUNIT_TEST, Format.JUNIT_STEP, Format.JUNIT_OPERATION, Format.KUTTL_XML):
        root = ET.fromstring(text(run(error="nothing was judged"), each))  # noqa: S314 - our own text
        assert root.findall(".//failure")


def test_files_are_called_after_their_format(tmp_path: Path) -> None:
    """Two formats with the same ending do not overwrite each other; files are for their owner only."""
    files = write(everything(), tmp_path / "new", list(Format), "suites")
    assert [file.name for file in files] == [
        "suites.json",
        "suites.xml",
        "suites-junit-step.xml",
        "suites-junit-operation.xml",
        "suites-kuttl-json.json",
        "suites-kuttl-xml.xml",
        "suites-ctrf.json",
        "suites.html",
        "suites-summary.md",
    ]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
