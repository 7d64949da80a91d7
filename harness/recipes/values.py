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

from harness.errors import UsageError
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
    """`--set component:path=value`: `component` is a name or one of its override keys, `path` its steps."""

    component: str
    path: tuple[str, ...]
    value: str | int | bool | None
    text: str

    def __str__(self) -> str:
        return self.text

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
        raise UsageError(f"{text!r} is no override", where="--set", do="write component:path=value")
    if "[" in match["path"] or match["value"].startswith("{"):
        do = "put the list into the component's values file"
        raise UsageError(f"{text!r}: lists and their items cannot be set", where="--set", do=do)
    value = _typed(match["value"])
    if path == ("enabled",) and not isinstance(value, bool):
        raise UsageError(f"{text!r}: enabled is true or false", where="--set")
    return SetOverride(match["component"], path, value, text)


# What every KWOK run sets, as the bash harness does: a hook needs a webhook that answers, a volume of a fake node never
# binds, admission calls to a pod without a process hang, and alert rules and alertmanager are slow and prove nothing.
KWOK_SETS: tuple[SetOverride, ...] = tuple(
    parse_set(text)
    for text in (
        "certmanager:startupapicheck.enabled=false",
        "slinkyslurmoperator:webhook.enabled=false",
        "slinkyslurmoperator:certManager.enabled=false",
        "slurmcluster:controller.persistence.enabled=false",
        "kubeprometheusstack:defaultRules.create=false",
        "kubeprometheusstack:alertmanager.enabled=false",
        "nodewright-customizations:enabled=false",
        "dynamoplatform:etcd.persistence.enabled=false",
        "dynamoplatform:nats.config.jetstream.fileStore.enabled=false",
    )
)


def kwok_sets(recipe: Recipe) -> tuple[SetOverride, ...]:
    """Those of KWOK_SETS whose component `recipe` has: `aicr` refuses the others."""
    return tuple(s for s in KWOK_SETS if any(c.entry.answers_to(s.component) for c in recipe.components))


@dataclass(frozen=True)
class Selection:
    """What a run is made of: the recipe without the components that were switched off, and the overrides that apply.

    `notes` has a line for each override that was left out, and for each component that was switched off.
    """

    recipe: Recipe
    sets: tuple[SetOverride, ...]
    notes: tuple[str, ...]


def select(recipe: Recipe, sets: Sequence[SetOverride]) -> Selection:
    """Apply `component:enabled=false` and leave out the overrides of components that `recipe` does not have.

    What depends on a component that is switched off takes it as provided. Raises UsageError if nothing is left.
    """
    notes: list[str] = []
    kept: list[SetOverride] = []
    toggles: dict[str, SetOverride] = {}
    for override in sets:
        component = next((c for c in recipe.components if c.entry.answers_to(override.component)), None)
        if component is None:
            notes.append(f"--set {override.text} left out: {recipe.name} has no component {override.component}")
        elif override.toggle:
            toggles[component.name] = override
        else:
            kept.append(override)
    dropped = {name for name, override in toggles.items() if override.value is False}
    notes += [f"{name} switched off by --set {toggles[name].text}" for name in sorted(dropped)]
    components = tuple(
        replace(c, depends_on=tuple(needed for needed in c.depends_on if needed not in dropped))
        for c in recipe.components
        if c.name not in dropped
    )
    if not components:
        raise UsageError(f"{recipe.name} has no component left", where="--set")
    return Selection(replace(recipe, components=components), tuple(kept), tuple(notes))


def check_sets(catalog: Catalog, sets: Sequence[SetOverride]) -> None:
    """Refuse an override whose component nothing in the catalog answers to: a typing error. Raises UsageError."""
    for override in sets:
        if not any(entry.answers_to(override.component) for entry in catalog.registry.values()):
            do = f"known: {', '.join(sorted(catalog.registry))}"
            raise UsageError(f"unknown component {override.component!r}", where=f"--set {override.text}", do=do)


def component_values(
    recipe: Recipe,
    component: Component,
    sets: Sequence[SetOverride] = (),
    scheduling: NodePlacement = KWOK_PLACEMENT,
) -> dict[str, Any]:
    """The values of `component`: its files, `overrides`, those of `sets` that mean it, then `scheduling`.

    Raises UsageError for an override whose path runs through something that is no map.
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
            raise UsageError(f"{step} is {below!r}, no map to set something in", where=f"--set {override.text}")
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
