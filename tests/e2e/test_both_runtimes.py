"""The same verdicts on both runtimes: the same cell on each leads to the same objects, placed in the same way.

The cells that cover every recipe and every (template path, lane); CELLS=all takes every sample recipe under every lane,
for which an hour is short.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.cells.cell import Cell
from harness.cells.lane import Lane
from harness.cells.run import Run
from harness.cli.context import Context
from harness.cli.matrix import _cover
from harness.evidence.directory import new_run_id
from harness.exits import Exit
from harness.installers.platform import Platform
from harness.isolation.inventory import Inventory, compare, take
from harness.isolation.marks import Marks
from harness.isolation.reservation import Stay
from harness.matrix.model import Tier, Wanted
from harness.matrix.tiers import select
from harness.objects import Reference
from harness.progress import Silent
from harness.recipes.resolve import resolve
from harness.results.journal import Journal
from harness.results.outcome import Outcome
from harness.settings import DEFAULT_FILE
from harness.verdict import Passed
from kwok.platforms import RUNTIMES, platform_of
from lanes import LANES, find

pytestmark = [pytest.mark.e2e, pytest.mark.kind]

CONTEXT = Context(DEFAULT_FILE, ())
PORTS = {"host": 5540, "kind": 5541}  # the Kind cluster holds its port between its cells


def cells() -> list[str]:
    selection = select(
        CONTEXT.catalog, CONTEXT.profiles, Tier.ALL, deployers=[lane.name for lane in LANES], wanted=Wanted()
    )
    if os.environ.get("CELLS") != "all":
        selection, _ = _cover(CONTEXT, selection)
    # lane by lane: what a lane delivers through is put on the Kind cluster once
    return sorted((f"{cell.recipe}/{cell.deployer}" for cell in selection.cells), key=lambda key: key.partition("/")[2])


@dataclass(frozen=True)
class Seen:
    """What one cell has led to. `made` are the objects that nothing else owns; `placed` counts, for each workload, its
    pods by type of node.
    """

    verdict: str
    made: frozenset[Reference]
    placed: Mapping[str, Mapping[str, int]]


class Place:
    """One runtime, and the cells that were carried out there."""

    def __init__(self, name: str, tools: Callable[[str], Path], home: Path) -> None:
        ports = CONTEXT.settings.ports.model_copy(update={"registry": PORTS[name]})
        settings = CONTEXT.settings.model_copy(update={"artifacts": home / "artifacts", "ports": ports})
        environment = {**os.environ, "XDG_STATE_HOME": str(home)}
        self.platform: Platform = platform_of(name, settings, tools, environment)
        self._settings = settings
        self._tools = tools

    def carry_out(self, key: str) -> Seen:
        recipe, _, deployer = key.partition("/")
        made: list[frozenset[Reference]] = []
        resolved = resolve(CONTEXT.catalog, recipe)
        journal, platform = Journal(Silent()), self.platform
        outcome = Cell(
            recipe=resolved,
            nodes=CONTEXT.nodes(resolved.criteria),
            lane=looked_at(find(deployer), made),
            settings=self._settings,
            bundler=BuiltinBundler(),
            platform=platform,
            stay=Stay(
                platform.runtime,
                Marks(platform.state),
                journal,
                self._settings.deadlines,
                cell=key,
                name="both",
                reuse=platform.shared,
            ),
            tools=self._tools,
            cancel=lambda: None,
            journal=journal,
            run_id=new_run_id(),
        ).carry_out()
        assert outcome.exit is Exit.OK, outcome.reason
        print(f"{platform.runtime.name} {key}: {outcome.seconds:.1f} s; {spent(outcome)}")
        return Seen(re.sub(r", on \d+ nodes", "", outcome.reason), made[0], placed(outcome.facts["nodes"]))

    def close(self) -> None:
        for name in self.platform.runtime.names():
            self.platform.runtime.down(name)


def looked_at(lane: Lane, made: list[frozenset[Reference]]) -> Lane:
    """The lane, with a look at what it has made when its story ends."""

    def story(run: Run) -> Passed:
        before = take(run.cluster)
        passed = lane.story(run)
        made.append(frozenset(standing(before, take(run.cluster))))
        return passed

    return replace(lane, story=story)


def standing(before: Inventory, after: Inventory) -> Iterator[Reference]:
    """What is new and owned by nothing: what is owned has names that are drawn by chance."""
    return (each for each in compare(before, after).added if not after.objects[each].owned)


def placed(nodes: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for node in nodes:
        for workload, pods in node["workloads"].items():
            found.setdefault(workload, Counter())[node["type"]] += pods
    return {workload: dict(counts) for workload, counts in found.items()}


def spent(outcome: Outcome) -> str:
    return ", ".join(f"{phase.name} {phase.seconds:.1f}" for phase in outcome.phases)


@pytest.fixture(scope="module")
def places(
    engine: object, tools: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Place]]:
    """Both runtimes, with clusters of their own."""
    made = {name: Place(name, tools, tmp_path_factory.mktemp(name)) for name in RUNTIMES}
    yield made
    for place in made.values():
        place.close()


@pytest.mark.parametrize("key", cells())
def test_a_cell_leads_to_the_same_on_both_runtimes(places: dict[str, Place], key: str) -> None:
    """Green on both, with the same words, the same objects, and each workload's pods on nodes of the same type."""
    host, kind = (places[name].carry_out(key) for name in RUNTIMES)
    assert host.made
    assert host.placed
    assert kind.made == host.made
    assert kind.placed == host.placed
    assert kind.verdict == host.verdict
