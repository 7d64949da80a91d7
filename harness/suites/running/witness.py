"""Who looks at a run from outside: is told of each step and of what it touches, and may object to what holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from harness.suites.model import Document, Step
from harness.suites.record import StepRecord

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Objection:
    """Why an assert that holds is no proof. `may_change`: it may be one later, so it is waited for."""

    why: str
    may_change: bool = False


class Witness(Protocol):
    """Called by the thread that runs the test. Raises nothing."""

    def began(self, step: Step, name: str, namespace: str) -> None:
        """A step begins; objects that name no namespace are in this one."""
        ...

    def wrote(self, item: Object) -> None:
        """An object was written, and is now so."""
        ...

    def judged(self, items: tuple[Object, ...], diff: str) -> None:
        """What an assert was about at its end, and how the nearest object differs where none fits."""
        ...

    def objection(self, document: Document, items: tuple[Object, ...], engine: str) -> Objection | None:
        """What there is to say against an assert that these objects fulfil."""
        ...

    def ended(self, record: StepRecord) -> StepRecord:
        """A step has ended; the record that is kept of it."""
        ...
