"""Which phases run, in which order, and what a phase comes to; how a check is carried out is somebody else's."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.errors import DataError, UsageError
from harness.progress import Progress, Silent
from harness.validation.checks.catalog import RUN_ORDER, Affinity, Catalog, Entry
from harness.validation.declared import Declared
from harness.validation.results import CheckResult, PhaseReport, Status

ALL = "all"
_NAMED = "deployment, performance, conformance, all"
NO_CLUSTER = "skipped - no-cluster mode"
AFTER_FAILURE = "skipped due to previous phase failure"

CarryOut = Callable[[Entry], CheckResult]
Now = Callable[[], datetime]


@dataclass(frozen=True)
class PhasePlan:
    """A phase: the entries of its declared checks in catalog order, and all that the catalog has for it."""

    name: str
    entries: tuple[Entry, ...]
    catalog: tuple[Entry, ...]


def select(words: Sequence[str]) -> tuple[str, ...]:
    """The phases that `words` mean, in the order in which they run; none means all. Raises UsageError."""
    for word in words:
        if word not in (*RUN_ORDER, ALL):
            raise UsageError(f'invalid phase "{word}": must be one of: {_NAMED}', where="--phase")
    if ALL in words and set(words) != {ALL}:
        raise UsageError('phase "all" cannot be combined with other phases', where="--phase")
    return RUN_ORDER if not words or ALL in words else tuple(phase for phase in RUN_ORDER if phase in words)


def plan(declared: Declared, catalog: Catalog, phases: Iterable[str]) -> tuple[PhasePlan, ...]:
    """What each phase will run. The names were checked before."""
    return tuple(
        PhasePlan(phase, catalog.of_phase(phase, declared.checks(phase)), catalog.of_phase(phase)) for phase in phases
    )


def resolve_affinity(entry: Entry, declared: Declared) -> tuple[list[tuple[Affinity, str]], list[str]]:
    """The affinities of a check that resolve, each with the namespace of its component; and a warning for each that is
    only preferred and does not. Raises DataError for one that is required.
    """
    found: list[tuple[Affinity, str]] = []
    warnings: list[str] = []
    for affinity in entry.affinity:
        component = declared.components.get(affinity.component)
        if component is None:
            why = "is not in the recipe's componentRefs"
        elif not component.enabled:
            why = "is disabled (overrides.enabled=false)"
        elif not component.namespace:
            why = "has no resolved namespace"
        else:
            found.append((affinity, component.namespace))
            continue
        what = f'dependencyAffinity component "{affinity.component}" {why}'
        if affinity.required:
            do = "add the component to the recipe, or make the affinity preferred"
            raise DataError(f'validator "{entry.name}": required {what}', where=declared.name, do=do)
        warnings.append(f'validator "{entry.name}": preferred {what}; it runs anywhere')
    return found, warnings


def run(
    plans: Sequence[PhasePlan],
    declared: Declared,
    carry_out: CarryOut,
    *,
    fail_fast: bool = False,
    progress: Progress | None = None,
    now: Now = lambda: datetime.now(UTC),
) -> Iterator[PhaseReport]:
    """Carry out the phases one after the other, each check after the other; a report as soon as a phase has ended.

    With `fail_fast`, the phases after the first that is failed or other are skipped, and list what the catalog has for
    them. Raises DataError where a required affinity of a phase does not resolve, before its first check.
    """
    progress = progress or Silent()
    stopped = False
    for each in plans:
        if stopped:
            yield skipped(each, AFTER_FAILURE, now())
            continue
        for entry in each.entries:
            for warning in resolve_affinity(entry, declared)[1]:
                progress.note(warning)
        begun = now()
        tests = tuple(carry_out(entry) for entry in each.entries)
        report = PhaseReport(each.name, tests, len(each.entries), begun, now())
        stopped = fail_fast and report.status in (Status.FAILED, Status.OTHER)
        yield report


def skipped(plan: PhasePlan, reason: str, moment: datetime) -> PhaseReport:
    """A phase that was not run: one skipped test for each entry of the catalog, with the reason."""
    tests = tuple(CheckResult(entry.name, plan.name, Status.SKIPPED, message=reason) for entry in plan.catalog)
    return PhaseReport(plan.name, tests, len(plan.entries), moment, moment)
