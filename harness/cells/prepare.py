"""Everything about a cell that needs no cluster: its bundle, what it must lead to, and what a lane will push.

Made while the cluster boots. An upgrade prepares twice: the recipe that is there first, and the one that comes after.
"""

from dataclasses import dataclass
from pathlib import Path

from harness.bundles.model import Bundle, Bundler, as_delivered
from harness.bundles.shared_objects import require_no_shared_objects
from harness.cells.lane import Lane
from harness.expected.render import Objects, render
from harness.expected.workloads import Expectation, expect
from harness.helm.client import Helm
from harness.publishing.oci.address import Address
from harness.publishing.publication import Publication, publication, require_reachable
from harness.recipes.cluster_version import ConstraintUnmet, unmet
from harness.recipes.model import Recipe
from harness.results.journal import Journal
from harness.settings import Settings

REFERENCE = "helm"  # the shape that is rendered, to know what every lane must lead to


@dataclass(frozen=True)
class Prepared:
    """A recipe, ready to be delivered. `bundle` is its reference shape and `rendered` the objects of each release;
    `publication` is what a lane that delivers through a registry has to push.
    """

    recipe: Recipe
    bundle: Bundle
    rendered: dict[str, Objects]
    expectation: Expectation
    publication: Publication | None


def prepare(
    recipe: Recipe,
    lane: Lane,
    *,
    settings: Settings,
    registry: Address,
    here: bool,
    bundler: Bundler,
    helm: Helm,
    journal: Journal,
    work: Path,
) -> Prepared:
    """Make, render and pack, each a phase. `registry` is where controllers will pull from, which run on this machine or
    not (`here`); `work` is an empty directory of the caller's.

    Raises DataError, HarnessError of a bundler, or ContractBroken: before anything was touched. What its bundler makes
    only as it pushes is made, and may break its contract, when the lane pushes it.
    """
    version = settings.tools.pins["kube-apiserver"].version
    for sentence in unmet(recipe, version):
        if settings.constraints == "enforce":
            do = "take a cluster of that version, or --constraints note to run it all the same"
            raise ConstraintUnmet(sentence, do=do)
        journal.note(sentence)
    with journal.phase("bundle") as phase:
        bundle = bundler.make(recipe, REFERENCE, work / "bundle")
        phase.detail = f"{len(bundle.folders)} releases of {len(recipe.components)} components"
    reference, bundle = bundle, as_delivered(bundler, bundle, lane.shape)
    with journal.phase("render") as phase:
        rendered = render(helm, bundle, kube_version=version)
        for note in require_no_shared_objects(bundle, rendered, where=recipe.name):
            journal.note(note)
        expectation = expect(recipe, bundle, rendered, empty_allowed=frozenset(settings.empty_daemonsets))
        phase.detail = f"{len(expectation.expected.workloads)} workloads expected"
    if lane.shape == REFERENCE:
        return Prepared(recipe, bundle, rendered, expectation, None)
    with journal.phase("pack") as phase:
        if not here:
            require_reachable(recipe)
        made = publication(bundler, recipe, lane.shape, lane.name, reference, registry, work / lane.shape)
        phase.detail = f"{made.target.path}:{made.target.tag}"
    return Prepared(recipe, bundle, rendered, expectation, made)
