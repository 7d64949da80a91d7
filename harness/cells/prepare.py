"""Everything about a cell that needs no cluster: its bundle, what it must lead to, and what a lane will push.

Made while the cluster boots. An upgrade prepares twice: the recipe that is there first, and the one that comes after.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.bundles.model import Bundle, Bundler, as_delivered
from harness.bundles.shared_objects import require_no_shared_objects
from harness.cells.lane import Lane
from harness.cluster.api import Cluster
from harness.expected.released import released
from harness.expected.render import Objects, Renderer
from harness.expected.workloads import Expectation, expect
from harness.helm.client import Helm
from harness.parity.check import referred
from harness.publishing.publication import Publication, publication, require_reachable
from harness.publishing.transport import Place
from harness.recipes.cluster_version import ConstraintUnmet, unmet
from harness.recipes.model import Recipe
from harness.results.journal import Journal
from harness.settings import Settings
from harness.validation.components import notes_of

REFERENCE = "helm"  # the shape that is rendered, to know what every lane must lead to


@dataclass(frozen=True)
class Prepared:
    """A recipe, ready to be delivered. `bundle` is its reference shape and `rendered` the objects of each release, as
    `renderer` made them; `publication` is what a lane that delivers through a registry has to push.
    """

    recipe: Recipe
    bundle: Bundle
    rendered: dict[str, Objects]
    expectation: Expectation
    publication: Publication | None
    renderer: Renderer

    def on(self, cluster: Cluster, helm: Helm) -> "Prepared":
        """The same with what charts render to that ask the cluster, on which nothing is installed yet; `helm` is one
        for its kubeconfig. Raises RenderFailed or ClusterError.
        """
        version, served = cluster.version(), cluster.api_versions()
        rendered = self.renderer.before(self.rendered, helm, kube_version=version, served=served)
        allowed = self.expectation.empty_allowed
        return replace(
            self, rendered=rendered, expectation=expect(self.recipe, self.bundle, rendered, empty_allowed=allowed)
        )

    def installed(self, cluster: Cluster, helm: Helm, *, upgraded: bool) -> "Installed":
        """What the releases come to on this cluster, now that they are installed. Raises RenderFailed or ClusterError.

        A chart may make a workload only where an earlier release has made something else; or no more, where it has.
        """
        version, served = cluster.version(), cluster.api_versions()
        again = self.renderer.after(self.rendered, helm, kube_version=version, served=served, upgraded=upgraded)
        made = released(cluster, self.bundle)
        if again == self.rendered:
            return Installed(self.expectation, again, made, served)
        kinds = cluster.resources().kinds
        reference = referred(self.bundle, kinds, self.rendered, again=again, released=made, served=served)
        objects: dict[str, Objects] = {folder.release: [] for folder in self.bundle.folders}
        for one in reference.values():
            if () not in one.varies:
                objects[one.release].append(dict(one.item))
        allowed = self.expectation.empty_allowed
        expectation = expect(self.recipe, self.bundle, objects, empty_allowed=allowed)
        return Installed(replace(expectation, hollow=self.expectation.hollow), again, made, served)


@dataclass(frozen=True)
class Installed:
    """What a recipe comes to once it is installed: what must run, the objects of each release as they are rendered
    `again`, and those that helm `made`, of the releases that it made. `served` are the API versions of the cluster.
    """

    expectation: Expectation
    again: Mapping[str, Objects]
    made: Mapping[str, Objects]
    served: Collection[str]


def prepare(
    recipe: Recipe,
    lane: Lane,
    *,
    settings: Settings,
    place: Place | None,
    name: str,
    here: bool,
    bundler: Bundler,
    helm: Helm,
    journal: Journal,
    work: Path,
) -> Prepared:
    """Make, render and pack, each a phase. `place` is where controllers will pull from, if they do, which run on this
    machine or not (`here`); `name` is what the deployment is called, in an upgrade after what comes last; `work` is an
    empty directory of the caller's.

    Raises DataError, HarnessError of a bundler, or ContractBroken: before anything was touched. What its bundler makes
    only as it pushes is made, and may break its contract, when the lane pushes it.
    """
    version = settings.tools.pins["kube-apiserver"].version
    for sentence in unmet(recipe, version):
        if settings.constraints == "enforce":
            do = "take a cluster of that version, or --constraints note to run it all the same"
            raise ConstraintUnmet(sentence, do=do)
        journal.note(sentence)
    for note in notes_of(recipe, bundler.sets):
        journal.note(note)
    with journal.phase("bundle") as phase:
        for note in bundler.notes(recipe):
            journal.note(note)
        bundle = bundler.make(recipe, REFERENCE, work / "bundle")
        phase.detail = f"{len(bundle.folders)} releases of {len(recipe.components)} components"
    reference, bundle = bundle, as_delivered(bundler, bundle, lane.shape)
    with journal.phase("render") as phase:
        renderer = Renderer(helm, bundle, kube_version=version, directory=work / "charts")
        rendered = renderer.alone()
        for note in require_no_shared_objects(bundle, rendered, where=recipe.name):
            journal.note(note)
        expectation = expect(recipe, bundle, rendered, empty_allowed=frozenset(settings.empty_daemonsets))
        phase.detail = f"{len(expectation.expected.workloads)} workloads expected"
    if lane.shape == REFERENCE or place is None:
        return Prepared(recipe, bundle, rendered, expectation, None, renderer)
    with journal.phase("pack") as phase:
        if not here:
            require_reachable(recipe)
        made = publication(bundler, recipe, lane.shape, lane.name, reference, place, work / lane.shape, name)
        phase.detail = f"{made.target.path}:{made.target.tag}"
    return Prepared(recipe, bundle, rendered, expectation, made, renderer)
