"""Which recipes a change touches, and by which file: everything a recipe is made of, before the change and after it.

Both, because deleted files still count: an overlay that no longer applies, a values file that is no longer read.
Whole paths are compared, never parts of them.
"""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from harness.errors import HarnessError
from harness.excerpts import cut
from harness.names import PROGRAM
from harness.recipes.load import Catalog, values_files
from harness.recipes.local_charts import chart_files, local_chart
from harness.recipes.model import BASE, Component, Overlay
from harness.recipes.profiles import NoProfile, Profiles
from harness.recipes.registry import FILE as REGISTRY
from harness.recipes.resolve import Resolution, resolution

# What decides about every verdict, in a checkout of the harness. Not among them: the sample recipes, whose files count
# for those that use them, nor the suites, which no cell runs.
HARNESS = (
    "harness",
    "kwok",
    "lanes",
    "pyproject.toml",
    "constraints.txt",
    "Makefile",
    ".ci",
    ".github",
)
SAMPLES = ("kwok/recipes", "kwok/charts", "kwok/profiles", "kwok/suites")
SHOWN = 3  # files in the reason for a recipe


@dataclass(frozen=True)
class State:
    """Recipe data and node profiles at one time."""

    catalog: Catalog
    profiles: Profiles
    _real: dict[Path, frozenset[Path]] = field(default_factory=dict, compare=False, repr=False)
    _checkouts: dict[Path, bool] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def directory(self) -> Path:
        return self.catalog.directory.resolve()

    @cached_property
    def root(self) -> Path:
        return self.catalog.root.resolve()

    def real(self, path: Path) -> frozenset[Path]:
        """A path as git would call it; of a symbolic link both the link and what it leads to."""
        if path not in self._real:  # recipes have most of their files in common, and looking is slow
            self._real[path] = frozenset((path.parent.resolve() / path.name, path.resolve()))
        return self._real[path]

    def checkout(self, path: Path) -> Path | None:
        """The checkout of the harness that a path lies in, None elsewhere. The harness that runs may be another one,
        installed from a wheel.
        """
        for directory in path.parents:
            if directory not in self._checkouts:
                self._checkouts[directory] = _is_checkout(directory)
            if self._checkouts[directory]:
                return directory
        return None


def touched(
    now: State, changed: Collection[Path], before: State | None, *, always: Collection[Path] = ()
) -> dict[str, str]:
    """Why each recipe that is touched is: its name, and a reason that names the files.

    `changed` are absolute paths without symbolic links. `before` is the data without the change, None where that is
    not known: then a file that was deleted touches every recipe. What is below `always` touches every recipe too.
    """
    names = now.catalog.testable()
    everywhere = [reason for path in sorted(changed) if (reason := _promotes(now, path, before is None, always))]
    if everywhere:
        return dict.fromkeys(names, _shortened(everywhere))
    found: dict[str, str] = {}
    for name in names:
        uses = _uses(now, name)
        try:
            uses |= _before(before, now, name, uses)
        except HarnessError as error:
            found[name] = f"its state before the change cannot be read: {error.what}"
            continue
        reasons = [f"{how}: {_shown(now, path)} {_fate(path)}" for path in sorted(changed) if (how := _how(uses, path))]
        if reasons:
            found[name] = _shortened(reasons)
    return found


def _promotes(now: State, path: Path, blind: bool, always: Collection[Path]) -> str:
    """Why a change of `path` touches every recipe; empty where it does not."""
    shown = f"{_shown(now, path)} {_fate(path)}"
    if path == now.directory / REGISTRY:
        return f"every recipe uses it: {shown}"
    if path == now.directory / "overlays" / f"{BASE}.yaml":
        return f"every recipe is based on it: {shown}"
    if _of_harness(now, path) or any(path.is_relative_to(each) for each in always):
        return f"the harness itself: {shown}"
    if blind and path.is_relative_to(now.root) and not path.exists():
        return f"its users are not known without git: {shown}"
    return ""


def _of_harness(now: State, path: Path) -> bool:
    checkout = now.checkout(path)
    if checkout is None:
        return False
    inside = path.relative_to(checkout)
    return any(inside.is_relative_to(each) for each in HARNESS) and not any(
        inside.is_relative_to(each) for each in SAMPLES
    )


