"""The checks that a recipe declares, carried out on a cell's own cluster once every workload is in its place.

The readiness gate has no part in this: its constraints are about the cluster that a recipe is meant for, and this one
is simulated. The checks run as processes, and say themselves what simulated nodes cannot show.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.cluster.api import Cluster
from harness.errors import VerdictFailed
from harness.processes.commands import Scope
from harness.recipes.model import Recipe
from harness.results.journal import Journal
from harness.validation import phases
from harness.validation.checks.catalog import Catalog
from harness.validation.declared import Declared, findings
from harness.validation.results import PhaseReport, Report, Status, summary
from harness.validation.run import PROCESS, Validation


class ValidationFailed(VerdictFailed):
    """A check that the recipe declares did not pass, or could not be carried out."""


@dataclass(frozen=True)
class Validating:
    """Which phases of a recipe are validated, by which catalog. Raises UsageError for an unknown phase."""

    catalog: Path
    phases: tuple[str, ...]

    @classmethod
    def of(cls, catalog: Path, words: str) -> "Validating":
        """`words` are phases, comma-separated; empty or `all` means every one."""
        return cls(catalog, phases.select([word for word in words.split(",") if word]))

    def carry_out(
        self, recipe: Recipe, cluster: Cluster, journal: Journal, scope: Scope, facts: dict[str, Any]
    ) -> None:
        """A phase of the journal for each with checks. Raises ValidationFailed after the last, DataError before any."""
        declared = replace(Declared.of_recipe(recipe), constraints=())
        catalog = Catalog.load(self.catalog)
        selected = tuple(phase for phase in self.phases if declared.checks(phase))
        if not selected:
            journal.note(f"nothing was validated: the recipe declares no checks for {', '.join(self.phases)}")
            return
        for note in findings(declared, catalog):
            journal.note(note)
        whole = Validation(declared, None, catalog, selected, lambda: cluster, journal.progress, PROCESS, scope=scope)
        _ = whole.plans  # raises for what is not in the catalog, in any phase
        failures: list[ValidationFailed] = []
        told: list[dict[str, str]] = facts.setdefault("validation", [])
        for phase in selected:
            try:
                with journal.phase(f"validate {phase}") as entry:
                    report = self._one(whole, phase, journal)
                    told += rows(report)
                    entry.detail = f"{report.phases[0].status.value}: {summary(report)}"
                    _require(report.phases[0])
            except ValidationFailed as failed:  # the later phases run all the same
                failures.append(failed)
        if failures:
            raise failures[0]

    def _one(self, whole: Validation, phase: str, journal: Journal) -> Report:
        report = Validation(
            whole.declared,
            None,
            whole.catalog,
            (phase,),
            whole.connect,
            journal.progress,
            PROCESS,
            scope=whole.scope,
        ).carry_out()
        for note in report.notes:
            journal.note(note)
        return report


def rows(report: Report) -> list[dict[str, str]]:
    """For reports: what became of each check."""
    return [
        {"phase": each.phase, "check": each.name, "status": each.status.value, "message": each.message}
        for each in report.tests
    ]


def _require(phase: PhaseReport) -> None:
    red = [each for each in phase.tests if each.status in (Status.FAILED, Status.OTHER)]
    if red:
        told = (f"{phase.name} check {each.name} {each.status.value}: {each.message}" for each in red)
        raise ValidationFailed("\n".join(told))
