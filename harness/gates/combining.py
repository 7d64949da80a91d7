"""How gates are put together."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.gates.findings import Gate, named
from harness.objects import Key, Kind, Objects
from harness.verdict import Failed, Passed, Verdict, Waiting

Step = Callable[[Objects], Verdict]


@dataclass(frozen=True)
class UnlessDoomed:
    """`gate`, and while it waits also `danger`, which knows what the awaited controller does not tell.

    `danger` never passes for both: only its Failed and its doomed Waiting are heard, and they come before a doom of
    `gate`, since they are nearer to the cause (an unschedulable pod, not the release that waits for it).
    """

    gate: Gate
    danger: Gate

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return tuple(dict.fromkeys((*self.gate.kinds, *self.danger.kinds)))

    def __call__(self, objects: Objects) -> Verdict:
        verdict = self.gate(objects)
        if not isinstance(verdict, Waiting):
            return verdict
        match self.danger(objects):
            case Failed() as failed:
                return failed
            case Waiting(doomed=cause) as doomed if cause:
                return replace(doomed, reason=f"{doomed.reason}\nmeanwhile {verdict}")
        return verdict


@dataclass(frozen=True)
class Both:
    """`first`, and once that passes `then`, whose pass is that of both."""

    first: Gate
    then: Gate

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return tuple(dict.fromkeys((*self.first.kinds, *self.then.kinds)))

    def __call__(self, objects: Objects) -> Verdict:
        return in_order(self.first, self.then)(objects)


def there(kind: Kind, key: Key) -> Step:
    """Whether the object exists at all: the grace that a root gets before anything is asked of it."""
    subject = named(kind, key)

    def step(objects: Objects) -> Verdict:
        if objects.get(kind, *key) is None:
            return Waiting("is not there", subject)
        return Passed("is there", subject)

    return step


def in_order(*steps: Step) -> Step:
    """Each step must pass before the next is asked; the last one's pass is the pass."""
    if not steps:
        raise ValueError("no steps: nothing would ever be asked")

    def all_of_them(objects: Objects) -> Verdict:
        verdicts = (each(objects) for each in steps)
        last: Verdict
        for last in verdicts:
            if not isinstance(last, Passed):
                return last
        return last

    return all_of_them
