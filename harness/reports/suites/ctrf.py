"""A run of suites in the Common Test Report Format: a test for each test, its steps as steps.

What held on simulated nodes only is `other`, since it is no pass; the format's steps have a name and a status, so what
else is known of them is under `extra`.
"""

import uuid
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from harness.reports.ctrf import OURS, SPEC_VERSION
from harness.reports.plain import plain
from harness.reports.suites.telling import facts, green, told
from harness.suites.record import OperationRecord, RunRecord, Status, StepRecord, TestRecord

TOOL = "kwok-harness"
_STATUSES = {
    Status.PASSED: "passed",
    Status.FAILED: "failed",
    Status.ERROR: "failed",
    Status.SKIPPED: "skipped",
    Status.SIMULATED: "other",
}


def document(record: RunRecord) -> dict[str, Any]:
    """The run, JSON-ready."""
    names = [_STATUSES[test.status] for test in record.tests]
    start, stop = _milliseconds(record.started), _milliseconds(record.ended)
    ended = datetime.fromtimestamp(record.ended, UTC).isoformat(timespec="seconds")
    return {
        "reportFormat": "CTRF",
        "specVersion": SPEC_VERSION,
        "reportId": str(uuid.uuid5(OURS, f"suites {record.name} {record.started} {record.ended}")),
        "timestamp": ended,
        "generatedBy": TOOL,
        "results": {
            "tool": {"name": TOOL},
            "summary": {
                "tests": len(names),
                **{name: names.count(name) for name in ("passed", "failed", "skipped", "pending", "other")},
                "start": start,
                "stop": max(start, stop),
            },
            "tests": [_test(test) for test in record.tests],
        },
        "extra": {
            "name": record.name,
            "green": green(record),
            "error": record.error,
            "interrupted": record.interrupted,
            "leftChanged": list(record.left_changed),
            "notes": list(record.notes),
        },
    }


def _test(test: TestRecord) -> dict[str, Any]:
    start, stop = _milliseconds(test.started), _milliseconds(test.ended)
    name = f"{test.folder}[{test.name}]" + (f" ({test.scenario})" if test.scenario else "")
    made: dict[str, Any] = {
        "id": str(uuid.uuid5(OURS, name)),
        "name": name,
        "status": _STATUSES[test.status],
        "rawStatus": test.status.value,
        "duration": max(0, stop - start),
        "start": start,
        "stop": max(start, stop),
        "suite": [test.language.value, test.folder or "."],
        "type": "e2e",
        "filePath": test.place.rpartition(":")[0] or test.folder,
        "steps": [{"name": step.name, "status": _STATUSES[step.status], "extra": _step(step)} for step in test.steps],
        "extra": {"namespace": test.namespace, "scenario": test.scenario, "concurrent": test.concurrent},
    }
    if test.status is not Status.PASSED:
        failure = test.first_failure
        reason = plain(told(failure) if failure else test.message)
        made["message"] = reason.partition("\n")[0]
        if "\n" in reason:
            made["trace"] = reason
    return made


def _step(step: StepRecord) -> dict[str, Any]:
    return {
        "rawStatus": step.status.value,
        "start": _milliseconds(step.started),
        "stop": _milliseconds(step.ended),
        "message": plain(step.message),
        "operations": [_operation(operation) for operation in step.operations],
    }


def _operation(operation: OperationRecord) -> dict[str, Any]:
    data = {key: value for key, value in asdict(operation).items() if value not in ("", (), None)}
    data |= {key: plain(data[key]) for key in ("message", "diff", "output") if key in data}
    return data | {"facts": [plain(fact) for fact in facts(operation)]}


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
