"""What became of a sweep: every cell that was asked for, with its outcome or why it has none.

Reports, the exit code and comparisons are all drawn from this one value; none of them decides anything again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from harness.excerpts import first_line
from harness.exits import Exit
from harness.results.outcome import Outcome

ENDED_BY_SIGNAL = (Exit.INTERRUPTED, Exit.TERMINATED)


class Status(StrEnum):
    """What is known of a cell."""

    PASSED = "passed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # somebody ended it: nothing is known about the recipe
    SKIPPED = "skipped"  # left out on purpose, such as a recipe without a node profile
    NOT_RUN = "not run"  # the sweep ended before


@dataclass(frozen=True)
class CellResult:
    """One cell of a sweep. `reason` says why there is no outcome; `flaky` that the same digest was seen to pass and to
    fail.
    """

    recipe: str
    deployer: str
    outcome: Outcome | None = None
    skipped: bool = False
    reason: str = ""
    flaky: bool = False

    @property
    def name(self) -> str:
        """As the bash harness names its tests: kwok/<recipe>/<deployer>."""
        return f"kwok/{self.recipe}/{self.deployer}"

    @property
    def status(self) -> Status:
        if self.outcome is None:
            return Status.SKIPPED if self.skipped else Status.NOT_RUN
        if self.outcome.exit in ENDED_BY_SIGNAL:
            return Status.INTERRUPTED
        return Status.PASSED if self.outcome.passed else Status.FAILED

    @property
    def why(self) -> str:
        """In a line."""
        return first_line(self.reason if self.outcome is None else self.outcome.reason)

    def document(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe,
            "deployer": self.deployer,
            "outcome": self.outcome and self.outcome.document(),
            "skipped": self.skipped,
            "reason": self.reason,
            "flaky": self.flaky,
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Raises ValueError, KeyError or TypeError where the document is not one of a cell."""
        outcome = document["outcome"]
        return cls(**{**document, "outcome": outcome and Outcome.read(outcome)})


@dataclass(frozen=True)
class Results:
    """A sweep, ended or still under way: the cells in the order in which they were asked for, each once.

    `stopped` is empty where every cell had its turn, else the code that the sweep ends with for it: 50 for three
    strikes, 130 or 143 for a signal; `reason` says it in a sentence. `shard` is "2/5", or empty.
    """

    run_id: str
    started: datetime  # UTC
    ended: datetime
    cells: Sequence[CellResult]
    stopped: Exit | None = None
    reason: str = ""
    shard: str = ""

    @property
    def exit(self) -> Exit:
        """What the sweep ends with: nothing that was asked for and has not passed is green by accident."""
        if self.stopped is not None:
            return self.stopped
        good = (Status.PASSED, Status.SKIPPED)
        if any(cell.status not in good for cell in self.cells):
            return Exit.FAILURE
        return Exit.OK if any(cell.status is Status.PASSED for cell in self.cells) else Exit.FAILURE

    def counted(self) -> dict[Status, int]:
        """How many cells there are of each status, all of them named."""
        return {status: sum(cell.status is status for cell in self.cells) for status in Status}
