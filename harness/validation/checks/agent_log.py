"""The log of the older validation agent: events of Go's test2json between two markers, read into a result.

The Job of that agent completes whatever its tests did, so the log alone holds the verdict, and a hole in the log is no
pass: no marker, no test, a test without an end, a line that is cut, a panic, fewer tests than were expected.
"""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

PASS, FAIL, SKIP, RUNNING = "pass", "fail", "skip", "running"
NOT_EXECUTED = "not executed"
MOST_ARTIFACTS = 20
ARTIFACT_BYTES = 8 << 10
BEGIN, END = "--- BEGIN TEST OUTPUT ---", "--- END TEST OUTPUT ---"
_CONSTRAINT = re.compile(r"CONSTRAINT_RESULT: name=(\S+) expected=(.*?) actual=(.*?) passed=(true|false)\s*$")
_ARTIFACT = re.compile(r"ARTIFACT:([A-Za-z0-9+/=]+)\s*$")


@dataclass
class AgentTest:
    """One test, or one subtest: `seconds` it took, and its output by lines."""

    name: str
    status: str = PASS
    seconds: float = 0.0
    output: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class AgentResult:
    """`status` and `message` are what the reference's parser says; `verdict` is pass, fail or "not executed", and `why`
    says what was wrong where that is no pass.
    """

    status: str
    message: str
    tests: tuple[AgentTest, ...]
    details: tuple[str, ...]
    verdict: str
    why: str = ""

    @property
    def seconds(self) -> float:
        return sum(test.seconds for test in self.tests)


def parse(log: str, expected_tests: int = 0) -> AgentResult:
    """Read a whole log. Never raises: what cannot be read is a hole, and a hole is no pass."""
    reader = _Reader()
    for line in log.split("\n"):
        reader.take(line)
    reader.end()
    counts = {status: sum(t.status == status for t in reader.tests.values()) for status in (PASS, FAIL, SKIP, RUNNING)}
    whole = sum(counts.values())
    if counts[FAIL]:
        message = f"{whole} tests: {counts[PASS]} passed, {counts[FAIL]} failed, {counts[SKIP]} skipped"
    elif counts[SKIP]:
        message = f"{whole} tests: {counts[PASS]} passed, {counts[SKIP]} skipped"
    else:
        message = f"{counts[PASS]} tests passed"
    status = FAIL if reader.failed or counts[FAIL] else PASS
    verdict, why = _verdict(reader, counts, status, expected_tests)
    return AgentResult(status, message, tuple(reader.tests.values()), tuple(reader.details), verdict, why)


def constraint_results(test: AgentTest) -> Iterator[dict[str, Any]]:
    """What a test says of constraints: name, expected, actual (which may hold blanks), passed."""
    for line in test.output:
        if found := _CONSTRAINT.search(line):
            name, expected, actual, passed = found.groups()
            yield {"name": name, "expected": expected, "actual": actual, "passed": passed == "true"}


def artifacts(test: AgentTest) -> Iterator[dict[str, Any]]:
    """Label and data of what a test has left, at most twenty of 8 KiB; what cannot be decoded is left out."""
    kept = 0
    for line in test.output:
        found = _ARTIFACT.search(line)
        if not found or kept == MOST_ARTIFACTS:
            continue
        try:
            document = json.loads(base64.b64decode(found[1], validate=True))
        except ValueError:
            continue
        if isinstance(document, dict) and len(str(document.get("data", "")).encode()) <= ARTIFACT_BYTES:
            kept += 1
            yield document


class _Reader:
    """Takes lines in order; several blocks are joined, a missing end takes the rest."""

    def __init__(self) -> None:
        self.tests: dict[str, AgentTest] = {}
        self.details: list[str] = []
        self.failed = False
        self.blocks = 0
        self.inside = False
        self.broken = ""  # the first line that shows that something went wrong beside the tests
        self.packages: set[str] = set()
        self.ended_packages: set[str] = set()
        self._pieces: dict[str, str] = {}

    def take(self, line: str) -> None:
        if BEGIN in line:
            self.inside, self.blocks = True, self.blocks + 1
        elif END in line:
            self.inside = False
        elif self.inside and line.strip():
            event = _event(line)
            if event is None:
                if not self.broken and (line.startswith(("panic:", "fatal error:")) or line.lstrip().startswith("{")):
                    self.broken = line.strip()[:120]
            else:
                self._event(event)

    def end(self) -> None:
        """The last pieces of output, which no newline has ended."""
        for name, piece in self._pieces.items():
            if piece:
                self._output(name).append(piece)

    def _event(self, event: dict[str, Any]) -> None:
        action, name = str(event.get("Action", "")), str(event.get("Test") or "")
        package = str(event.get("Package") or "")
        if package:
            self.packages.add(package)
        if action == "output":
            self._piece(name, str(event.get("Output", "")))
        if name:
            self._of_test(self.tests.setdefault(name, AgentTest(name)), action, event)
        elif action in (PASS, FAIL, SKIP):
            self.ended_packages.add(package)
            self.failed = self.failed or action == FAIL

    def _of_test(self, test: AgentTest, action: str, event: dict[str, Any]) -> None:
        if action == "run":
            test.status = RUNNING
        elif action in (PASS, FAIL, SKIP):
            test.status = action
            elapsed = event.get("Elapsed")
            if isinstance(elapsed, int | float) and elapsed > 0:
                test.seconds = float(elapsed)
            self.failed = self.failed or action == FAIL

    def _piece(self, name: str, text: str) -> None:
        joined = self._pieces.get(name, "") + text
        *lines, self._pieces[name] = joined.split("\n")
        if name:
            self.tests.setdefault(name, AgentTest(name))
        self._output(name).extend(lines)

    def _output(self, name: str) -> list[str]:
        return self.tests[name].output if name else self.details


def _event(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _verdict(reader: _Reader, counts: dict[str, int], status: str, expected: int) -> tuple[str, str]:
    ended = counts[PASS] + counts[FAIL] + counts[SKIP]
    if status == FAIL:
        return FAIL, "a test or the package failed"
    if not reader.blocks:
        return NOT_EXECUTED, "the log has no block of test output"
    if not reader.tests:
        return NOT_EXECUTED, "no test was run"
    if not ended:
        return NOT_EXECUTED, "no test has ended"
    if counts[RUNNING]:
        return FAIL, f"{counts[RUNNING]} of {len(reader.tests)} tests have no end"
    if reader.inside:
        return FAIL, "the test output has no end"
    if reader.broken:
        return FAIL, f"the output contains a line that is not an event: {reader.broken}"
    if reader.packages - reader.ended_packages:
        return FAIL, f"package {min(reader.packages - reader.ended_packages)} has no end"
    top = sum("/" not in name for name in reader.tests)
    if expected and top != expected:
        return FAIL, f"{top} of {expected} expected tests ran"
    if counts[SKIP] == ended:
        return NOT_EXECUTED, "every test was skipped"
    return PASS, ""
