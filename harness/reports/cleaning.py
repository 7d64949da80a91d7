"""Secrets are taken out of what tools and controllers said before any report is made of it.

By their look only: what the cluster held in Secrets is known where evidence is collected, not here.
"""

from dataclasses import replace
from functools import lru_cache

from harness.evidence.redaction import Redactor
from harness.results.outcome import Outcome
from harness.results.results import Results

_redacted = lru_cache(maxsize=4096)(Redactor().text)  # reports are written again after every cell


def clean(results: Results) -> Results:
    """The same results with redacted text. Facts stay as they are: names and numbers that the harness made."""
    return replace(
        results,
        reason=_redacted(results.reason),
        cells=tuple(
            replace(cell, reason=_redacted(cell.reason), outcome=cell.outcome and _clean(cell.outcome))
            for cell in results.cells
        ),
    )


def _clean(outcome: Outcome) -> Outcome:
    return replace(
        outcome,
        reason=_redacted(outcome.reason),
        phases=tuple(replace(phase, detail=_redacted(phase.detail)) for phase in outcome.phases),
        notes=tuple(map(_redacted, outcome.notes)),
        cause=outcome.cause and replace(outcome.cause, message=_redacted(outcome.cause.message)),
    )
