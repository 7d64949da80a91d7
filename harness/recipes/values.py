"""The values that a chart gets: files, inline overrides, `--set`, then where the run puts its pods.

Later wins. Maps merge deeply, lists and scalars replace, and null takes a key away that an earlier layer has set
(seen in the reference results; recipes use it to drop a default). A null below a key that no earlier layer has stays:
helm itself then drops the chart's default.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import DataError, HarnessError, UsageError, did_you_mean
from harness.formats.documents import read_values
from harness.names import ACCELERATED, GPU_TAINT, KWOK_TAINT, NODE_TYPE_LABEL, SYSTEM
from harness.recipes.derived_values import with_derived
from harness.recipes.load import Catalog, values_files
from harness.recipes.model import Component, Recipe

_SET = re.compile(r"(?P<component>[^:=\s]+):(?P<path>[^=]+)=(?P<value>.*)", re.DOTALL)
_DOT = re.compile(r"(?<!\\)\.")


@dataclass(frozen=True)
class NodePlacement:
    """Where a run wants pods: node selectors, and tolerations as pod specs spell them. Empty ones change nothing."""

    system_selector: Mapping[str, str]
    system_tolerations: Sequence[Mapping[str, str]]
    accelerated_selector: Mapping[str, str]
    accelerated_tolerations: Sequence[Mapping[str, str]]


def toleration(taint: Mapping[str, str]) -> dict[str, str]:
    """What a pod needs for a node with `taint` (key, value, effect)."""
    return {"key": taint["key"], "operator": "Equal", "value": taint["value"], "effect": taint["effect"]}


KWOK_PLACEMENT = NodePlacement(
    system_selector={NODE_TYPE_LABEL: SYSTEM},
    system_tolerations=[toleration(KWOK_TAINT)],
    accelerated_selector={NODE_TYPE_LABEL: ACCELERATED},
    accelerated_tolerations=[toleration(GPU_TAINT), toleration(KWOK_TAINT)],
)


@dataclass(frozen=True)
class SetOverride:
    """`component:path=value`: `component` is a name or one of its override keys, `path` its steps.

    One of a file of overrides has the `reason` and the `place` (file:line) that it was read from; one of `--set` has
    neither.
    """

    component: str
    path: tuple[str, ...]
    value: str | int | bool | None
    text: str
    reason: str = ""
    place: str = ""

    def __str__(self) -> str:
        return self.text

    def error(self, what: str, *, do: str = "") -> HarnessError:
        """A mistake in this override: recipe data where a file has it, else a mistake on the command line."""
        return (
            DataError(what, where=self.place, do=do) if self.place else UsageError(what, where=f"--set {self}", do=do)
        )

    @property
    def toggle(self) -> bool:
        """Whether this is `component:enabled=...`, which decides about the component and is no value of its chart."""
        return self.path == ("enabled",)


def _typed(text: str) -> str | int | bool | None:
    word = text.lower()
    if word in {"true", "false"}:
        return word == "true"
    if word == "null":
        return None
    return int(text) if re.fullmatch(r"0|[-+]?[1-9][0-9]{0,17}", text) else text


def parse_set(text: str) -> SetOverride:
    r"""Read `component:path=value`; `\.` in the path is a dot within a key.

    Scalars are typed as helm's --set types them: true, false and null in any case, whole numbers without a leading
    zero; all else is text. Lists and indices are refused (UsageError, exit 64).
    """
    match = _SET.fullmatch(text)
    path = tuple(step.replace("\\.", ".") for step in _DOT.split(match["path"])) if match else ()
    if match is None or not all(path):
        raise UsageError(f"{text!r} is not an override", where="--set", do="write component:path=value")
    if "[" in match["path"] or match["value"].startswith("{"):
        do = "put the list into the component's values file"
        raise UsageError(f"{text!r}: lists and their items cannot be set", where="--set", do=do)
    value = _typed(match["value"])
    if path == ("enabled",) and not isinstance(value, bool):
        raise UsageError(f"{text!r}: enabled is true or false", where="--set")
    return SetOverride(match["component"], path, value, text)


@dataclass(frozen=True)
class Selection:
    """What a run is made of: the recipe without the components that were switched off, and the overrides that apply.

    `notes` has a line for each override of a file that takes effect, for each of `--set` whose component is absent, and
    for each component that `--set` switched off.
    """

    recipe: Recipe
    sets: tuple[SetOverride, ...]
    notes: tuple[str, ...]


def select(recipe: Recipe, sets: Sequence[SetOverride]) -> Selection:
    """Apply `component:enabled=false` and leave out the overrides of components that `recipe` does not have.

    What depends on a component that is switched off takes it as provided. Raises UsageError or DataError if nothing is
    left.
    """
    notes: list[str] = []
    last: dict[tuple[str, tuple[str, ...]], SetOverride] = {}  # by component and path: what takes effect
    kept: list[SetOverride] = []
    for override in sets:
        component = next((c for c in recipe.components if c.entry.answers_to(override.component)), None)
        if component is not None:
            last[component.name, override.path] = override
            kept += [] if override.toggle else [override]
        elif not override.place:
            notes.append(f"--set {override} left out: {recipe.name} has no component {override.component}")
    notes += [f"set for simulated nodes: {each}: {each.reason}" for each in last.values() if each.place]
    dropped = {name: each for (name, _), each in last.items() if each.toggle and each.value is False}
    notes += [f"{name} switched off by --set {each}" for name, each in sorted(dropped.items()) if not each.place]
    components = tuple(
        replace(c, depends_on=tuple(needed for needed in c.depends_on if needed not in dropped))
        for c in recipe.components
        if c.name not in dropped
    )
    if not components:
        raise next(reversed(dropped.values())).error(f"{recipe.name} has no component left")
    return Selection(replace(recipe, components=components), tuple(kept), tuple(notes))


def check_sets(catalog: Catalog, sets: Sequence[SetOverride]) -> None:
    """Refuse an override whose component nothing in the catalog answers to: a typing error.

    Raises UsageError, or DataError for one of a file.
    """
    entries = catalog.registry.values()
    for override in sets:
        if not any(entry.answers_to(override.component) for entry in entries):
            names = {name for entry in entries for name in (entry.name, *entry.value_override_keys)}
            raise override.error(
                f"unknown component {override.component!r}", do=did_you_mean(override.component, names)
            )


def component_values(
    recipe: Recipe,
    component: Component,
    sets: Sequence[SetOverride] = (),
    scheduling: NodePlacement = KWOK_PLACEMENT,
) -> dict[str, Any]:
    """The values of `component`: its files, `overrides`, those of `sets` that mean it, then `scheduling`.

    Raises UsageError, or DataError for an override of a file, where a path runs through something that is no map.
    """
    values: dict[str, Any] = {}
    for position, file in enumerate(values_files(recipe.data, component.name, component.values_file)):
        layer = read_values(recipe.data / file)
        values = layer if position == 0 else merge(values, layer)
    values = merge(values, component.overrides)
    for override in sets:
        if component.entry.answers_to(override.component) and not override.toggle:
            _set(values, override)
    paths = component.entry.scheduling
    for selector, dotted_paths in (
        (scheduling.system_selector, paths.system_selectors),
        (scheduling.system_tolerations, paths.system_tolerations),
        (scheduling.accelerated_selector, paths.accelerated_selectors),
        (scheduling.accelerated_tolerations, paths.accelerated_tolerations),
    ):
        for dotted in dotted_paths if selector else ():
            _place(values, dotted, selector, _MISSING if recipe.legacy else _at(component.overrides, dotted))
    return values if recipe.legacy else with_derived(recipe, component, values)


_MISSING: Any = object()


def _at(values: Any, dotted: str) -> Any:
    """What is at a dotted path, or _MISSING."""
    for step in dotted.split("."):
        values = values.get(step, _MISSING) if isinstance(values, Mapping) else _MISSING
    return values


def _place(values: dict[str, Any], dotted: str, wanted: Any, overridden: Any) -> None:
    """Write a node selector or tolerations at a path, where an overlay has `overridden` there.

    An overlay that has written nothing there, an empty list or map, wants nothing there; tolerations that it has
    written are kept, and those of the run come after them.
    """
    if overridden in (None, [], {}):
        return
    there = _at(values, dotted)
    kept = there if overridden is not _MISSING and isinstance(wanted, list) and isinstance(there, list) else []
    _put(values, dotted, copy.deepcopy([*kept, *wanted] if isinstance(wanted, list) else wanted))


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A new map: `over` laid over `under`. Neither is changed or shared."""
    result = copy.deepcopy(dict(under))
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merge(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _set(values: dict[str, Any], override: SetOverride) -> None:
    *parents, last = override.path
    for step in parents:
        below = values.setdefault(step, {})
        if not isinstance(below, dict):
            raise override.error(f"cannot set {override}: {step} is {below!r}, expected a mapping")
        values = below
    values[last] = override.value


def _put(values: dict[str, Any], dotted: str, value: Any) -> None:
    """Write `value` at a path of the registry, making way for it: placement must not depend on what was there."""
    *parents, last = dotted.split(".")
    for step in parents:
        if not isinstance(values.get(step), dict):
            values[step] = {}
        values = values[step]
    values[last] = value
