"""What became of one cell. Console, files and the exit code are all drawn from this one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from harness.exits import Exit
from harness.verdict import CauseKind


@dataclass(frozen=True)
class Cause:
    """The first cause of a failure: its kind, the object it is about (may be empty), and the message that says so."""

    kind: CauseKind
    subject: str
    message: str


@dataclass(frozen=True)
class Phase:
    """A part of the cell's story. `begun` counts from the cell's start, in seconds like `seconds`; `verdict` is passed
    or failed.
    """

    name: str
    seconds: float
    verdict: str
    detail: str = ""
    begun: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """One recipe under one lane: the only source of reports and exit codes."""

    recipe: str
    deployer: str
    run_id: str
    runtime: str
    cluster: str
    started: datetime  # UTC
    seconds: float
    exit: Exit
    reason: str
    phases: tuple[Phase, ...]
    notes: tuple[
        str, ...
    ] = ()  # what the verdict does not cover: webhooks that were not exercised, DaemonSets declared empty
    evidence: str = ""  # the debug directory, where there is one
    facts: dict[str, Any] = field(default_factory=dict)  # placement, counts: for reports, never for decisions
    cause: Cause | None = None  # of a failure; None where it passed or somebody ended it

    @property
    def passed(self) -> bool:
        return self.exit is Exit.OK

    def document(self) -> dict[str, Any]:
        """The outcome as JSON-ready data: the content of run.json."""
        return {
            "recipe": self.recipe,
            "deployer": self.deployer,
            "runId": self.run_id,
            "runtime": self.runtime,
            "cluster": self.cluster,
            "started": self.started.isoformat(timespec="milliseconds"),
            "seconds": round(self.seconds, 3),
            "exit": int(self.exit),
            "exitName": self.exit.name,
            "passed": self.passed,
            "reason": self.reason,
            "phases": [
                {
                    "name": p.name,
                    "begun": round(p.begun, 3),
                    "seconds": round(p.seconds, 3),
                    "verdict": p.verdict,
                    "detail": p.detail,
                }
                for p in self.phases
            ],
            "notes": list(self.notes),
            "evidence": self.evidence,
            "facts": self.facts,
            "cause": self.cause
            and {"kind": self.cause.kind.value, "subject": self.cause.subject, "message": self.cause.message},
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """The outcome that `document` is of. Raises ValueError, KeyError or TypeError where it is of none."""
        cause = document.get("cause")
        return cls(
            recipe=document["recipe"],
            deployer=document["deployer"],
            run_id=document["runId"],
            runtime=document["runtime"],
            cluster=document["cluster"],
            started=datetime.fromisoformat(document["started"]),
            seconds=document["seconds"],
            exit=Exit(document["exit"]),
            reason=document["reason"],
            phases=tuple(Phase(**phase) for phase in document["phases"]),
            notes=tuple(document["notes"]),
            evidence=document["evidence"],
            facts=dict(document["facts"]),
            cause=cause and Cause(CauseKind(cause["kind"]), cause["subject"], cause["message"]),
        )
