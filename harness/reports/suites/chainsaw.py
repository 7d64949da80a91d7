"""chainsaw's own reports of a run: JSON, and JUnit by test, by step and by operation.

Structure and names are chainsaw's (v0.2.15). What its reports leave out is added where it is red, as one more operation
or test case: failures of catch, finally, clean-up and set-up, and whatever failed outside of a step.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

from harness.reports.plain import plain
from harness.reports.suites.telling import told
from harness.suites.model import Block
from harness.suites.record import OperationRecord, RunRecord, Status, StepRecord, TestRecord

# What chainsaw calls operations; everything that it does by way of kubectl is a command.
_TYPES = {"apply", "assert", "command", "create", "delete", "error", "patch", "script", "sleep", "update"}
_OUTSIDE = "outside of a step"


def document(record: RunRecord) -> str:
    """The JSON report."""
    data: dict[str, Any] = {
        "name": record.name,
        "startTime": _time(record.started),
        "endTime": _time(record.ended),
        "tests": [_test(test) for test in record.tests],
    }
    if record.error:
        data["failure"] = {"error": record.error}
    return json.dumps(_filled(data), indent=2, ensure_ascii=False) + "\n"


def _test(test: TestRecord) -> dict[str, Any]:
    return {
        "basePath": test.folder,
        "name": test.name,
        "scenario": test.scenario,
        "concurrent": test.concurrent,
        "status": _status(test.status),
        "startTime": _time(test.started),
        "endTime": _time(test.ended),
        "namespace": test.namespace,
        "failure": {"error": test.message} if _failed_outside(test) else None,
        "steps": [_step(step) for step in _steps(test)],
    }


def _step(step: StepRecord) -> dict[str, Any]:
    return {
        "name": step.name,
        "status": _status(step.status),
        "startTime": _time(step.started),
        "endTime": _time(step.ended),
        "operations": [_operation(operation) for operation in _operations(step)],
    }


def _operation(operation: OperationRecord) -> dict[str, Any]:
    return {
        "name": _name(operation),
        "type": _type(operation),
        "status": _status(operation.status),
        "startTime": _time(operation.started),
        "endTime": _time(operation.ended),
        "failure": {"error": told(operation)} if operation.status.red else None,
    }


def by_test(record: RunRecord) -> str:
    """JUNIT-TEST: a suite for each folder, a case for each test."""
    folders: dict[str, list[TestRecord]] = defaultdict(list)
    for test in record.tests:
        folders[test.folder].append(test)
    suites = []
    for folder in sorted(folders):
        suite = ET.Element("testsuite", name=plain(folder), id="0", time="")
        suite.extend(_case(test.name, "", test, _reasons(test), test.message) for test in folders[folder])
        suites.append(suite)
    return _written(record, suites)


def by_step(record: RunRecord) -> str:
    """JUNIT-STEP: a suite for each test, a case for each step."""
    suites = []
    for test in record.tests:
        suite = _suite_of(record, test)
        for step in _steps(test):
            reasons = [told(operation) for operation in _operations(step) if operation.status.red]
            suite.append(_case(step.name, "", step, reasons or [step.message], step.message))
        _close(suite, test)
        suites.append(suite)
    return _written(record, suites)


def by_operation(record: RunRecord) -> str:
    """JUNIT-OPERATION: a suite for each test, a case for each operation."""
    suites = []
    for test in record.tests:
        suite = _suite_of(record, test)
        for step in _steps(test):
            for operation in _operations(step):
                name = f"{step.name} / {_name(operation)}"
                suite.append(_case(name, _type(operation), operation, [told(operation)], operation.message))
        _close(suite, test)
        suites.append(suite)
    return _written(record, suites)


def _suite_of(record: RunRecord, test: TestRecord) -> ET.Element:
    suite = ET.Element("testsuite", name=plain(test.name), id="0", package=plain(test.folder))
    suite.set("time", _seconds(test))
    suite.set("timestamp", datetime.fromtimestamp(record.started, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    ET.SubElement(ET.SubElement(suite, "properties"), "property", name="namespace", value=plain(test.namespace))
    return suite


def _close(suite: ET.Element, test: TestRecord) -> None:
    """The case of a test that has none, and of what failed outside of its steps. One of which some steps are skipped
    and others passed keeps them all.
    """
    if test.status is Status.SKIPPED and not any(step.status is Status.PASSED for step in test.steps):
        for case in suite.findall("testcase"):
            suite.remove(case)
        suite.append(_case(test.name, "", test, [], test.message))
    elif _failed_outside(test):
        suite.append(_case(_OUTSIDE, "", test, [test.message], test.message))


def _case(
    name: str,
    classname: str,
    timed: TestRecord | StepRecord | OperationRecord,
    reasons: Sequence[str],
    why: str,
) -> ET.Element:
    case = ET.Element("testcase", name=plain(name), classname=plain(classname), time=_seconds(timed))
    if timed.status.red:
        text = "\n".join(filter(None, reasons)) or why or "no reason was recorded"
        failure = ET.SubElement(case, "failure", message=plain(text.partition("\n")[0]))
        failure.text = plain(text)
    elif timed.status is Status.SKIPPED:
        ET.SubElement(case, "skipped", message=plain(why.partition("\n")[0]))
    elif timed.status is Status.SIMULATED:
        case.set("status", timed.status.value)
    return case


def _written(record: RunRecord, suites: Sequence[ET.Element]) -> str:
    root = ET.Element("testsuites", name=plain(record.name), time=f"{record.ended - record.started:.6f}")
    root.extend(suites)
    if record.error:
        suite = ET.SubElement(root, "testsuite", name="run", id="0", time="")
        case = ET.SubElement(suite, "testcase", name="run", classname="", time="")
        ET.SubElement(case, "failure", message=plain(record.error.partition("\n")[0])).text = plain(record.error)
    for counted in [*root.findall("testsuite"), root]:
        counted.set("tests", str(sum(1 for _ in counted.iter("testcase"))))
        counted.set("failures", str(sum(1 for _ in counted.iter("failure"))))
        if skipped := sum(1 for _ in counted.iter("skipped")):
            counted.set("skipped", str(skipped))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _steps(test: TestRecord) -> Iterator[StepRecord]:
    """Those that chainsaw tells of: what the runner does to set up is told where it is red."""
    for step in test.steps:
        own = step.operations and all(operation.block is Block.SETUP for operation in step.operations)
        if step.status.red or not own:
            yield step


def _operations(step: StepRecord) -> Iterator[OperationRecord]:
    """Those that chainsaw tells of, and what else is red."""
    for operation in step.operations:
        if operation.block in (Block.TRY, Block.CLEANUP) or operation.status.red:
            yield operation


def _reasons(test: TestRecord) -> list[str]:
    found = [told(operation) for operation in test.operations if operation.status.red]
    return [*([test.message] if _failed_outside(test) else []), *found]


def _failed_outside(test: TestRecord) -> bool:
    """Whether a test is red for a reason that no step tells."""
    return test.status.red and bool(test.message) and not any(step.status.red for step in test.steps)


def _name(operation: OperationRecord) -> str:
    block = operation.block
    return operation.name if block in (Block.TRY, Block.CLEANUP) else f"{block.value}: {operation.name}"


def _type(operation: OperationRecord) -> str:
    return operation.kind if operation.kind in _TYPES else "assert" if operation.kind == "round" else "command"


def _status(status: Status) -> str:
    """chainsaw knows passed, failed and skipped; what only held on simulated nodes is kept apart."""
    return Status.FAILED.value if status.red else status.value


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _seconds(timed: TestRecord | StepRecord | OperationRecord) -> str:
    return f"{timed.ended - timed.started:.6f}"


def _filled(value: Any) -> Any:
    """Without empty fields, as Go leaves them out."""
    if isinstance(value, dict):
        filled = {key: _filled(each) for key, each in value.items()}
        return {key: each for key, each in filled.items() if each not in (None, "", [], False)}
    return [_filled(each) for each in value] if isinstance(value, list) else value
