"""From the name of an overlay to the recipe that runs: which overlays apply, in what order, and what they add up to.

The query is the named overlay's own criteria, all of it (the bash harness dropped `platform`, so that a quarter of its
cells tested their parents). Candidates are the overlays that match the query and are nobody's ancestor among the
matches, least specific first; each is applied with its whole base chain.

The recipe that runs is the overlay that was named, so two things hold even for data in which criteria do not tell
overlays apart: the named overlay is always a candidate, and overlays based on it are none (they would match only with
criteria no more specific than its own); among equally specific candidates it comes last, so that its settings win.

Last comes what is chosen: the default of a profile that one of the overlays declares, and how Slurm keeps its accounts.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.names import API_VERSION
from harness.recipes.choices import choose_profile, choose_slurm_accounting
from harness.recipes.load import Catalog, values_files
from harness.recipes.local_charts import LOCAL, chart_files, local_chart
from harness.recipes.merging import merged, merged_phase, set_fields
from harness.recipes.model import (
    SPELLING,
    Component,
    ComponentRef,
    Constraint,
    Criteria,
    Mixin,
    Overlay,
    Recipe,
    switched_off,
)
from harness.recipes.model import RegistryEntry as Entry
from harness.recipes.registry import FILE as REGISTRY

_REMOTE = ("https://", "http://", "oci://")
_OF_MIXINS = {"namespace", "manifest_files", "pre_manifest_files"}  # what a mixin may give to an existing component


@dataclass(frozen=True)
class Resolution:
    """A recipe and how it came about. `candidates` and `applied` are in the order of application."""

    recipe: Recipe
    candidates: tuple[str, ...]
    applied: tuple[Overlay, ...]
    mixins: tuple[Mixin, ...]
    references: Mapping[str, ComponentRef]  # merged, defaults filled in, with the places their settings come from
    disabled: tuple[str, ...]


def resolve(catalog: Catalog, name: str) -> Recipe:
    """The recipe `name`. Raises UsageError for an unknown name, DataError for data that does not fit together."""
    return resolution(catalog, name).recipe


def resolution(catalog: Catalog, name: str) -> Resolution:
    """Like `resolve`, with the reasons kept."""
    query = catalog.overlay(name).criteria or Criteria()
    candidates = _candidates(catalog, name, query)
    applied = [catalog.overlays[link] for link in _unique(link for c in candidates for link in catalog.chain(c))]
    constraints: dict[str, Constraint] = {}
    references: dict[str, ComponentRef] = {}
    validation: dict[str, Mapping[str, Any]] = {}
    for overlay in applied:
        constraints |= {constraint.name: constraint for constraint in overlay.constraints}
        references |= {ref.name: merged(references.get(ref.name), ref) for ref in overlay.components}
        for phase, body in overlay.validation.items():
            replaces = catalog.version == API_VERSION or phase not in validation
            validation[phase] = body if replaces else merged_phase(validation[phase], body)
    mixins = [catalog.mixins[mixin] for mixin in _unique(mixin for overlay in applied for mixin in overlay.mixins)]
    for mixin in mixins:
        _add_mixin(mixin, constraints, references)
    profile = choose_profile(applied, constraints, references, catalog.version)
    where = str(catalog.overlay(name).file)
    configuration = {} if catalog.version == API_VERSION else choose_slurm_accounting(query, references, where)
    references = {n: with_defaults(ref, catalog.registry[n]) for n, ref in references.items()}
    enabled, disabled = _enabled(references, where, catalog.version)
    components = tuple(_component(references[n], catalog) for n in deployment_order(enabled))
    recipe = Recipe(
        name=name,
        criteria=query,
        applied=tuple(overlay.name for overlay in applied),
        constraints=tuple(constraints[n] for n in sorted(constraints)),
        components=components,
        validation=validation,
        data=catalog.directory,
        files=_files(catalog, applied, mixins, components),
        disabled=tuple(_component(references[n], catalog) for n in disabled),
        version=catalog.version,
        profile=profile,
        configuration=configuration,
    )
    return Resolution(recipe, candidates, tuple(applied), tuple(mixins), references, disabled)


def with_defaults(ref: ComponentRef, entry: Entry) -> ComponentRef:
    """What `ref` leaves unset, from the registry: for a chart its repository, for a kustomization its source."""
    kind = ref.type or ("Kustomize" if entry.kind == "kustomize" else "Helm")
    defaults = {"type": kind, "source": entry.repository, "namespace": entry.namespace}
    if kind == "Helm":
        defaults |= {"chart": entry.chart, "version": entry.version}
    else:
        defaults |= {"tag": entry.tag, "path": entry.path}
    missing: dict[str, Any] = {field: value for field, value in defaults.items() if value and not getattr(ref, field)}
    if entry.manifest_files and not ref.manifest_files:
        missing["manifest_files"] = entry.manifest_files
    return replace(ref, **missing, places={**ref.places, **dict.fromkeys(missing, (entry.where,))})


def deployment_order(references: Mapping[str, ComponentRef]) -> tuple[str, ...]:
    """Dependencies first; of those that are ready, always the first by name (what the reference results show).

    Raises DataError for a cycle, which it shows.
    """
    waiting = {name: set(ref.depends_on) for name, ref in references.items()}
    ready = [name for name, needs in waiting.items() if not needs]
    heapq.heapify(ready)
    order: list[str] = []
    while ready:
        name = heapq.heappop(ready)
        order.append(name)
        for other, needs in waiting.items():
            if name in needs:
                needs.remove(name)
                if not needs:
                    heapq.heappush(ready, other)
    if len(order) < len(waiting):
        cycle = _cycle({name: needs for name, needs in waiting.items() if needs})
        where = references[cycle[0]].place("depends_on")
        raise DataError(f"components depend on each other: {' → '.join(cycle)}", where=where)
    return tuple(order)


def _candidates(catalog: Catalog, name: str, query: Criteria) -> tuple[str, ...]:
    """The named overlay and every maximal match of the query, in the order in which they apply."""
    matches = {name}
    for other in catalog.overlays.values():
        applies = other.criteria is not None and other.criteria.matches(query, by_nodes=catalog.version == API_VERSION)
        if applies and name not in catalog.chain(other.name):
            matches.add(other.name)
    ancestors = {link for match in matches for link in catalog.chain(match)[:-1]}

    def rank(match: str) -> tuple[int, bool, str]:
        criteria = catalog.overlays[match].criteria or Criteria()
        return (len(criteria.specific), match == name, match)

    return tuple(sorted(matches - ancestors, key=rank))


def _add_mixin(mixin: Mixin, constraints: dict[str, Constraint], references: dict[str, ComponentRef]) -> None:
    """Mixins add and never replace, but for the namespace of an existing component."""
    for constraint in mixin.constraints:
        if constraint.name in constraints:
            raise DataError(
                f"constraint {constraint.name!r} exists already: mixins cannot change it", where=str(mixin.file)
            )
        constraints[constraint.name] = constraint
    for ref in mixin.components:
        old = references.get(ref.name)
        conflicts = sorted(SPELLING[field] for field in set_fields(ref) - _OF_MIXINS)
        if old is not None and conflicts:
            raise DataError(
                f"component {ref.name!r} exists already: mixins cannot set its {', '.join(conflicts)}",
                where=ref.place("name"),
                do="only namespace, manifestFiles and preManifestFiles may be added by a mixin",
            )
        references[ref.name] = merged(old, ref)


def _enabled(
    refs: Mapping[str, ComponentRef], where: str, version: str
) -> tuple[dict[str, ComponentRef], tuple[str, ...]]:
    """Without the disabled components: what depends on one takes it as provided by the platform."""
    for ref in refs.values():
        for needed in ref.depends_on:
            if needed not in refs:
                do = f"the recipe has: {', '.join(sorted(refs))}"
                what = f"component {ref.name!r} depends on {needed!r}, which the recipe does not have"
                raise DataError(what, where=ref.place("depends_on"), do=do)
    disabled = tuple(sorted(name for name, ref in refs.items() if switched_off(ref.overrides, version)))
    enabled = {
        name: replace(ref, depends_on=tuple(needed for needed in ref.depends_on if needed not in disabled))
        for name, ref in refs.items()
        if name not in disabled
    }
    if not enabled:
        raise DataError("the recipe has no enabled component", where=where)
    return enabled, disabled


def _component(ref: ComponentRef, catalog: Catalog) -> Component:
    if ref.type == "Helm":
        if not ref.chart and not ref.manifest_files and not ref.pre_manifest_files:
            raise DataError(f"component {ref.name!r} has neither a chart nor manifest files", where=ref.place("name"))
        if ref.chart and not ref.source.startswith(LOCAL) and not ref.source.startswith(_REMOTE):
            do = "write a repository (https:// or oci://) or a local directory (file://charts)"
            raise DataError(f"component {ref.name!r} has the source {ref.source!r}", where=ref.place("source"), do=do)
    local_chart(ref.source, ref.chart, catalog.root, where=ref.place("source"))
    return Component(**{field: getattr(ref, field) for field in SPELLING}, entry=catalog.registry[ref.name])


def _files(
    catalog: Catalog, applied: Iterable[Overlay], mixins: Iterable[Mixin], components: Iterable[Component]
) -> tuple[Path, ...]:
    files = {catalog.directory / REGISTRY}
    files.update(overlay.file for overlay in applied)
    files.update(mixin.file for mixin in mixins)
    for component in components:
        below = (
            *values_files(catalog.directory, component.name, component.values_file),
            *component.manifest_files,
            *component.pre_manifest_files,
            *component.patches,
            component.entry.health_check,
        )
        files.update(catalog.directory / relative for relative in below if relative)
        if chart := local_chart(component.source, component.chart, catalog.root):
            files.update(path for _, path in chart_files(chart, catalog.root))
    return tuple(sorted(files))


def _unique(items: Iterable[str]) -> Sequence[str]:
    return list(dict.fromkeys(items))


def _cycle(waiting: Mapping[str, set[str]]) -> list[str]:
    """One cycle among components that all wait for each other, first name repeated at the end."""
    path = [min(waiting)]
    while True:
        following = min(needed for needed in waiting[path[-1]] if needed in waiting)
        if following in path:
            return [*path[path.index(following) :], following]
        path.append(following)
