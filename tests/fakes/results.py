"""Results of sweeps, for the tests of what is made of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from harness.exits import Exit
from harness.results.outcome import Cause, Outcome, Phase
from harness.results.results import CellResult, Results

NOW = datetime(2026, 11, 21, 3, 2, 1, tzinfo=UTC)


def outcome(code: Exit = Exit.OK, recipe: str = "eks", deployer: str = "helm", **other: Any) -> Outcome:
    """An outcome of 12.5 s with one phase; `other` are fields of Outcome."""
    fields: dict[str, Any] = {
        "run_id": "20261121-030201-8665",
        "runtime": "host",
        "cluster": "test-8665",
        "started": NOW,
        "seconds": 12.5,
        "reason": "46 pods are where they belong" if code is Exit.OK else "the deadline of 300 s passed",
        "phases": (Phase("sync", 12.0, "failed" if code else "passed", "12 Applications", 0.5),),
        **other,
    }
    return Outcome(recipe=recipe, deployer=deployer, exit=code, **fields)


def cell(code: Exit = Exit.OK, recipe: str = "eks", deployer: str = "helm", **other: Any) -> CellResult:
    return CellResult(recipe, deployer, outcome(code, recipe, deployer, **other))


def failed(cause: Cause, recipe: str = "eks", deployer: str = "helm", **other: Any) -> CellResult:
    return cell(Exit.SYNC_DEADLINE, recipe, deployer, cause=cause, **other)


def not_run(recipe: str = "eks", deployer: str = "helm") -> CellResult:
    return CellResult(recipe, deployer, reason="no time was left")


def skipped(recipe: str = "eks", deployer: str = "helm") -> CellResult:
    return CellResult(recipe, deployer, skipped=True, reason="no node profile")


def sweep(*cells: CellResult, minutes: float = 5, **other: Any) -> Results:
    """Results of a run that ended `minutes` after NOW."""
    return Results(
        **{"run_id": "run", "started": NOW, "ended": NOW + timedelta(minutes=minutes), "cells": cells, **other}
    )
