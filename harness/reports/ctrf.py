"""CTRF, the Common Test Report Format: kwok-results.json, the form in which results are kept and read again.

Only fields that every published version of the schema knows are used, since consumers must reject unknown ones: `id`
is the stable identity of a cell; run and shard are under `extra` because the schema got fields for them late. What is
under `tests[].extra` is the cell's own document, so nothing is lost. Names are those of the bash harness, whose readers
go on working.
"""

import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from harness.exits import Exit
from harness.reports.plain import plain
from harness.results.outcome import Outcome
from harness.results.results import CellResult, Results, Status

TOOL = "kwok-validate-scheduling"
SPEC_VERSION = "0.0.1"
STATUSES = {
    Status.PASSED: "passed",
    Status.FAILED: "failed",
    Status.SKIPPED: "skipped",
    Status.NOT_RUN: "pending",
    Status.INTERRUPTED: "other",
}
OURS = uuid.UUID("6f0c6f0e-6b1d-5d0e-9d57-6c8f4b8f2a11")  # the namespace of our name-based identities


def document(results: Results) -> dict[str, Any]:
    """The results as a CTRF document, JSON-ready."""
    counted = results.counted()
    start, stop = _milliseconds(results.started), _milliseconds(results.ended)
    return {
        "reportFormat": "CTRF",
        "specVersion": SPEC_VERSION,
        "reportId": str(uuid.uuid5(OURS, f"{results.run_id} {results.shard} {results.ended.isoformat()}")),
        "timestamp": results.ended.isoformat(timespec="seconds"),
        "generatedBy": TOOL,
        "results": {
            "tool": {"name": TOOL},
            "summary": {
                "tests": len(results.cells),
                **{name: counted[status] for status, name in STATUSES.items()},
                "start": start,
                "stop": max(start, stop),
            },
            "tests": [_test(cell) for cell in results.cells],
        },
        "extra": {
            "runId": results.run_id,
            "shardId": results.shard,
            "started": results.started.isoformat(),
            "ended": results.ended.isoformat(),
            "stopped": results.stopped,
            "reason": results.reason,
            "exit": int(results.exit),
        },
    }


def read(document: Mapping[str, Any]) -> Results:
    """The results that a document was made of. Raises KeyError, TypeError or ValueError where we have not made it."""
    extra = document["extra"]
    if extra["shardId"] and not re.fullmatch(r"[1-9]\d*/[1-9]\d*", extra["shardId"]):
        raise ValueError(f"{extra['shardId']!r} is not a shard such as 2/5")
    return Results(
        run_id=extra["runId"],
        started=datetime.fromisoformat(extra["started"]),
        ended=datetime.fromisoformat(extra["ended"]),
        cells=tuple(CellResult.read(test["extra"]) for test in document["results"]["tests"]),
        stopped=None if extra["stopped"] is None else Exit(extra["stopped"]),
        reason=extra["reason"],
        shard=extra["shardId"],
    )


def _test(cell: CellResult) -> dict[str, Any]:
    test: dict[str, Any] = {
        "id": str(uuid.uuid5(OURS, cell.name)),
        "name": cell.name,
        "status": STATUSES[cell.status],
        "rawStatus": cell.status.value,
        "duration": 0,
        "suite": ["kwok", cell.deployer],
        "type": "e2e",
    }
    if cell.flaky and cell.status is Status.PASSED:  # all that the format calls flaky
        test["flaky"] = True
    if cell.why and cell.status is not Status.PASSED:
        test["message"] = plain(cell.why)
    if cell.outcome is not None:
        test |= _told(cell.outcome)
    return test | {"extra": cell.document()}


def _told(outcome: Outcome) -> dict[str, Any]:
    """What there is to tell of a cell that had its turn."""
    start, duration = _milliseconds(outcome.started), round(outcome.seconds * 1000)
    told: dict[str, Any] = {
        "start": start,
        "stop": start + duration,
        "duration": duration,
        "steps": [
            {"name": phase.name, "status": "passed" if phase.verdict == "passed" else "failed"}
            for phase in outcome.phases
        ],
    }
    if not outcome.passed and "\n" in outcome.reason.strip():
        told["trace"] = plain(outcome.reason)
    if outcome.evidence:
        told["attachments"] = [
            {"name": "evidence", "contentType": "inode/directory", "path": outcome.evidence},
        ]
    return told


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
