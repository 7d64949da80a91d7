"""How gates are put together, and how the findings of one gate become a verdict.

Reasons carry no times and no durations: a pass settles only while its reason stays the same, and replays are compared.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from harness.gates.findings import Finding, Level
from harness.outcome import CauseKind
from harness.snapshot import Key, Kind, Object, Snapshot, key_of
from harness.verdict import Failed, Passed, Verdict, Waiting

Gate = Callable[[Snapshot], Verdict]

_SHOWN = 5  # findings in one reason
_HEAD, _TAIL = 240, 480  # characters of a message: who failed is said first, why it failed last


def there(kind: Kind, key: Key) -> Gate:
    """Whether the object exists at all: the grace that a root gets before anything is asked of it."""
    subject = named(kind, key)

    def gate(snapshot: Snapshot) -> Verdict:
        if snapshot.get(kind, *key) is None:
            return Waiting("is not there", subject)
        return Passed("is there", subject)

    return gate


def in_order(*gates: Gate) -> Gate:
    """Each gate must pass before the next is asked; the last one's pass is the pass."""
    if not gates:
        raise ValueError("no gates: nothing would ever be asked")

    def gate(snapshot: Snapshot) -> Verdict:
        verdicts = (each(snapshot) for each in gates)
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

    def both(snapshot: Snapshot) -> Verdict:
        verdict = gate(snapshot)
        if not isinstance(verdict, Waiting):
            return verdict
        match danger(snapshot):
            case Failed() as failed:
                return failed
            case Waiting(doomed=cause) as doomed if cause:
                return replace(doomed, reason=f"{doomed.reason}\nmeanwhile {verdict}")
        return verdict

    return both


@dataclass(frozen=True)
class Doubt:
    """Why an object is not as it should be, before it is known of which object that is told."""

    level: Level
    text: str
    kind: CauseKind | None = None

    def of(self, subject: str) -> Finding:
        return Finding(self.level, subject, self.text, kind=self.kind)


def overall(findings: Iterable[Finding]) -> Failed | Waiting:
    """One verdict of at least one finding: the worst first, each with its subject.

    What is wrong without a kind of its own is what a controller made of the bundle.
    """
    ordered = sorted(findings, key=lambda finding: -finding.level)
    worst = ordered[0]
    kind = worst.blamed(CauseKind.RECONCILE)
    same = [finding for finding in ordered if finding.level == worst.level]
    match worst.level:
        case Level.FAILED:
            return Failed(_told(same), worst.subject, kind=kind)
        case Level.DOOMED:
            return Waiting(_told(ordered), worst.subject, kind=kind, doomed=_told(same))
    return Waiting(_told(ordered), worst.subject, kind=kind)


def _told(findings: list[Finding]) -> str:
    """The first without its subject, which the verdict carries."""
    lines = [findings[0].text, *(f"{finding.subject}: {finding.text}" for finding in findings[1:_SHOWN])]
    if len(findings) > _SHOWN:
        lines.append(f"and {len(findings) - _SHOWN} more")
    return "\n".join(lines)


def named(kind: Kind, key: Key) -> str:
    """The subject of a verdict: "HelmRelease flux-system/x"."""
    return f"{kind.kind} {'/'.join(filter(None, key))}"


def subject(kind: Kind, item: Object) -> str:
    return named(kind, key_of(item))


def shortened(message: object) -> str:
    """A controller's message on one line, without its middle where it is long."""
    text = " ".join(str(message or "").split())
    return text if len(text) <= _HEAD + _TAIL + 3 else f"{text[:_HEAD].rstrip()} … {text[-_TAIL:].lstrip()}"


def listed(names: Iterable[str]) -> str:
    """Some names, and how many there are besides."""
    found = sorted(names)
    return ", ".join(found[:_SHOWN]) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
