"""Why a recipe is what it is: for people who look at a red cell and ask where a setting came from."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.recipes.load import Catalog
from harness.recipes.model import ANY, SPELLING, ComponentRef, Mixin, Overlay
from harness.recipes.resolve import Resolution, resolution
from harness.recipes.values import SetOverride


@dataclass(frozen=True)
class Applied:
    """An overlay that applies, in the order of application."""

    name: str
    file: str
    reason: str


@dataclass(frozen=True)
class Used:
    """A mixin and the overlays that name it."""

    name: str
    file: str
    named_by: tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """A field of a component, as the format spells it, its value, and the file:line (or lines) it came from."""

    field: str
    value: Any
    places: tuple[str, ...]


@dataclass(frozen=True)
class ComponentOrigin:
    name: str
    enabled: bool
    settings: tuple[Setting, ...]


@dataclass(frozen=True)
class Override:
    """`component:path=value` that runs on simulated nodes set, why, and the file:line that it is from."""

    set: str
    reason: str
    place: str


@dataclass(frozen=True)
class Explanation:
    """Everything about one recipe, printable and as plain data. Paths are relative to the data root."""

    name: str
    testable: bool
    generic: bool
    reason: str
    criteria: dict[str, str | int]
    chain: tuple[str, ...]
    applied: tuple[Applied, ...]
    mixins: tuple[Used, ...]
    components: tuple[ComponentOrigin, ...]
    overrides: tuple[Override, ...]
    files: tuple[str, ...]
    constraints: tuple[Setting, ...] = ()
    validation: tuple[Setting, ...] = ()

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def why(catalog: Catalog, name: str, overrides: Sequence[SetOverride] = ()) -> Explanation:
    """Explain `name`, with those of `overrides` whose component it has. Raises what `resolve` raises."""
    found = resolution(catalog, name)
    order = [component.name for component in found.recipe.components]
    return Explanation(
        name=name,
        testable=name in catalog.testable(),
        generic=name in catalog.generic(),
        reason=_testable(catalog, name),
        criteria=found.recipe.criteria.document(),
        chain=catalog.chain(name),
        applied=tuple(
            Applied(overlay.name, _short(str(overlay.file), catalog), _reason(overlay, found, catalog))
            for overlay in found.applied
        ),
        mixins=tuple(
            Used(m.name, _short(str(m.file), catalog), tuple(o.name for o in found.applied if m.name in o.mixins))
            for m in found.mixins
        ),
        components=tuple(
            ComponentOrigin(n, n in order, _settings(found.references[n], catalog)) for n in [*order, *found.disabled]
        ),
        overrides=tuple(
            Override(str(each), each.reason, _short(each.place, catalog))
            for each in overrides
            if any(component.entry.answers_to(each.component) for component in found.recipe.components)
        ),
        files=tuple(_short(str(file), catalog) for file in found.recipe.files),
        constraints=_constraints(found, catalog),
        validation=_validation(found, catalog),
    )


def _testable(catalog: Catalog, name: str) -> str:
    criteria = catalog.overlay(name).criteria
    if criteria is None:
        return "not testable: it has no criteria, other recipes are based on it"
    if criteria.service == ANY:
        return "not testable: spec.criteria.service is unset or any, it only adds to the recipes that it matches"
    if criteria.accelerator == ANY:
        return f"testable: for the service {criteria.service}; generic: for any accelerator"
    return f"testable: for the service {criteria.service} and the accelerator {criteria.accelerator}"


def _reason(overlay: Overlay, found: Resolution, catalog: Catalog) -> str:
    if overlay.name == found.recipe.name:
        return "the recipe that was named"
    if overlay.name in found.candidates:
        specific = overlay.criteria.specific if overlay.criteria else {}
        if not specific:
            return "matches every query: none of its criteria is specific"
        return f"matches {', '.join(f'{field} {value}' for field, value in specific.items())}"
    candidates = (found.recipe.name, *found.candidates)
    below = next(name for name in candidates if overlay.name in catalog.chain(name))
    return f"on the base chain {' → '.join(reversed(catalog.chain(below)))}"


def _constraints(found: Resolution, catalog: Catalog) -> tuple[Setting, ...]:
    """The constraints of the readiness gate, each with the place that set it last."""
    places: dict[str, str] = {}
    sources: list[Overlay | Mixin] = [*found.applied, *found.mixins]
    for source in sources:
        places |= source.places
    profile = found.recipe.profile
    for constraint in profile.profile.values[profile.value].constraints if profile else ():
        places[f"constraints.{constraint.name}"] = profile.profile.where if profile else ""
    return tuple(
        _setting(each.name, each.value, (places.get(f"constraints.{each.name}", ""),), catalog)
        for each in found.recipe.constraints
    )


def _validation(found: Resolution, catalog: Catalog) -> tuple[Setting, ...]:
    """Each check and constraint of each phase, with the overlay whose block it came from; a phase that was switched off
    is there too.
    """
    settings: list[Setting] = []
    for phase, body in found.recipe.validation.items():
        places: dict[str, str] = {}
        for overlay in found.applied:
            places |= {key: place for key, place in overlay.places.items() if key.partition(".")[0] == phase}
        settings += [
            _setting(f"{phase}.checks", check, (places[f"{phase}.checks.{check}"],), catalog)
            for check in body.get("checks") or ()
        ]
        for each in body.get("constraints") or ():
            place = places[f"{phase}.constraints.{each['name']}"]
            settings.append(_setting(f"{phase}.constraints.{each['name']}", each["value"], (place,), catalog))
        if not body.get("checks") and not body.get("constraints"):
            settings.append(_setting(phase, "switched off", (places[phase],), catalog))
    return tuple(settings)


def _settings(ref: ComponentRef, catalog: Catalog) -> tuple[Setting, ...]:
    found = []
    for field, spelling in SPELLING.items():
        value = getattr(ref, field)
        if field in {"name", "overrides"} or not value:
            continue
        found.append(_setting(spelling, value, ref.places.get(field, ()), catalog))
    for key, value in ref.overrides.items():
        found.append(_setting(f"overrides.{key}", value, ref.places.get(f"overrides.{key}", ()), catalog))
    return tuple(found)


def _setting(field: str, value: Any, places: tuple[str, ...], catalog: Catalog) -> Setting:
    return Setting(field, value, tuple(_short(place, catalog) for place in places))


def _short(path: str, catalog: Catalog) -> str:
    return path.removeprefix(f"{Path(catalog.root)}/")
