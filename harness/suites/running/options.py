"""How a run of suites goes: what it may do, how long, on which nodes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NO_LIMIT = 365 * 86400.0  # seconds: Go's zero timeouts, and budgets that nobody set
WINDING_UP = 30.0  # seconds for finally and cleanup after an interrupt


@dataclass(frozen=True)
class RunOptions:
    """What the command line says of a run.

    `scripts`: commands and scripts may be run. `read_only`: nothing is written. `writable_contexts` are those of other
    clusters that may be written to. `simulated`: pods run nothing on this cluster's nodes, and no controller of custom
    resources runs but those of `controllers` (groups, or what they end with). `unproven`: it is not known what the
    nodes are, so that nothing is left out, and what needs them is told apart as on simulated ones. `all_match`: an
    assert wants all objects that it is about, not any. `ignore_leaving`: what is being deleted, or has lost its
    node, is left out. `variables` is the environment that expressions and programs see. Budgets are in seconds.
    """

    scripts: bool = False
    read_only: bool = False
    no_cluster: bool = False
    writable_contexts: frozenset[str] = frozenset()
    simulated: bool = False
    unproven: bool = False
    controllers: tuple[str, ...] = ("argoproj.io", "fluxcd.io")
    values: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    path: tuple[Path, ...] = ()  # where programs are looked for after the PATH of the variables
    strict: bool = False
    strict_vacuous: bool = False
    all_match: bool = False
    ignore_leaving: bool = False
    test_budget: float = NO_LIMIT
    run_budget: float = NO_LIMIT
