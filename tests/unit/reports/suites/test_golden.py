"""Reports beside the golden files of both tools, which lie beside the project; times are not compared."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from harness.reports.suites import chainsaw, kuttl
from harness.suites.model import Block, Language
from harness.suites.record import Status, TestRecord
from tests.fakes.suites import case, operation, run, step

CORPUS = Path(__file__).parents[4].parent / "shared" / "suites"
TIMES = {"time", "timestamp", "startTime", "endTime"}

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside the project")


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: timeless(each) for key, each in value.items() if key not in TIMES}
    return [timeless(each) for each in value] if isinstance(value, list) else value


def golden(name: str) -> Any:
    return timeless(json.loads((CORPUS / name).read_text()))


def results_of_kuttl() -> list[TestRecord]:
    """What upstream's two suites of three tests lead to."""
    setup = step("setup", operation(kind="create", block=Block.SETUP))
    passing = operation(kind="round")
    red: dict[str, Any] = {"status": Status.FAILED}
    command = operation(
        kind="script",
        message=r'command "echo step stdout\\n echo >&2 step stderr\\n false" failed, exit status 1',
        **red,
    )
    asserting = operation(
        kind="round",
        message=r'command "echo assert stdout\\n echo >&2 assert stderr\\n false" failed, exit status 1',
        **red,
    )
    cleanup = step("@cleanup", operation(kind="delete", block=Block.CLEANUP))
    steps = {
        "test0": [step("0-run", passing)],
        "test1": [step("0-run", passing), step("1-run", passing), step("2-run", command)],
        "test2": [step("0-run", passing), step("1-run", asserting)],
    }
    return [
        case(name, setup, *found, cleanup, folder=f"{suite}/{name}", language=Language.KUTTL)
        for suite in ("suite2", "suite1")
        for name, found in steps.items()
    ]


@pytest.mark.parametrize("granularity", ["step", "test"])
def test_kuttls_report_is_the_golden_one(granularity: str) -> None:
    """Suites, cases, names, counts and failures, by step and by test."""
    made = timeless(json.loads(kuttl.document(run(*results_of_kuttl()), granularity)))
    assert made == golden(f"kuttl/junit/kuttl-report-{granularity}.golden.json")


@pytest.mark.parametrize("granularity", ["step", "test"])
def test_kuttls_xml_is_the_same_report(granularity: str) -> None:
    """XML has the elements and attributes of the JSON form; attributes that kuttl always writes are there."""
    root = ET.fromstring(kuttl.xml(run(*results_of_kuttl()), granularity))  # noqa: S314 - our own text
    report = golden(f"kuttl/junit/kuttl-report-{granularity}.golden.json")
    assert root.get("tests") == str(report["tests"])
    assert [each.get("name") for each in root] == [each["name"] for each in report["testsuite"]]
    (failure,) = [
        case.find("failure") for case in root[0].iter("testcase") if case.get("name") in ("step 2-run", "test1")
    ]
    assert failure is not None
    assert failure.attrib == {"message": "failed in step 2-run", "type": ""}
    assert (failure.text or "").startswith('command "echo step stdout')
    assert all(case.get("assertions") == "0" for case in root.iter("testcase"))


def test_chainsaws_json_is_the_golden_one() -> None:
    """Tests, steps and operations; the golden file is older than `status` and has `skipped` in its place."""
    made = run(
        case(
            "test-report",
            step(
                "step-report",
                operation(kind="apply", name="operation-report"),
                operation(Status.FAILED, name="operation-report-err", message="dummy"),
            ),
            folder="base-path",
            namespace="demo",
            concurrent=False,
        ),
        case("test-report-skipped", folder="base-path", namespace="skipped", status=Status.SKIPPED),
    )
    report = timeless(json.loads(chainsaw.document(made)))
    assert report["tests"][1].pop("status") == "skipped"
    report["tests"][1]["skipped"] = True
    statuses = [report["tests"][0].pop("status"), *(each.pop("status") for each in report["tests"][0]["steps"])]
    statuses += [each.pop("status") for each in report["tests"][0]["steps"][0]["operations"]]
    assert statuses == ["failed", "failed", "passed", "failed"]
    assert report == golden("chainsaw/report/JSON.json")
