"""What two overlays add up to where they say something of the same component or the same validation phase."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.recipes.model import SPELLING, ComponentRef

_ADDED = ("depends_on", "manifest_files", "pre_manifest_files")


def merged(old: ComponentRef | None, new: ComponentRef) -> ComponentRef:
    """`new` over `old`: what is set wins, `overrides` merge deeply, dependencies and manifest files add up."""
    if old is None:
        return new
    changes: dict[str, Any] = {field: getattr(new, field) for field in set_fields(new)}
    changes["overrides"] = merged_overrides(old.overrides, new.overrides)
    changes |= {field: tuple(dict.fromkeys((*getattr(old, field), *getattr(new, field)))) for field in _ADDED}
    deep = {key for key, value in new.overrides.items() if _both_mappings(old.overrides.get(key), value)}
    added = {
        key: old.places.get(key, ()) + new.places.get(key, ())
        for key in ("", *_ADDED, *(f"overrides.{key}" for key in deep))
    }
    return replace(old, **changes, places={**old.places, **new.places, **{k: v for k, v in added.items() if v}})


def merged_overrides(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A new map: mappings merge, all else replaces; a null stays, for it takes away what values files set."""
    result = copy.deepcopy(dict(under))
    for key, value in over.items():
        deep = _both_mappings(result.get(key), value)
        result[key] = merged_overrides(result[key], value) if deep else copy.deepcopy(value)
    return result


def merged_phase(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A validation phase over that of an earlier overlay: checks add up, constraints by name; an empty list clears."""
    result = {**under, **{key: value for key, value in over.items() if value not in (None, "")}}
    if over.get("checks"):
        result["checks"] = list(dict.fromkeys((*(under.get("checks") or ()), *over["checks"])))
    if over.get("constraints"):
        by_name = {item["name"]: item for item in (*(under.get("constraints") or ()), *over["constraints"])}
        result["constraints"] = list(by_name.values())
    return result


def set_fields(ref: ComponentRef) -> set[str]:
    """The fields that `ref` gives a value."""
    return {field for field in SPELLING if field != "name" and getattr(ref, field)}


def _both_mappings(under: Any, over: Any) -> bool:
    return isinstance(under, Mapping) and isinstance(over, Mapping)
