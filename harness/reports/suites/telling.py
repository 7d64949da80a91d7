"""What all reports of a run of suites say alike: why something is not green, and the verdict on the whole."""

from collections.abc import Iterator

from harness.suites.record import OperationRecord, RunRecord, Status

SYMBOLS = {
    Status.PASSED: "✓",
    Status.SIMULATED: "≈",
    Status.SKIPPED: "–",
    Status.FAILED: "✗",
    Status.ERROR: "!",
}


def told(operation: OperationRecord) -> str:
    """Why an operation is not green, with its diff where the message has none."""
    diff = operation.diff if operation.diff and operation.diff.strip() not in operation.message else ""
    return "\n".join(filter(None, (operation.message, diff))) or f"{operation.kind} {operation.status.value}"


def facts(operation: OperationRecord) -> Iterator[str]:
    """What is known besides: how many matched, what was vacuous, what was left out, when objects changed."""
    if operation.candidates is not None and operation.matched is not None:
        yield f"{operation.matched} of {operation.candidates} candidates matched"
    yield from (f"vacuous: {each}" for each in operation.vacuous)
    if operation.proof:
        yield f"needs {operation.proof}"
    yield from (f"{name} last changed {seconds:.1f} s earlier" for name, seconds in operation.changed)
    yield from operation.notes


def green(record: RunRecord) -> bool:
    """Whether the run as a whole is: no test is red, something was judged, and nothing else went wrong."""
    judged = any(test.status in (Status.PASSED, Status.SIMULATED) for test in record.tests)
    return judged and not record.error and not record.interrupted and not any(t.status.red for t in record.tests)


def counts(record: RunRecord) -> str:
    """How many tests ended how: "3 tests: 2 passed, 1 failed"."""
    parts = [f"{record.count(status)} {status.value}" for status in reversed(Status) if record.count(status)]
    number = len(record.tests)
    return f"{number} test{'' if number == 1 else 's'}" + (f": {', '.join(parts)}" if parts else "")
