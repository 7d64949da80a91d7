"""The catalog: every overlay, mixin and registry entry of a data directory, read and checked before anything runs.

One broken file refuses the whole directory: a sweep that quietly skips what it cannot read is green by accident.
What only a resolved recipe can show (conflicts of mixins, missing dependencies) is checked by `resolve`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from harness.errors import DataError, UsageError, did_you_mean
from harness.formats.documents import Block, Document, inside, read_values
from harness.names import API_VERSION
from harness.recipes.format import CURRENT, OVERLAY_FIELDS, VERSIONS, WITH_PROFILE, Reading
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
from harness.recipes.model import RegistryEntry as Entry
from harness.recipes.registry import header, load_registry
from harness.recipes.validation import PHASES, constraints_of, phase_of

LOCAL = "file://"  # a source below the data root
TYPES = ("Helm", "Kustomize")

_Item = TypeVar("_Item", Overlay, Mixin)


@dataclass(frozen=True)
class Catalog:
    """All recipe data below `directory` (a `recipes` directory; its parent is the data root).

    `version` is that of the format, by the registry; `notes` tell what a lenient reading has left out.
    """

    directory: Path
    overlays: Mapping[str, Overlay]
    mixins: Mapping[str, Mixin]
    registry: Mapping[str, Entry]
    version: str = API_VERSION
    notes: tuple[str, ...] = ()

    @classmethod
    def load(cls, directory: Path, *, lenient: bool = False) -> Self:
        """Read and check everything. Raises DataError (exit 10) with file and line at the first fault.

        What no known version of the format has is such a fault, unless `lenient`: then it is left out, with a note.
        """
        if not directory.is_dir():
            raise DataError("is not a recipes directory", where=str(directory), do="see `recipes` in the settings")
        reading = Reading(lenient)
        version, registry = load_registry(directory, reading)
        overlays = dict(_files(directory, "overlays", _overlay, reading))
        mixins = dict(_files(directory, "mixins", _mixin, reading))
        version = version if version == API_VERSION else CURRENT
        catalog = cls(directory, overlays, mixins, registry, version, tuple(reading.notes))
        catalog._check()
        return catalog

    @property
    def root(self) -> Path:
        """The data root: local charts (`file://charts`) and node profiles are below it."""
        return self.directory.parent

    def names(self) -> tuple[str, ...]:
        """Every overlay, `base` included, sorted."""
        return tuple(sorted(self.overlays))

    def overlay(self, name: str) -> Overlay:
        """Raises UsageError (exit 64) that lists near names."""
        if name not in self.overlays:
            raise UsageError(f"unknown recipe {name!r}", do=did_you_mean(name, self.overlays))
        return self.overlays[name]

    def testable(self) -> tuple[str, ...]:
        """The recipes that a run can be made of: those for a particular service."""
        return tuple(name for name in self.names() if self._given(name, "service"))

    def generic(self) -> tuple[str, ...]:
        """The testable recipes for any accelerator: tier 1."""
        return tuple(name for name in self.testable() if not self._given(name, "accelerator"))

    def chain(self, name: str) -> tuple[str, ...]:
        """`name` and what it is based on, root first. Raises DataError that shows the chain for a cycle."""
        chain = [name]
        while base := self.overlays[chain[-1]].base:
            overlay = self.overlays[chain[-1]]
            shown = " → ".join([*chain, base])
            if base in chain:
                raise DataError(f"the base chain runs in a circle: {shown}", where=str(overlay.file))
            if base not in self.overlays:
                do = did_you_mean(base, self.overlays)
                raise DataError(f"unknown base {base!r} (chain {shown})", where=str(overlay.file), do=do)
            chain.append(base)
        return tuple(reversed(chain))

    def _given(self, name: str, criterion: str) -> bool:
        criteria = self.overlays[name].criteria
        return criteria is not None and criterion in criteria.specific

    def _check(self) -> None:
        if BASE not in self.overlays:
            raise DataError(
                f"{BASE}.yaml is missing: every recipe is based on it", where=str(self.directory / "overlays")
            )
        for overlay in self.overlays.values():
            self.chain(overlay.name)
            for mixin in overlay.mixins:
                if mixin not in self.mixins:
                    do = did_you_mean(mixin, self.mixins)
                    raise DataError(f"unknown mixin {mixin!r}", where=str(overlay.file), do=do)
        for entry in self.registry.values():
            local_chart(entry.repository, entry.chart, self.root, where=entry.where)
            for relative in entry.manifest_files:
                _is_file(self.directory, relative, entry.where)
        sources: list[Overlay | Mixin] = [*self.overlays.values(), *self.mixins.values()]
        for source in sources:
            for component in source.components:
                self._check_component(component)

    def _check_component(self, component: ComponentRef) -> None:
        if component.name not in self.registry:
            do = f"known: {', '.join(sorted(self.registry))}"
            raise DataError(f"unknown component {component.name!r}", where=component.place("name"), do=do)
        for field in ("values_file", "patches", "manifest_files", "pre_manifest_files"):
            value = getattr(component, field)
            for relative in (value,) if isinstance(value, str) else value:
                if relative:
                    _is_file(self.directory, relative, component.place(field))
        for file in values_files(self.directory, component.name, component.values_file):
            read_values(inside(self.directory, file, component.place("values_file")))


def values_files(directory: Path, component: str, values_file: str) -> tuple[str, ...]:
    """The files that a component's values come from, in merge order, relative to `directory`.

    `components/<name>/values.yaml` is the ground for every other values file of that component. A component that names
    none has no values but its overrides (so does the reference), even where that file exists.
    """
    base = f"components/{component}/values.yaml"
    if values_file in ("", base) or not (directory / base).exists():
        return (values_file,) if values_file else ()
    return (base, values_file)


def local_chart(source: str, chart: str, root: Path, *, where: str = "") -> Path | None:
    """The directory of a `file://charts` chart below the data root; None for a chart of a repository.

    Raises DataError if it leaves the data root or holds no Chart.yaml.
    """
    if not source.startswith(LOCAL) or not chart:
        return None
    relative = f"{source.removeprefix(LOCAL)}/{chart}"
    inside(root, f"{relative}/Chart.yaml", where)
    return root / relative


def chart_files(chart: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """The files of a local chart, as Helm finds them: by their path in it, through links to what is below `root`.

    Raises DataError for a link that leads nowhere, out of the data root, or back to where it is.
    """
    yield from _below(chart, "", root.resolve(), ())


def _below(directory: Path, path: str, root: Path, above: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    above = (*above, directory.resolve())
    for file in sorted(directory.iterdir()):
        target = inside(root, str(file.absolute()), str(file)) if file.is_symlink() else file
        if target.is_dir() and target.resolve() in above:
            raise DataError("is a link to a directory that it is in", where=str(file))
        if target.is_dir():
            yield from _below(file, f"{path}{file.name}/", root, above)
        elif target.is_file():
            yield f"{path}{file.name}", file


def _is_file(directory: Path, relative: str, where: str) -> None:
    if not inside(directory, relative, where).is_file():
        raise DataError(f"{relative} is not a file", where=where)


def _files(
    directory: Path, folder: str, read: Callable[[Block, Path, Reading], _Item], reading: Reading
) -> Iterator[tuple[str, _Item]]:
    parent = directory / folder
    for file in sorted(parent.iterdir()) if parent.exists() else ():
        if file.name.startswith(".") or file.suffix == ".md":
            continue
        if file.suffix != ".yaml" or not file.is_file():
            raise DataError("is not a recipe file: only <name>.yaml is allowed here", where=str(file))
        inside(directory, f"{folder}/{file.name}", str(file))
        block = Document.read(file, reading).root().closed("apiVersion", "kind", "metadata", "spec")
        item = read(block, file, reading)
        if item.name != file.stem:
            where = block.where("metadata", "name")
            raise DataError(f"metadata.name is {item.name!r}, but the file is {file.name}", where=where)
        yield item.name, item


def _overlay(block: Block, file: Path, reading: Reading) -> Overlay:
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


def _mixin(block: Block, file: Path, reading: Reading) -> Mixin:
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


_FILES = ("manifest_files", "pre_manifest_files")
_TEXTS = ("namespace", "type", "chart", "source", "version", "tag", "path", "values_file", "health_check_asserts")


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
