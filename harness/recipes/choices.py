"""What a recipe leaves open, and what is taken: what the reference tool takes where nobody chooses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.errors import DataError
from harness.recipes.merging import merged_overrides
from harness.recipes.model import ComponentRef, Constraint, Criteria, Overlay, SelectedProfile, switched_off

# Slurm's accounts go to a database that is there, to one that the recipe brings, or nowhere, which is the default.
_SLURM = "slinky-slurm"
_DATABASE = ("mariadb-operator-crds", "mariadb-operator", "slurm-accounting-mariadb")


def choose_profile(
    applied: Sequence[Overlay], constraints: dict[str, Constraint], references: dict[str, ComponentRef], version: str
) -> SelectedProfile | None:
    """Apply the default of the one profile that the overlays declare. Raises DataError where it does not fit."""
    declared = [overlay for overlay in applied if overlay.profile]
    if not declared:
        return None
    if len(declared) > 1:
        what = f"two profiles apply, that of {declared[0].name} and that of {declared[1].name}"
        raise DataError(what, where=str(declared[1].file), do="a recipe has one profile")
    profile = declared[0].profile
    assert profile is not None  # noqa: S101 - `declared` are those that have one
    for component in profile.owned:
        if component not in references or switched_off(references[component].overrides, version):
            what = f"profile {profile.name} needs component {component!r}, which the recipe does not have"
            raise DataError(what, where=profile.where)
    value = profile.values[profile.default]
    for constraint in value.constraints:
        if constraint.name in constraints:
            what = f"constraint {constraint.name!r} exists already: a profile cannot change it"
            raise DataError(what, where=profile.where)
        constraints[constraint.name] = constraint
    for component, overrides in value.overrides.items():
        references[component] = _overridden(references[component], overrides, profile.where)
    return SelectedProfile(profile, profile.default)


def choose_slurm_accounting(query: Criteria, references: dict[str, ComponentRef], where: str) -> Mapping[str, Any]:
    """For platform slurm, switch off accounting and the database for it. Raises DataError where a part is missing."""
    if query.platform != "slurm":
        return {}
    for name in (_SLURM, *_DATABASE):
        if name not in references:
            raise DataError(f"has no component {name}, which the platform slurm needs", where=where)
        overrides = {"accounting": {"enabled": False}} if name == _SLURM else {"install": False}
        references[name] = _overridden(references[name], overrides, "")
    return {"slurm": {"accounting": {"mode": "disabled"}}}


def _overridden(ref: ComponentRef, overrides: Mapping[str, Any], where: str) -> ComponentRef:
    places = {f"overrides.{key}": (*ref.places.get(f"overrides.{key}", ()), where) for key in overrides if where}
    return replace(ref, overrides=merged_overrides(ref.overrides, overrides), places={**ref.places, **places})
