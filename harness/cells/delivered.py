"""A delivery that has passed, and has to stay so until the verdict on what it delivered is final.

A pass counts once it has stood for the settle time. Two verdicts one after another need not both wait for that: at the
end, both have to stand together, which asks for more than that each of them did so once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from harness.deadline import Deadline
from harness.errors import SyncDeadline
from harness.gates.combining import Both
from harness.gates.findings import Gate
from harness.verdict import Passed, Waiting
from harness.waiting.loop import Cancelled, Judged, Observe


class Expect(Protocol):
    """Waits until a gate passes and has stood for the settle time."""

    def __call__(self, gate: Gate, *, observe: Observe) -> Passed: ...


class _Undone(Cancelled):
    """What was delivered is not any more, so nothing else is waited for; `verdict` says why not."""

    def __init__(self, verdict: Waiting) -> None:
        super().__init__(str(verdict))
        self.verdict = verdict


@dataclass(frozen=True)
class Delivered:
    """A gate that has passed; `again` waits for it once more, until its `deadline`."""

    gate: Gate
    deadline: Deadline
    again: Callable[[], Passed]

    def held(self, gate: Gate, expect: Expect, observe: Observe) -> Passed:
        """Expect `gate`, and the delivery to stay as it is, both for the settle time at the end.

        Where the delivery is undone meanwhile, it is waited for again by its own deadline, and then `gate` anew with
        all of its time: no sooner and no later is anything an error than if the delivery had been settled before.
        Raises SyncDeadline where it is undone after its deadline.
        """

        def looking(judged: Judged) -> None:
            observe(judged)
            verdict = self.gate(judged.objects)
            if isinstance(verdict, Waiting):
                raise _Undone(verdict)

        while True:
            try:
                return expect(Both(self.gate, gate), observe=looking)
            except _Undone as undone:
                verdict = undone.verdict
            if self.deadline.expired:
                raise SyncDeadline(f"it passed, and did not stay so: {verdict.reason}", where=verdict.subject)
            self.again()
