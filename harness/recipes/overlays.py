"""Overlays and mixins as their files write them; each field is understood or refused with its file and line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import DataError, did_you_mean
from harness.formats.documents import Block
from harness.recipes.format import OVERLAY_FIELDS, VERSIONS, WITH_PROFILE, Reading
from harness.recipes.model import (
    ANY,
    BASE,
    CRITERIA,
    SPELLING,
    ComponentRef,
    Constraint,
    Criteria,
    Mixin,
    Overlay,
    Profile,
    ProfileValue,
    leaves,
)
from harness.recipes.registry import header
from harness.recipes.validation import PHASES, constraints_of, phase_of

TYPES = ("Helm", "Kustomize")
_FILES = ("manifest_files", "pre_manifest_files")
_TEXTS = ("namespace", "type", "chart", "source", "version", "tag", "path", "values_file", "health_check_asserts")


def overlay(block: Block, file: Path, reading: Reading) -> Overlay:
    version = header(block, "RecipeMetadata", reading)
    name = block.block("metadata").closed("name").text("name", required=True)
    spec = block.block("spec").closed(*OVERLAY_FIELDS)
    profile = _profile(spec.block("profile")) if spec.data.get("profile") is not None else None
    if version in VERSIONS and (profile is not None) != (version == WITH_PROFILE):
        what = f"apiVersion is {version!r}, and there is {'a' if profile else 'no'} profile"
        raise DataError(what, where=block.where("apiVersion"), do=f"{WITH_PROFILE} is for overlays with a profile")
    return Overlay(
        name=name,
        file=file,
        base=spec.text("base") or (BASE if name != BASE else ""),
        mixins=spec.texts("mixins"),
        criteria=_criteria(spec.block("criteria")) if spec.data.get("criteria") is not None else None,
        constraints=_limits(spec),
        components=_components(spec),
        validation=_validation(spec.block("validation")),
        profile=profile,
        places=_places(spec),
    )


def mixin(block: Block, file: Path, reading: Reading) -> Mixin:
    header(block, "RecipeMixin", reading)
    name = block.block("metadata").closed("name").text("name", required=True)
    spec = block.block("spec").closed("constraints", "componentRefs")
    return Mixin(name, file, constraints_of(spec), _components(spec), _places(spec))


def _criteria(block: Block) -> Criteria:
    block.closed(*CRITERIA, "nodes")
    return Criteria(**{name: block.text(name) or ANY for name in CRITERIA}, nodes=block.integer("nodes"))


def _components(block: Block) -> tuple[ComponentRef, ...]:
    found: dict[str, ComponentRef] = {}
    for item in block.blocks("componentRefs"):
        component = _component(item.closed(*SPELLING.values()))
        if component.name in found:
            raise DataError(f"component {component.name!r} is given twice", where=item.where("name"))
        found[component.name] = component
    return tuple(found.values())


def _component(block: Block) -> ComponentRef:
    kind = block.text("type")
    if kind and kind not in TYPES:
        raise DataError(f"type is {kind!r}", where=block.where("type"), do=f"it must be {' or '.join(TYPES)}")
    values: dict[str, Any] = {
        "name": block.text("name", required=True),
        "overrides": block.mapping("overrides"),
        "cleanup": block.flag("cleanup"),
        "health_check_skip": block.flag("healthCheckSkip"),
        "expected_resources": tuple(_resource(item) for item in block.blocks("expectedResources")),
        **{field: block.texts(SPELLING[field]) for field in ("patches", "depends_on", *_FILES)},
        **{field: block.text(SPELLING[field]) for field in _TEXTS},
    }
    places = {field: (block.where(SPELLING[field]),) for field, value in values.items() if value}
    places |= {f"overrides.{key}": (block.where("overrides", key),) for key in values["overrides"]}
    enabled = values["overrides"].get("enabled")
    if not isinstance(enabled, bool | None):
        raise DataError(f"enabled must be true or false, not {enabled!r}", where=places["overrides.enabled"][0])
    return ComponentRef(**values, places=places | {"": (block.where(),)})


def _profile(block: Block) -> Profile:
    """A closed set of choices, each of which sets the same paths; one of them is the default."""
    block.closed("name", "description", "default", "values")
    name, default = block.text("name", required=True), block.text("default", required=True)
    values = {key: _profile_value(block.block("values").block(key)) for key in block.mapping("values")}
    if default not in values:
        raise DataError(f"default is {default!r}", where=block.where("default"), do=did_you_mean(default, values))
    paths = {key: {c: sorted(leaves(o)) for c, o in value.overrides.items() if o} for key, value in values.items()}
    for key, found in paths.items():
        if found != paths[default]:
            what = f"value {key} does not set the same paths as {default}"
            raise DataError(what, where=block.where("values", key), do="each choice has to set all of them")
    return Profile(name, default, values, block.where("name"))


def _profile_value(block: Block) -> ProfileValue:
    block.closed("advertiser", "constraints", "componentRefs")
    advertiser = block.text("advertiser")
    if advertiser not in ("", "external"):
        raise DataError(f"advertiser is {advertiser!r}", where=block.where("advertiser"), do="it may be external")
    overrides: dict[str, Mapping[str, Any]] = {}
    for item in block.blocks("componentRefs"):
        component = item.closed("name", "overrides").text("name", required=True)
        if component in overrides:
            raise DataError(f"component {component!r} is given twice", where=item.where("name"))
        if "enabled" in item.mapping("overrides"):
            raise DataError("a profile cannot switch a component off", where=item.where("overrides", "enabled"))
        overrides[component] = item.mapping("overrides")
    return ProfileValue(advertiser, constraints_of(block), overrides)


def _resource(block: Block) -> Mapping[str, str]:
    block.closed("kind", "name", "namespace")
    resource = {key: block.text(key, required=key != "namespace") for key in ("kind", "name", "namespace")}
    return {key: value for key, value in resource.items() if value}


def _validation(block: Block) -> Mapping[str, Mapping[str, Any]]:
    """Phases are closed, so that a misspelt one is not lost; what checks exist is the validators' business."""
    for phase in block.closed(*PHASES, "constraints").data:
        if phase in PHASES:
            block.block(phase).texts("checks")
            phase_of(block.block(phase), phase)
    return {phase: body or {} for phase, body in block.data.items() if phase in PHASES}


def _limits(spec: Block) -> tuple[Constraint, ...]:
    """What the overlay assumes of the cluster; `validation.constraints` is another place for it."""
    found = {constraint.name: constraint for constraint in constraints_of(spec)}
    validation = spec.block("validation")
    for constraint in constraints_of(validation):
        if found.setdefault(constraint.name, constraint).value != constraint.value:
            what = f"constraint {constraint.name!r} has two values, here and in spec.constraints"
            raise DataError(what, where=validation.where("constraints"), do="give it one value")
    return tuple(found.values())


def _places(spec: Block) -> Mapping[str, str]:
    """file:line of each constraint ("constraints.NAME"), and of each check and constraint of a phase."""
    found: dict[str, str] = {}
    validation = spec.block("validation")
    for block in (spec, validation):
        for item in block.blocks("constraints"):
            found[f"constraints.{item.text('name')}"] = item.where("name")
    for phase in PHASES:
        body = validation.block(phase)
        if phase in validation.data:
            found[phase] = validation.where(phase)
        for position, check in enumerate(body.texts("checks")):
            found[f"{phase}.checks.{check}"] = body.where("checks", position)
        for item in body.blocks("constraints"):
            found[f"{phase}.constraints.{item.text('name')}"] = item.where("name")
    return found
