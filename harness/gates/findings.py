"""What a gate is, what it finds that is not as intended, and how many findings become one verdict.

All that is wrong is told at once (up to a screenful), the worst first. While something is doomed it decides the
subject, since the waiting loop counts its patience by subject.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from harness.excerpts import cut, some
from harness.gates.messages import served
from harness.objects import Key, Kind, Object, Objects, key_of
from harness.verdict import CauseKind, Failed, Verdict, Waiting

SHOWN = 5  # findings in one reason
_HEAD, _TAIL = 240, 480  # characters of a message: who failed is said first, why it failed last


class Gate(Protocol):
    """A judgement, made of what it is given: a frozen dataclass, whose fields are what a recording of it holds."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What has to be watched for it."""
        ...

    def __call__(self, objects: Objects) -> Verdict: ...


class Level(IntEnum):
    """How bad a finding is."""

    WAITING = 0  # it may come right
    DOOMED = 1  # it will not, unless something changes
    CERTAIN = 2  # it will not, and nothing that is still to come changes that
    FAILED = 3  # it cannot


@dataclass(frozen=True)
class Finding:
    """`subject` is the object in question; `pod` is one to be explained, where there is one.

    `kind` says where the cause lies, where that is not what the gate is about.
    """

    level: Level
    subject: str
    text: str
    pod: Object | None = None
    kind: CauseKind | None = None

    def blamed(self, otherwise: CauseKind) -> CauseKind | None:
        """Where the cause lies. What may still come right has none, unless somebody said so."""
        return self.kind or (otherwise if self.level > Level.WAITING else None)


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
        case Level.DOOMED | Level.CERTAIN as level:
            certain = level is Level.CERTAIN
            return Waiting(_told(ordered), worst.subject, kind=kind, doomed=_told(same), certain=certain)
    return Waiting(_told(ordered), worst.subject, kind=kind)


def _told(findings: list[Finding]) -> str:
    """The first without its subject, which the verdict carries."""
    lines = [findings[0].text, *(f"{finding.subject}: {finding.text}" for finding in findings[1:])]
    return "\n".join(cut(lines, SHOWN))


def named(kind: Kind, key: Key) -> str:
    """The subject of a verdict: "HelmRelease flux-system/x"."""
    return f"{kind.kind} {'/'.join(filter(None, key))}"


def subject(kind: Kind, item: Object) -> str:
    return named(kind, key_of(item))


def shortened(message: object) -> str:
    """A controller's message on one line, without its middle where it is long."""
    text = served(" ".join(str(message or "").split()))
    return text if len(text) <= _HEAD + _TAIL + 3 else f"{text[:_HEAD].rstrip()} … {text[-_TAIL:].lstrip()}"


def listed(names: Iterable[str]) -> str:
    """Some names, and how many there are besides."""
    return some(sorted(names), SHOWN)
