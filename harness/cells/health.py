"""The health checks of a recipe as one more phase of its cell."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from harness.cells.run import Run
from harness.deadline import Deadline
from harness.gates.findings import Gate
from harness.recipes.model import Recipe
from harness.validation.health import Checking, Health, require_healthy, simulated, told
from harness.validation.health_checks import HealthCheck, checks_of
from harness.waiting.loop import Cancelled, Observe


def checks_of_recipe(recipe: Recipe) -> tuple[HealthCheck, ...]:
    """The checks of all components that take part. Raises DataError for what is not allowed in one."""
    return tuple(check for component in recipe.components for check in checks_of(recipe, component))


def judge_health(run: Run, checks: Sequence[HealthCheck]) -> None:
    """Judge the checks; what is simulated or skipped becomes notes. Raises Unhealthy with each that failed.

    No check goes on beyond the job's own deadline; where that ends one, it is SyncDeadline, as for every other wait.
    """

    def recorded(gate: Gate, within: float) -> AbstractContextManager[Observe]:
        return run.recorder.wait(gate.kinds, gate, within=within)

    deadlines = run.settings.deadlines
    run.budget.within(deadlines.health)
    until = Deadline.after(run.budget.remaining)
    with run.journal.phase("health") as phase:
        checking = Checking(
            run.cluster,
            simulated(run.cluster),
            deadlines.health,
            deadlines.health_grace,
            recorded=recorded,
            cancelled=run.services.died,
            until=until,
        )
        try:
            results = checking.all(checks)
        except Cancelled:
            run.services.check()
            raise
        run.facts["health"] = [each.document() for each in results]
        if until.expired and (late := [each for each in results if each.health is Health.FAILED]):
            raise run.budget.over("\n".join(map(str, late)))
        phase.detail = require_healthy(results)
    for note in told(results):
        run.journal.note(note)
