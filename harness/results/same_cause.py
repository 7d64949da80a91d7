"""Failures that have one cause, said once: the same across lanes and recipes, but for what differs from run to run."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from harness.results.outcome import Cause
from harness.results.results import CellResult

# What differs between two tellings of one cause, and what is written for it. Digests before hexadecimal in general.
_VARYING = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"sha256:[0-9a-f]{8,64}", "<digest>"),
        (r"\b\d{8}-\d{6}-[0-9a-f]{4}\b", "<run>"),
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uid>"),
        (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?", "<time>"),
        (r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{12,64}(?:-[a-z]+)*\b", "<tag>"),
        (r"\b(localhost|127\.0\.0\.1|\[::1\]):\d+", r"\1:<port>"),
        (r"-(?=[a-z0-9]*[0-9])[bcdfghjklmnpqrstvwxz2456789]{5,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "-<pod>"),
        (r"-(?=[a-z0-9]*[0-9])[bcdfghjklmnpqrstvwxz2456789]{5}\b", "-<pod>"),
        (r"\b(?:\d+h)?(?:\d+m)?\d+(?:\.\d+)?(?:ms|µs| ?s)\b", "<duration>"),
        (r" \(\d+ more wait for it\)", ""),
        (r"\b\d{3}-(?=[a-z])", ""),  # folders of a bundle: the same release has another number in another recipe
    )
)


@dataclass(frozen=True)
class CauseGroup:
    """Cells with one cause, in their order; `cause` is as it was said of the first."""

    cause: Cause
    cells: tuple[CellResult, ...]


def same_causes(cells: Iterable[CellResult]) -> list[CauseGroup]:
    """The causes of the cells that have one: what hit the most cells first, then in the order of the cells."""
    found: dict[Cause, list[tuple[Cause, CellResult]]] = {}
    for cell in cells:
        if cell.outcome is not None and (cause := cell.outcome.cause) is not None:
            found.setdefault(likeness(cause, cell.recipe), []).append((cause, cell))
    groups = [CauseGroup(same[0][0], tuple(cell for _, cell in same)) for same in found.values()]
    return sorted(groups, key=lambda group: -len(group.cells))


def likeness(cause: Cause, recipe: str) -> Cause:
    """The cause without what belongs to one cell only: equal for equal causes, and not for people to read."""
    return Cause(cause.kind, _plain(cause.subject, recipe), _plain(cause.message, recipe))


def _plain(text: str, recipe: str) -> str:
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    text = re.sub(rf"(?<![\w.]){re.escape(recipe)}(?![\w.])", "<recipe>", text)
    return " ".join(text.split())
