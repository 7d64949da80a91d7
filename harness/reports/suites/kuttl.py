"""kuttl's own reports of a run, as JSON and as JUnit XML, by step or by test.

Structure and names are kuttl's (v0.26.0); a case for what failed in clean-up is added.
"""

import json
import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

from harness.reports.plain import plain
from harness.reports.suites.telling import told
from harness.suites.model import Block
from harness.suites.record import RunRecord, Status, StepRecord, TestRecord

STEP, TEST = "step", "test"
_JUDGING = ("assert", "error")

Report = dict[str, Any]  # as in the JSON form; lists are what XML has as elements


def document(record: RunRecord, granularity: str = STEP) -> str:
    """The JSON report."""
    return json.dumps(_report(record, granularity), indent=2, ensure_ascii=False) + "\n"


def xml(record: RunRecord, granularity: str = STEP) -> str:
    """The JUnit report."""
    root = _element("testsuites", _report(record, granularity))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _element(tag: str, report: Mapping[str, Any]) -> ET.Element:
    made = ET.Element(tag)
    for key, value in report.items():
        if isinstance(value, list):
            made.extend(_element(key, each) for each in value)
        elif isinstance(value, dict):
            made.append(_element(key, value))
        elif key == "text":
            made.text = plain(value)
        else:
            made.set(key, plain(str(value)))
    if tag == "testcase":
        made.attrib.setdefault("assertions", "0")
    if tag == "failure":
        made.attrib.setdefault("type", "")
    return made


def _report(record: RunRecord, granularity: str) -> Report:
    folders: dict[str, list[TestRecord]] = defaultdict(list)
    for test in record.tests:
        folders[posixpath.dirname(test.folder) or "."].append(test)
    suites = [_suite(folder, folders[folder], granularity) for folder in sorted(folders)]
    report: Report = {
        "name": "",
        "tests": sum(suite["tests"] for suite in suites),
        "failures": sum(suite["failures"] for suite in suites),
        "time": f"{record.ended - record.started:.3f}",
        "testsuite": suites,
    }
    if record.error:
        report["failure"] = {"message": record.error}
    return report


def _suite(folder: str, tests: list[TestRecord], granularity: str) -> Report:
    tests = sorted(tests, key=lambda test: test.name)
    below: list[Report]
    if granularity == TEST:
        key, below = "testcase", [_whole(posixpath.basename(folder), test) for test in tests]
        number, failures = len(below), sum("failure" in case for case in below)
    else:
        key, below = "testsuite", [_steps(test) for test in tests]
        number, failures = (sum(suite[field] for suite in below) for field in ("tests", "failures"))
    begun, ended = min(test.started for test in tests), max(test.ended for test in tests)
    return {**_counted(number, failures, begun, ended), "name": folder, key: below}


def _counted(tests: int, failures: int, begun: float, ended: float) -> Report:
    return {"tests": tests, "failures": failures, "timestamp": _time(begun), "time": f"{ended - begun:.3f}"}


def _whole(folder: str, test: TestRecord) -> Report:
    """A test as one case."""
    red = next((step for step in test.steps if step.status.red), None)
    judged = sum(_assertions(step) for step in test.steps)
    case = _case(folder, test.name, test, judged)
    if test.status.red:
        case["failure"] = _failure(red) if red else {"text": test.message, "message": test.message}
    return case


def _steps(test: TestRecord) -> Report:
    """A test as a suite: its set-up, its steps, and clean-up where that failed."""
    cases = list(_cases(test))
    failures = sum("failure" in case for case in cases)
    return {**_counted(len(cases), failures, test.started, test.ended), "name": test.name, "testcase": cases}


def _cases(test: TestRecord) -> Iterator[Report]:
    setup = next((step for step in test.steps if _only(step, Block.SETUP)), None)
    yield _with_failure(_case(test.name, "setup", setup or test, 0, setup.status if setup else Status.PASSED), setup)
    for step in test.steps:
        if step is setup:
            continue
        cleaning = _only(step, Block.CLEANUP)
        if not cleaning or step.status.red:
            name = step.name if cleaning else f"step {step.name}"
            yield _with_failure(_case(test.name, name, step, _assertions(step)), step)
    if test.status.red and not any(step.status.red for step in test.steps):
        failure = {"text": test.message, "message": test.message.partition("\n")[0]}
        yield {**_case(test.name, "outside of a step", test, 0), "failure": failure}


def _only(step: StepRecord, block: Block) -> bool:
    return bool(step.operations) and all(operation.block is block for operation in step.operations)


def _with_failure(case: Report, step: StepRecord | None) -> Report:
    return case | {"failure": _failure(step)} if step is not None and step.status.red else case


def _failure(step: StepRecord) -> Report:
    # What collectors come to is no failure of kuttl's.
    red = [each for each in step.operations if each.status.red and each.block is not Block.CATCH]
    text = told(red[-1]) if red else step.message
    if _only(step, Block.SETUP) or _only(step, Block.CLEANUP):
        return {"text": text, "message": text.partition("\n")[0]}
    return {"text": text, "message": f"failed in step {step.name}"}


def _case(
    classname: str,
    name: str,
    timed: TestRecord | StepRecord,
    assertions: int,
    status: Status | None = None,
) -> Report:
    case: Report = {"classname": classname, "name": name, "timestamp": _time(timed.started)}
    case["time"] = f"{timed.ended - timed.started:.3f}"
    if assertions:
        case["assertions"] = assertions
    match status or timed.status:
        case Status.SIMULATED:
            case["status"] = Status.SIMULATED.value
        case Status.SKIPPED:
            case["skipped"] = {"message": timed.message.partition("\n")[0]}
    return case


def _assertions(step: StepRecord) -> int:
    """How many objects a step asserts, or wants to be absent."""
    return sum(operation.kind in _JUDGING for operation in step.operations)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