def _is_checkout(directory: Path) -> bool:
    """Whether a directory is the top of a checkout of the harness: its project file says so."""
    try:
        project = tomllib.loads((directory / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return bool(project["name"] == PROGRAM)
    except (OSError, ValueError, KeyError, TypeError):  # no such file, or a project that is not ours
        return False


def _uses(state: State, name: str) -> dict[Path, str]:
    """The files and directories that the recipe is made of, each with how it is used."""
    found: dict[Path, str] = {}
    for path, how in _made_of(state, resolution(state.catalog, name)):
        for each in state.real(path):
            found.setdefault(each, how)
    return found


def _before(before: State | None, now: State, name: str, uses: Mapping[Path, str]) -> dict[Path, str]:
    """What the recipe was made of and is no longer, by the paths of now."""
    if before is None or name not in before.catalog.overlays:
        return {}
    found: dict[Path, str] = {}
    for path, how in _uses(before, name).items():
        place = now.root / path.relative_to(before.root) if path.is_relative_to(before.root) else path
        if place not in uses:
            found[place] = f"{how}, before the change"
    return found


def _made_of(state: State, found: Resolution) -> Iterator[tuple[Path, str]]:
    catalog = state.catalog
    for overlay in found.applied:
        yield overlay.file, _applies(catalog, found, overlay)
    for mixin in found.mixins:
        users = [overlay.name for overlay in found.applied if mixin.name in overlay.mixins]
        yield mixin.file, f"mixin {mixin.name} of {', '.join(users)}"
    for component in found.recipe.components:
        for path, what in _files(catalog, component):
            yield path, f"{what} of {component.name}"
    criteria = found.recipe.criteria
    try:
        nodes = state.profiles.of(criteria.service, criteria.accelerator)
    except NoProfile:
        return  # the recipe does not run, and the selection says so
    yield nodes.system.file, f"system nodes {nodes.system}"
    yield nodes.accelerated.file, f"accelerated nodes {nodes.accelerated}"
    for path in nodes.further:
        yield path, f"what clusters of {nodes.accelerated.provider} have in addition"


def _files(catalog: Catalog, component: Component) -> Iterator[tuple[Path, str]]:
    directory = catalog.directory
    for file in values_files(directory, component.name, component.values_file):
        yield directory / file, "values"
    for file in (*component.pre_manifest_files, *component.manifest_files):
        yield directory / file, "manifests"
    for file in component.patches:
        yield directory / file, "patches"
    if component.entry.health_check:
        yield directory / component.entry.health_check, "health check"
    if chart := local_chart(component.source, component.chart, catalog.root):
        yield chart, "chart"
        for _, part in chart_files(chart, catalog.root):
            if not part.resolve().is_relative_to(chart.resolve()):
                yield part.resolve(), "chart"  # what a link in it leads to


def _applies(catalog: Catalog, found: Resolution, overlay: Overlay) -> str:
    """How an overlay comes to be part of a recipe: by the chain of the recipe, or because its criteria match."""
    name = found.recipe.name
    if overlay.name == name:
        return "its own overlay"
    first = next(each for each in (name, *found.candidates) if overlay.name in catalog.chain(each))
    chain = catalog.chain(first)
    shown = " → ".join(reversed(chain[chain.index(overlay.name) :]))
    if first == name:
        return f"base chain {shown}"
    criteria = catalog.overlays[first].criteria
    matched = ", ".join(f"{key} {value}" for key, value in (criteria.specific if criteria else {}).items())
    return f"{shown} applies too (it matches {matched or 'every query'})"


def _how(uses: Mapping[Path, str], path: Path) -> str:
    """How a file is used, be it by itself or as part of a directory; empty where it is not."""
    return next((uses[each] for each in (path, *path.parents) if each in uses), "")


def _shown(now: State, path: Path) -> str:
    """A path as people know it: in the recipes directory, in the data root, or in the harness."""
    for parent in (now.directory, now.root, now.checkout(path)):
        if parent and path.is_relative_to(parent):
            return path.relative_to(parent).as_posix()
    return str(path)


def _fate(path: Path) -> str:
    return "changed" if path.exists() or path.is_symlink() else "was deleted"


def _shortened(reasons: list[str]) -> str:
    return "; ".join(cut(reasons, SHOWN))
