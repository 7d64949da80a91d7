"""What became of one cell. Console, files and the exit code are all drawn from this one value."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from harness.exits import Exit


@dataclass(frozen=True)
class Phase:
    """A part of the cell's story. `seconds` is wall time; `verdict` is passed or failed."""

    name: str
    seconds: float
    verdict: str
    detail: str = ""


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
                {"name": p.name, "seconds": round(p.seconds, 3), "verdict": p.verdict, "detail": p.detail}
                for p in self.phases
            ],
            "notes": list(self.notes),
            "evidence": self.evidence,
            "facts": self.facts,
        }
