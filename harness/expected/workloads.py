"""From what the releases render to what the cluster must show.

The manifests come from the bundle that is delivered, the node types from the registry entries of the recipe's
components. Nothing is asked of the cluster here: gate, notes and facts judge objects that others read.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from harness.bundles.model import Bundle
from harness.errors import DataError, did_you_mean
from harness.expected.schedulers import asked, brought
from harness.gates.workloads import scheduled as workloads
from harness.gates.workloads.manifest import Declared, Expected, Rendered, expected_workloads
from harness.gates.workloads.scheduled import ScheduledAsIntended
from harness.objects import Object, Objects
from harness.recipes.model import Recipe, Scheduling


@dataclass(frozen=True)
class Expectation:
    """What a bundle must lead to. `namespaces` are those of its releases and of their workloads."""

    expected: Expected
    namespaces: frozenset[str]
    empty_allowed: frozenset[str] = frozenset()
    hollow: tuple[str, ...] = ()  # releases that render nothing at all

    @cached_property
    def gate(self) -> ScheduledAsIntended:
        """Every workload has its pods, each where it belongs."""
        return ScheduledAsIntended(self.expected, self.empty_allowed)

    def notes(self, objects: Objects) -> tuple[str, ...]:
        """What a pass does not cover, as sentences for the report."""
        hollow = tuple(f"release {release} renders no object" for release in self.hollow)
        return hollow + workloads.notes(objects, self.expected, empty_allowed=self.empty_allowed)

    def facts(self, objects: Objects) -> dict[str, Any]:
        """The placement table, JSON-ready: totals, and per node its type, pods by workload and GPUs."""
        return workloads.facts(objects, self.expected)


def expect(
    recipe: Recipe,
    bundle: Bundle,
    rendered: Mapping[str, Sequence[Object]],
    *,
    empty_allowed: Collection[str] = (),
) -> Expectation:
    """What `bundle` must lead to. `rendered` holds the decoded manifests of each of its releases, by release.

    `empty_allowed` names DaemonSets (namespace/name) that may match no node. DataError where the manifests contradict
    themselves (the same workload twice), or a release is of no component of the recipe.
    """
    entries = {component.name: component.entry for component in recipe.components}
    releases: list[Rendered] = []
    for folder in bundle.folders:
        if folder.component not in entries:
            what = f"release {folder.release} of component {folder.component}: the recipe has no such component"
            raise DataError(what, where=recipe.name, do=did_you_mean(folder.component, entries))
        scheduling = declared(entries[folder.component].scheduling)
        objects = rendered[folder.release]
        releases.append(Rendered(folder.release, folder.namespace, objects, scheduling))
    expected = expected_workloads(releases)
    schedulers = brought(asked(expected.workloads), entries, releases, expected.workloads)
    expected = replace(expected, schedulers=schedulers)
    return Expectation(
        expected,
        frozenset({folder.namespace for folder in bundle.folders} | {w.namespace for w in expected.workloads}),
        frozenset(empty_allowed),
        tuple(release.release for release in releases if not release.objects),
    )


def declared(scheduling: Scheduling) -> Declared:
    """Selector paths say where a component belongs; toleration paths only where it may go."""
    return Declared(bool(scheduling.system_selectors), bool(scheduling.accelerated_selectors))
