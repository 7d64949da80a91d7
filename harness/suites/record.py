"""What a run of suites leaves behind, and all reports are written from. Times are seconds since 1970, UTC."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from harness.suites.model import Block, Language


class Status(StrEnum):
    """How something ended, from best to worst as far as `worst` is concerned.

    SIMULATED: it held, and proves nothing, since simulated nodes run nothing. ERROR: it could not be judged (bad
    expression, refused by the server, interrupted).
    """

    SKIPPED = "skipped"
    PASSED = "passed"
    SIMULATED = "simulated"
    FAILED = "failed"
    ERROR = "error"

    @property
    def red(self) -> bool:
        return self in (Status.FAILED, Status.ERROR)


def worst(statuses: Iterator[Status] | list[Status]) -> Status:
    """Of what something is made of: red beats simulated, simulated beats passed, nothing at all is skipped."""
    order = list(Status)
    return max(statuses, key=order.index, default=Status.SKIPPED)


@dataclass(frozen=True, slots=True)
class OperationRecord:
    """One operation, on one document where it has several.

    `kind` is its verb (apply, assert, ...; for kuttl's common round `round`), `place` file:line, `message` why it is
    not green (or what it did), `diff` a unified one. Of an assert or error: `matched` of `candidates` objects match
    (None where that makes no sense), `vacuous` what held because there was nothing to look at, `proof` api,
    controller or execution. `changed` are objects (`Kind namespace/name`) with the seconds since each last changed.
    """

    kind: str
    name: str
    block: Block
    status: Status
    started: float
    ended: float
    place: str = ""
    message: str = ""
    diff: str = ""
    objects: tuple[str, ...] = ()
    candidates: int | None = None
    matched: int | None = None
    vacuous: tuple[str, ...] = ()
    proof: str = ""
    changed: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()
    output: str = ""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step with all its blocks; set-up and clean-up of a test are steps of their own, `setup` and `@cleanup`."""

    name: str
    status: Status
    started: float
    ended: float
    operations: tuple[OperationRecord, ...] = ()
    message: str = ""


@dataclass(frozen=True, slots=True)
class TestRecord:
    """One test under one scenario and repetition. `folder` is as it was found, relative to where the run began."""

    __test__ = False  # pytest collects classes of this name

    name: str
    folder: str
    language: Language
    status: Status
    started: float
    ended: float
    steps: tuple[StepRecord, ...] = ()
    namespace: str = ""
    scenario: str = ""
    concurrent: bool = True
    message: str = ""  # why it was skipped, or failed outside of a step
    place: str = ""

    @property
    def operations(self) -> Iterator[OperationRecord]:
        return (operation for step in self.steps for operation in step.operations)

    @property
    def first_failure(self) -> OperationRecord | None:
        return next((operation for operation in self.operations if operation.status.red), None)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run. `error` is why the run as a whole is red although no test is (nothing was judged, it was interrupted).

    `left_changed` are objects that were there before and are not as they were.
    """

    name: str
    started: float
    ended: float
    tests: tuple[TestRecord, ...] = ()
    error: str = ""
    interrupted: bool = False
    left_changed: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def count(self, status: Status) -> int:
        """How many tests ended so."""
        return sum(test.status is status for test in self.tests)
