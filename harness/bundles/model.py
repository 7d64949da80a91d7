"""What a bundle is, whoever made it: folders in order, what each installs, and which release waits for which.

Everything downstream (installing, rendering, the expected pods) works on these, never on file names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from harness.bundles.delivery import Target
from harness.recipes.model import Recipe
from harness.recipes.values import SetOverride


@dataclass(frozen=True)
class Chart:
    """A Helm chart: in the bundle (`path` is the directory with its Chart.yaml) or at a `repository`, http(s) or oci.

    `version` is empty where the one at `path` is not told apart from others.
    """

    name: str
    version: str
    repository: str = ""
    path: Path | None = None


@dataclass(frozen=True)
class Folder:
    """One release: its values, its chart, and the releases that have to be installed before it."""

    number: int
    release: str
    component: str
    namespace: str
    path: Path
    chart: Chart
    depends_on: tuple[str, ...] = ()
    # The chart brings its own namespace, which must then be taken over from whoever made it for the release to live in.
    owns_namespace: bool = False


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk. `folders` are in the order of installation, `document` is its recipe.yaml.

    `folders` are what helm installs: a shape that a controller reads has none, see `delivery` for what it leads to.
    `delivered_as` is the shape that delivers them, where that is another one.
    """

    directory: Path
    shape: str
    folders: tuple[Folder, ...]
    document: Mapping[str, Any]
    delivered_as: str = ""

    @property
    def by_argocd(self) -> bool:
        """Whether Argo CD delivers it, which has annotations of its own for hooks and for what it prunes."""
        return self.delivered_as.startswith("argocd")


def waits_for(stages: Mapping[str, Sequence[str]], needed: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """By release, those that have to be there before it.

    `stages` are the releases of each component in their order (manifests before its chart, the chart, manifests after
    it), `needed` the components that a component depends on. The first release of a component waits for the last ones
    of those, each other one for the one before it. A component without releases was switched off: it counts as
    provided, as it does when a recipe is resolved.
    """
    found: dict[str, tuple[str, ...]] = {}
    for component, releases in stages.items():
        last = tuple(stages[name][-1] for name in needed.get(component, ()) if name in stages)
        for position, release in enumerate(releases):
            found[release] = (releases[position - 1],) if position else last
    return found


class Bundler(Protocol):
    """Turns a recipe into a bundle of one shape at `directory`, which is absent or empty before.

    `target` is where the bundle will be published: shapes that a controller pulls name themselves by it, the helm shape
    has no use for it. Raises DataError for what is wrong with the recipe's data, HarnessError for what went wrong on
    the way; the directory is then as it was.

    `sets` are all overrides of its bundles: those of every simulated run, then those that its user gave.
    """

    sets: Sequence[SetOverride]

    def make(self, recipe: Recipe, shape: str, directory: Path, target: Target | None = None) -> Bundle: ...

    def notes(self, recipe: Recipe) -> tuple[str, ...]:
        """What a reader must know of a bundle of `recipe`: a line for each override that changes a chart."""
        ...


@runtime_checkable
class PushingBundler(Bundler, Protocol):
    """A Bundler that makes only the helm shape on disk: the others it pushes by itself as it makes them.

    `mirrors` are for its caller to apply to what was pushed. A bundle pushed to `target` says that it is at `address`.
    """

    mirrors: Mapping[str, str]

    def push(self, recipe: Recipe, shape: str, target: Target, address: Target) -> None: ...

    def installed_as(self, folder: Folder, shape: str) -> str:
        """What the Helm release is called when a bundle of `shape` is delivered, for charts name objects after it."""
        ...


def as_delivered(bundler: Bundler, bundle: Bundle, shape: str) -> Bundle:
    """`bundle`, of the helm shape, with the names that the releases have when `shape` is delivered in its place."""
    bundle = replace(bundle, delivered_as=shape)
    if not isinstance(bundler, PushingBundler):
        return bundle  # whose releases are called alike in every shape
    names = {folder.release: bundler.installed_as(folder, shape) for folder in bundle.folders}
    folders = (
        replace(each, release=names[each.release], depends_on=tuple(names[name] for name in each.depends_on))
        for each in bundle.folders
    )
    return replace(bundle, folders=tuple(folders))
