"""Records of runs of suites, made up."""

from typing import Any

from harness.suites.model import Block, Language
from harness.suites.record import OperationRecord, RunRecord, Status, StepRecord, TestRecord, worst

BEGUN = 1_790_000_000.0


def operation(status: Status = Status.PASSED, kind: str = "assert", **fields: Any) -> OperationRecord:
    values: dict[str, Any] = {"name": "operation 1", "block": Block.TRY, "started": BEGUN + 1, "ended": BEGUN + 2}
    return OperationRecord(kind, status=status, **(values | fields))


def step(name: str, *operations: OperationRecord, **fields: Any) -> StepRecord:
    status = fields.pop("status", worst([each.status for each in operations]))
    return StepRecord(name, status, BEGUN + 1, BEGUN + 2.5, operations, **fields)


def case(name: str, *steps: StepRecord, **fields: Any) -> TestRecord:
    values: dict[str, Any] = {
        "folder": f"suites/{name}",
        "language": Language.CHAINSAW,
        "status": worst([each.status for each in steps]),
        "started": BEGUN + 1,
        "ended": BEGUN + 3,
        "steps": steps,
    }
    return TestRecord(name, **(values | fields))


def run(*tests: TestRecord, **fields: Any) -> RunRecord:
    return RunRecord("report", BEGUN, BEGUN + 4, tests, **fields)
