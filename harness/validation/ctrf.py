"""A validation as a CTRF document: the same result gives the same bytes, since such reports are compared and hashed."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from harness.validation.results import CheckResult, PhaseReport, Report, Status

TOOL = "aicr"  # readers of such reports look for it
FORMAT, SPEC_VERSION = "CTRF", "0.0.1"


def phase_document(phase: PhaseReport, *, version: str, environment: str = "") -> dict[str, Any]:
    """One phase. `version` is that of the tool, `environment` what the checks ran on."""
    start, stop = _milliseconds(phase.started), _milliseconds(phase.ended)
    return _document([_test(test) for test in phase.tests], start, stop, phase.started, version, environment)


def merged(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Exactly one document is itself. Else tests in order, sums, the least start, the greatest stop, the timestamp of
    the first and the environment of the last. Raises ValueError for none.
    """
    if not documents:
        raise ValueError("no reports to merge")
    if len(documents) == 1:
        return documents[0]
    results = [each["results"] for each in documents]
    summaries = [each["summary"] for each in results]
    starts = [each["start"] for each in summaries if each["start"]]
    counts = ("tests", *(status for status in _STATUSES))
    whole = {**documents[0]["results"]}
    whole["summary"] = {key: sum(each[key] for each in summaries) for key in counts} | {
        "start": min(starts, default=0),
        "stop": max(each["stop"] for each in summaries),
    }
    whole["tests"] = [test for each in results for test in each["tests"]]
    whole.pop("environment", None)
    if "environment" in results[-1]:
        whole["environment"] = results[-1]["environment"]
    return {**documents[0], "results": whole}


def document(report: Report, *, version: str) -> dict[str, Any]:
    """All phases of a report. A report without phases has no tests."""
    environment = report.simulated or ("no cluster" if report.without_cluster else "")
    if not report.phases:
        start, stop = _milliseconds(report.started), _milliseconds(report.ended)
        return _document([], start, stop, report.started, version, environment)
    return merged([phase_document(phase, version=version, environment=environment) for phase in report.phases])


def text(document: dict[str, Any]) -> str:
    """The bytes that are written: keys in the order of the format, one value a line."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


_STATUSES = ("passed", "failed", "skipped", "pending", "other")


def _document(
    tests: list[dict[str, Any]], start: int, stop: int, moment: datetime, version: str, environment: str
) -> dict[str, Any]:
    results: dict[str, Any] = {
        "tool": {"name": TOOL} | ({"version": version} if version else {}),
        "summary": {
            "tests": len(tests),
            **{status: sum(test["status"] == status for test in tests) for status in _STATUSES},
            "start": start,
            "stop": max(start, stop),
        },
        "tests": tests,
    }
    if environment:
        results["environment"] = {"testEnvironment": environment}
    return {
        "reportFormat": FORMAT,
        "specVersion": SPEC_VERSION,
        "timestamp": f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "generatedBy": TOOL,
        "results": results,
    }


def _test(test: CheckResult) -> dict[str, Any]:
    found: dict[str, Any] = {"name": test.name, "status": Status(test.status).value}
    found |= {"duration": round(test.seconds * 1000), "suite": [test.phase]}
    if test.message:
        found["message"] = test.message
    if test.stdout:
        found["stdout"] = list(test.stdout)
    if test.extra:
        found["extra"] = {key: test.extra[key] for key in sorted(test.extra)}
    return found


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
