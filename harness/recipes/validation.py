"""The `validation` block of a recipe: for each phase, which checks run and what they hold the cluster to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.assertions.go import duration
from harness.errors import DataError
from harness.formats.documents import Block
from harness.recipes.model import Constraint

READINESS = "readiness"
PHASES = (READINESS, "deployment", "performance", "conformance")


@dataclass(frozen=True)
class PhaseBlock:
    """One phase as it is declared. `checks` are names of the validator catalog, with repetitions as they are written.

    `constraints` are read by checks, by exact name; `timeout` is in seconds, None where none is given. Node selection
    and infrastructure are carried, and no check reads them.
    """

    name: str
    checks: tuple[str, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    timeout: float | None = None
    node_selection: Mapping[str, object] = field(default_factory=dict)
    infrastructure: str = ""


def phase_of(block: Block, name: str) -> PhaseBlock:
    """Read the block of a phase. Raises DataError with its line."""
    block.closed("checks", "constraints", "timeout", "nodeSelection", "infrastructure")
    checks = block.data.get("checks") or []
    if not isinstance(checks, list):
        raise DataError(f"checks must be a list, not {checks!r}", where=block.where("checks"))
    for position, check in enumerate(checks):
        if not isinstance(check, str) or not check:
            raise DataError(f"checks contains {check!r}, expected a text", where=block.where("checks", position))
    if name == READINESS and checks:
        do = "checks belong to deployment, conformance or performance; readiness holds constraints alone"
        raise DataError("readiness declares checks", where=block.where("checks"), do=do)
    selection = block.block("nodeSelection").closed("selector", "maxNodes", "excludeNodes")
    selection.mapping("selector"), selection.integer("maxNodes"), selection.texts("excludeNodes")
    return PhaseBlock(
        name,
        tuple(checks),
        constraints_of(block),
        seconds_of(block, "timeout"),
        selection.data,
        block.text("infrastructure"),
    )


def constraints_of(block: Block) -> tuple[Constraint, ...]:
    """The list `constraints` of a block. Raises DataError for one that is incomplete or given twice."""
    found: dict[str, Constraint] = {}
    for item in block.blocks("constraints"):
        item.closed("name", "value", "severity", "remediation", "unit")
        constraint = Constraint(
            item.text("name", required=True),
            item.text("value", required=True),
            **{key: item.text(key) for key in ("severity", "remediation", "unit")},
        )
        if constraint.severity not in ("", "error", "warning"):
            what = f"severity is {constraint.severity!r}"
            raise DataError(what, where=item.where("severity"), do="it must be error or warning")
        if constraint.name in found:
            raise DataError(f"constraint {constraint.name!r} is given twice", where=item.where("name"))
        found[constraint.name] = constraint
    return tuple(found.values())


def seconds_of(block: Block, key: str) -> float | None:
    """A duration as Go writes it (10m, 1h30m), in seconds; None where none is given. Raises DataError."""
    text = block.text(key)
    if not text:
        return None
    try:
        nanoseconds = duration.parse(text)
    except ValueError as error:
        raise DataError(
            f"{key} is {text!r}", where=block.where(key), do="write a duration such as 90s or 10m"
        ) from error
    if nanoseconds < 0:
        raise DataError(f"{key} is negative: {text}", where=block.where(key))
    return nanoseconds / 1e9
