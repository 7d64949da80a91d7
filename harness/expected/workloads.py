"""From what the releases render to what the cluster must show.

The manifests come from the bundle that is delivered, the node types from the registry entries of the recipe's
components. Nothing is asked of the cluster here: gate, notes and facts judge objects that others read.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from harness.bundles.model import Bundle
from harness.errors import DataError, did_you_mean
from harness.expected.schedulers import asked, brought
from harness.gates import typed
from harness.gates.workloads import scheduled as workloads
from harness.gates.workloads.arrivals import Arrivals, arrivals
from harness.gates.workloads.installing import NothingUnschedulable
from harness.gates.workloads.manifest import Declared, Expected, Rendered, expected_workloads, flatten
from harness.gates.workloads.scheduled import ScheduledAsIntended
from harness.objects import Object, Objects
from harness.recipes.model import Recipe, Scheduling

_AGAIN = (
    "ttlSecondsAfterFinished removes it once it is done, and Argo CD (self-heal) makes it again, for ever; a hook with "
    "a delete policy runs once"
)


@dataclass(frozen=True)
class Expectation:
    """What a bundle must lead to. `namespaces` are those of its releases and of their workloads."""

    expected: Expected
    namespaces: frozenset[str]
    empty_allowed: frozenset[str] = frozenset()
    hollow: tuple[str, ...] = ()  # releases that render nothing at all
    after: tuple[tuple[str, str], ...] = ()  # releases, each with an earlier one that brings the same CRD
    healed: bool = False  # the deployer makes again whatever is gone
    arrivals: Arrivals = Arrivals(under_way=True)  # noqa: RUF009 - frozen

    @cached_property
    def gate(self) -> ScheduledAsIntended:
        """Every workload has its pods, each where it belongs."""
        return ScheduledAsIntended(self.expected, self.empty_allowed)

    @cached_property
    def watch(self) -> NothingUnschedulable:
        """No pod of the releases is kept from running while they are installed."""
        return NothingUnschedulable(self.namespaces, self.arrivals)

    def pauses(self, *, upgraded: bool, nodes: int) -> int:
        """Seconds that the slowest workload takes by its own manifest, beside what the cluster takes."""
        return max((each.pauses(upgraded=upgraded, nodes=nodes) for each in self.expected.workloads), default=0)

    def notes(self, objects: Objects) -> tuple[str, ...]:
        """What a pass does not cover, as sentences for the report."""
        hollow = tuple(f"release {release} renders no object" for release in self.hollow)
        again = tuple(f"{each}: {_AGAIN}" for each in self.expected.workloads if each.transient and self.healed)
        return hollow + again + workloads.notes(objects, self.expected, empty_allowed=self.empty_allowed)

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
        releases.append(Rendered(folder.release, folder.namespace, objects, scheduling, bundle.by_argocd))
    expected = expected_workloads(releases)
    schedulers = brought(asked(expected.workloads), entries, releases, expected.workloads)
    expected = replace(expected, schedulers=schedulers)
    return Expectation(
        expected,
        frozenset({folder.namespace for folder in bundle.folders} | {w.namespace for w in expected.workloads}),
        frozenset(empty_allowed),
        tuple(release.release for release in releases if not release.objects),
        tuple(_after(releases)),
        bundle.by_argocd,
        arrivals(releases, {folder.release: folder.depends_on for folder in bundle.folders}),
    )


def _after(releases: Sequence[Rendered]) -> Iterator[tuple[str, str]]:
    """Pairs of releases that bring one CRD, the later one first: side by side they would both make it."""
    first: dict[str, str] = {}
    for release in releases:
        definitions = (each for each in flatten(release.objects) if each.get("kind") == "CustomResourceDefinition")
        for name in filter(None, (typed.metadata(each).get("name") for each in definitions)):
            if first.setdefault(name, release.release) != release.release:
                yield release.release, first[name]


def declared(scheduling: Scheduling) -> Declared:
    """Selector paths say where a component belongs; toleration paths only where it may go."""
    return Declared(bool(scheduling.system_selectors), bool(scheduling.accelerated_selectors))
