"""How gates are put together, and how the findings of one gate become a verdict.

Reasons carry no times and no durations: a pass settles only while its reason stays the same, and replays are compared.
"""

from dataclasses import replace

from harness.gates.findings import Gate, named
from harness.objects import Key, Kind, Objects
from harness.verdict import Failed, Passed, Verdict, Waiting


def there(kind: Kind, key: Key) -> Gate:
    """Whether the object exists at all: the grace that a root gets before anything is asked of it."""
    subject = named(kind, key)

    def gate(objects: Objects) -> Verdict:
        if objects.get(kind, *key) is None:
            return Waiting("is not there", subject)
        return Passed("is there", subject)

    return gate


def in_order(*gates: Gate) -> Gate:
    """Each gate must pass before the next is asked; the last one's pass is the pass."""
    if not gates:
        raise ValueError("no gates: nothing would ever be asked")

    def gate(objects: Objects) -> Verdict:
        verdicts = (each(objects) for each in gates)
        last: Verdict
        for last in verdicts:
            if not isinstance(last, Passed):
                return last
        return last

    return gate


def unless_doomed(gate: Gate, danger: Gate) -> Gate:
    """`gate`, and while it waits also `danger`, which knows what the awaited controller does not tell.

    `danger` never passes for both: only its Failed and its doomed Waiting are heard, and they come before a doom of
    `gate`, since they are nearer to the cause (an unschedulable pod, not the release that waits for it).
    """

    def both(objects: Objects) -> Verdict:
        verdict = gate(objects)
        if not isinstance(verdict, Waiting):
            return verdict
        match danger(objects):
            case Failed() as failed:
                return failed
            case Waiting(doomed=cause) as doomed if cause:
                return replace(doomed, reason=f"{doomed.reason}\nmeanwhile {verdict}")
        return verdict

    return both
