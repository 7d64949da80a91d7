"""Two runs side by side: what broke, what got fixed, and what got slower by more than the noise of its own history.

Only verdicts are compared. That a cell has none now although it had one is a finding of its own, never a fix.

How long a pass usually takes is the median of the cell's earlier passes, and how much that varies their median
absolute deviation: neither is moved by a run that had to build its tools. With fewer than three earlier passes nothing
is known of the noise; then the old run alone is what counts, and the threshold is wider.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from harness.results.critical_path import CriticalPath, Whose
from harness.results.history import mark_flaky, verdicts
from harness.results.outcome import Outcome
from harness.results.results import CellResult, Results, Status

ENOUGH = 3  # earlier passes, before their noise is believed
_DEVIATIONS = 4 * 1.4826  # of median absolute deviations, each worth 1.4826 of them in standard deviations
_LEAST, _LEAST_SHARE = 2.0, 0.2  # seconds, and a share of the median: less is never a difference
UNKNOWN, UNKNOWN_SHARE = 10.0, 0.5  # the same, where there is too little history
_NO_VERDICT = (Status.INTERRUPTED, Status.NOT_RUN)
_PHASE = 1.0  # seconds: what a phase must differ by to be named


@dataclass(frozen=True)
class Pace:
    """How long a cell took, in seconds, and how long it usually takes. `usual` is of `passes` earlier passes.

    `phases` are those that took longer or shorter with it, by how many seconds, the most first; `shares` say whose the
    time on the critical path was, with how long it was now and usually. They are empty where one of both is not known.
    """

    cell: CellResult
    seconds: float
    usual: float
    allowed: float
    passes: int
    phases: tuple[tuple[str, float], ...] = ()
    shares: tuple[tuple[Whose, float, float], ...] = ()

    @property
    def change(self) -> float:
        return self.seconds - self.usual

    @property
    def noise_known(self) -> bool:
        return self.passes >= ENOUGH


@dataclass(frozen=True)
class Comparison:
    """What tells NEW from OLD, cell by cell, each list in the order of NEW's cells (of OLD's for `vanished`).

    `lost` had a verdict, were asked for again, and have none now; `vanished` were not asked for now, or left out on
    purpose; `appeared` have a verdict now and had none. Cells carry the mark `flaky` as history has it.
    """

    broke: tuple[CellResult, ...] = ()
    fixed: tuple[CellResult, ...] = ()
    lost: tuple[CellResult, ...] = ()
    slower: tuple[Pace, ...] = ()
    faster: tuple[Pace, ...] = ()
    appeared: tuple[CellResult, ...] = ()
    vanished: tuple[CellResult, ...] = ()
    flaky: tuple[CellResult, ...] = ()
    compared: int = 0  # cells that passed or failed in both
    too_little_history: int = 0  # of the passes in both: those whose noise is not known

    @property
    def worse(self) -> bool:
        """Whether something that passed does not pass any more, or nothing could be compared at all."""
        return bool(self.broke or self.lost or not self.compared)

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "worse": self.worse,
            "compared": self.compared,
            "tooLittleHistory": self.too_little_history,
            **{
                name: [_cell(cell) for cell in getattr(self, name)]
                for name in ("broke", "fixed", "lost", "appeared", "vanished", "flaky")
            },
            **{name: [_pace(pace) for pace in getattr(self, name)] for name in ("slower", "faster")},
        }


def compare(old: Results, new: Results, history: Iterable[Results] = ()) -> Comparison:
    """What became of each cell since `old`. `history` may hold both runs as well."""
    past = [*history, old]
    before = {cell.name: cell for cell in old.cells}
    now = mark_flaky(new, past).cells
    pairs = [(before[cell.name], cell) for cell in now if cell.name in before]
    both = [(then, cell) for then, cell in pairs if _spoken(then) and _spoken(cell)]
    paces = [_judged(then, cell, past) for then, cell in both if _passed(then) and _passed(cell)]
    names = {cell.name for cell in now if cell.status is not Status.SKIPPED}
    return Comparison(
        broke=tuple(cell for then, cell in both if _passed(then) and not _passed(cell)),
        fixed=tuple(cell for then, cell in both if _passed(cell) and not _passed(then)),
        lost=tuple(cell for then, cell in pairs if _spoken(then) and cell.status in _NO_VERDICT),
        slower=tuple(pace for pace in paces if pace.change > pace.allowed),
        faster=tuple(pace for pace in paces if -pace.change > pace.allowed),
        appeared=tuple(cell for cell in now if _spoken(cell) and not _spoken(before.get(cell.name))),
        vanished=tuple(cell for cell in old.cells if _spoken(cell) and cell.name not in names),
        flaky=tuple(cell for cell in now if cell.flaky),
        compared=len(both),
        too_little_history=sum(not pace.noise_known for pace in paces),
    )


def _spoken(cell: CellResult | None) -> bool:
    return cell is not None and cell.status in (Status.PASSED, Status.FAILED)


def _passed(cell: CellResult) -> bool:
    return cell.status is Status.PASSED


def _judged(then: CellResult, cell: CellResult, past: Sequence[Results]) -> Pace:
    """How long the cell took, beside how long it takes. `then` and `cell` passed."""
    now, last = cell.outcome, then.outcome
    if now is None or last is None:
        raise ValueError("a cell without an outcome has not passed")
    known = [each for _, each in verdicts(cell.name, past) if each.passed and each.run_id != now.run_id]
    passes = known if len(known) >= ENOUGH else [last]
    usual = median(each.seconds for each in passes)
    if len(known) >= ENOUGH:
        deviation = median(abs(each.seconds - usual) for each in passes)
        allowed = max(_DEVIATIONS * deviation, _LEAST_SHARE * usual, _LEAST)
    else:
        allowed = max(UNKNOWN_SHARE * usual, UNKNOWN)
    return Pace(cell, now.seconds, usual, allowed, len(known), _phases(now, passes), _shares(now, passes))


def _phases(now: Outcome, passes: Sequence[Outcome]) -> tuple[tuple[str, float], ...]:
    """By how much each phase differs from its own median, where that is worth naming."""
    took, usual = _seconds(now), [_seconds(each) for each in passes]
    names = dict.fromkeys(name for each in (took, *usual) for name in each)
    changes = [(name, took.get(name, 0.0) - median(each.get(name, 0.0) for each in usual)) for name in names]
    return tuple(sorted((each for each in changes if abs(each[1]) >= _PHASE), key=lambda each: -abs(each[1])))


def _shares(now: Outcome, passes: Sequence[Outcome]) -> tuple[tuple[Whose, float, float], ...]:
    path, usual = CriticalPath.of(now.facts), [path for each in passes if (path := CriticalPath.of(each.facts))]
    if path is None or not usual:
        return ()
    return tuple((whose, path.share(whose), median(each.share(whose) for each in usual)) for whose in Whose)


def _seconds(outcome: Outcome) -> dict[str, float]:
    """By phase; one that came more than once counts as a whole."""
    found: dict[str, float] = {}
    for phase in outcome.phases:
        found[phase.name] = found.get(phase.name, 0.0) + phase.seconds
    return found


def _cell(cell: CellResult) -> dict[str, Any]:
    cause = cell.outcome.document()["cause"] if cell.outcome else None
    return {"name": cell.name, "status": cell.status.value, "why": cell.why, "flaky": cell.flaky, "cause": cause}


def _pace(pace: Pace) -> dict[str, Any]:
    return {
        "name": pace.cell.name,
        "seconds": round(pace.seconds, 3),
        "usual": round(pace.usual, 3),
        "allowed": round(pace.allowed, 3),
        "passes": pace.passes,
        "phases": [{"name": name, "change": round(change, 3)} for name, change in pace.phases],
        "shares": {
            whose.value: {"seconds": round(seconds, 3), "usual": round(usual, 3)}
            for whose, seconds, usual in pace.shares
        },
    }
