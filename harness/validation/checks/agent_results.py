"""The results of a run of the older agent, phase by phase, in a ConfigMap that outlives its Jobs.

`aicr-validation-result-<runID>`, key `result.yaml`: a ValidationResult as the reference tool writes it, rewritten after
each phase. It is what a resumed run goes on from.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness.cluster.api import Cluster
from harness.errors import DataError
from harness.excerpts import ending
from harness.formats.documents import Document
from harness.formats.go_yaml import dump
from harness.objects import CONFIGMAPS
from harness.validation.checks.agent_log import FAIL, PASS, RUNNING, SKIP, AgentResult, AgentTest
from harness.validation.sources import require_fits

KEY = "result.yaml"
API_VERSION = "aicr.nvidia.com/v1alpha1"
SKIPPED = "skipped"
_STATUSES = {PASS: PASS, FAIL: FAIL, SKIP: SKIPPED, RUNNING: FAIL}
_REASON_LINES = 5


@dataclass(frozen=True)
class KeptResults:
    """The results of the run `run_id` in a namespace. Every method raises ClusterError."""

    cluster: Cluster
    namespace: str
    run_id: str

    @property
    def name(self) -> str:
        return f"aicr-validation-result-{self.run_id}"

    def keep(self, phase: str, result: AgentResult, moment: datetime) -> None:
        """Write the result of a phase beside those of earlier ones."""
        found = self.cluster.get(CONFIGMAPS, self.namespace, self.name)
        phases = self._phases(found) | {phase: phase_document(result)}
        text = dump(document(self.run_id, phases)).decode()
        require_fits(len(text.encode()), self.name)
        labels = {
            "app.kubernetes.io/name": "aicr",
            "app.kubernetes.io/component": "validation",
            "aicr.nvidia.com/data-type": "validation-result",
            "aicr.nvidia.com/run-id": self.run_id,
            "aicr.nvidia.com/created-at": f"{moment.astimezone(UTC):%Y%m%d-%H%M%S}",
        }
        metadata = {"name": self.name, "namespace": self.namespace, "labels": labels}
        item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {KEY: text}}
        self.cluster.apply(CONFIGMAPS, item)

    def passed(self) -> list[str]:
        """The phases that need not be run again. Raises DataError where the run has left no results."""
        found = self.cluster.get(CONFIGMAPS, self.namespace, self.name)
        if found is None:
            raise DataError(
                f"ConfigMap {self.namespace}/{self.name} not found: run {self.run_id} cannot be resumed",
                do="check the run id and the namespace, or run without --resume",
            )
        return sorted(name for name, phase in self._phases(found).items() if phase.get("status") == PASS)

    def _phases(self, found: dict[str, Any] | None) -> dict[str, Any]:
        text = ((found or {}).get("data") or {}).get(KEY)
        if not text:
            return {}
        block = Document.parse(text, f"ConfigMap {self.namespace}/{self.name}").root()
        return {name: block.block("phases").block(name).data for name in block.block("phases").data}


def phase_document(result: AgentResult) -> dict[str, Any]:
    """A phase as it is kept: its status is that of the verdict, so what was not executed has failed."""
    checks = [_check(test) for test in result.tests]
    reason = "; ".join(filter(None, (result.message, result.why)))
    status = PASS if result.verdict == PASS else FAIL
    return {"status": status, "checks": checks, "reason": reason, "duration": _seconds(result.seconds)}


def document(run_id: str, phases: dict[str, Any]) -> dict[str, Any]:
    """A ValidationResult: the run has passed where each of its phases has."""
    checks = [check for phase in phases.values() for check in phase.get("checks") or ()]
    count = {status: sum(check["status"] == status for check in checks) for status in (PASS, FAIL, SKIPPED)}
    seconds = sum(float(str(phase.get("duration", "0s")).removesuffix("s")) for phase in phases.values())
    summary = {
        "passed": count[PASS],
        "failed": count[FAIL],
        "skipped": count[SKIPPED],
        "total": len(checks),
        "status": PASS if phases and all(phase["status"] == PASS for phase in phases.values()) else FAIL,
        "duration": _seconds(seconds),
    }
    kind = {"kind": "ValidationResult", "apiVersion": API_VERSION}
    return {**kind, "runID": run_id, "summary": summary, "phases": phases}


def _check(test: AgentTest) -> dict[str, Any]:
    found = {"name": test.name, "status": _STATUSES[test.status], "duration": _seconds(test.seconds)}
    told = "no end" if test.status == RUNNING else ending("\n".join(test.output), _REASON_LINES)
    return found if test.status == PASS or not told else {**found, "reason": told}


def _seconds(seconds: float) -> str:
    return f"{seconds:g}s"
