"""What became of the checks of a validation: one value, from which console, CTRF, evidence and exit code are drawn.

Nothing evaluated is no pass: a phase is passed with a passed check, and a run with a passed phase.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from harness.validation.constraints import Evaluated


class Status(StrEnum):
    """As CTRF spells them. `other` is neither: the check could not be carried out, or nobody knows how it ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    OTHER = "other"


@dataclass(frozen=True)
class CheckResult:
    """One check: `seconds` it took, `message` why it is not passed, `stdout` the lines of its evidence.

    `extra` is further data for programs, such as that the cluster is a simulated one.
    """

    name: str
    phase: str
    status: Status
    seconds: float = 0.0
    message: str = ""
    stdout: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PhaseReport:
    """A phase and its tests in the order of the catalog. `declared` counts the checks that the recipe declares."""

    name: str
    tests: tuple[CheckResult, ...]
    declared: int
    started: datetime
    ended: datetime

    def count(self, status: Status) -> int:
        return sum(test.status is status for test in self.tests)

    @property
    def status(self) -> Status:
        """The first that holds: a failed test, one that is other, a passed one; else nothing was evaluated."""
        for status in (Status.FAILED, Status.OTHER, Status.PASSED):
            if self.count(status):
                return status
        return Status.SKIPPED


@dataclass(frozen=True)
class Report:
    """A validation that has come to its end. `constraints` are those of the readiness gate, all passed.

    `snapshot` says where the readings came from, `simulated` what is known of the cluster being a simulated one,
    `without_cluster` that none was asked. `findings` and `notes` are for people: what has no effect in the recipe, and
    what was done on the cluster that they should know of.
    """

    run_id: str
    recipe: str
    started: datetime
    ended: datetime
    constraints: tuple[Evaluated, ...]
    phases: tuple[PhaseReport, ...]
    snapshot: str = ""
    simulated: str = ""
    without_cluster: bool = False
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def tests(self) -> tuple[CheckResult, ...]:
        return tuple(test for phase in self.phases for test in phase.tests)

    @property
    def declared(self) -> int:
        """How many checks the recipe declares in the phases that were selected."""
        return sum(phase.declared for phase in self.phases)

    @property
    def evaluated(self) -> int:
        """How many checks came to a verdict: a pass or a failure."""
        return sum(phase.count(Status.PASSED) + phase.count(Status.FAILED) for phase in self.phases)

    @property
    def passed(self) -> int:
        return sum(phase.count(Status.PASSED) for phase in self.phases)

    @property
    def problem(self) -> str:
        """Why the validation is not green; empty where it is."""
        red = [phase for phase in self.phases if phase.status in (Status.FAILED, Status.OTHER)]
        if red:
            told = ", ".join(f"{phase.name} is {phase.status.value} ({_names(phase.tests)})" for phase in red)
            return f"one or more phases did not pass: {told}"
        if self.without_cluster:
            return "" if self.constraints else "nothing was evaluated: the recipe has no constraints"
        if not self.passed:
            return f"no check passed: {self.declared} declared, {self.evaluated} evaluated"
        return ""


def summary(report: Report) -> str:
    """The numbers in a sentence."""
    checks = "1 check" if report.declared == 1 else f"{report.declared} checks"
    numbers = f"{checks} declared, {report.evaluated} evaluated, {report.passed} passed"
    count = "1 constraint" if len(report.constraints) == 1 else f"{len(report.constraints)} constraints"
    return f"{count} passed; {numbers}" if report.constraints else numbers


def _names(tests: Iterable[CheckResult]) -> str:
    return ", ".join(test.name for test in tests if test.status in (Status.FAILED, Status.OTHER))
