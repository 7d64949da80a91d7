"""What a recipe declares for validation: constraints of the readiness gate, phases with their checks, components.

Read from a resolved recipe, by name or as a file that the reference tool has written, and held against the catalog.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from harness.errors import DataError
from harness.formats.documents import Block, Document
from harness.names import API_VERSION
from harness.recipes.format import OVERLAY_FIELDS, VERSIONS
from harness.recipes.model import Constraint, Recipe, switched_off
from harness.recipes.validation import PHASES, READINESS, PhaseBlock, constraints_of, phase_of
from harness.validation.checks.catalog import READS, RUN_ORDER, Catalog

_KINDS = ("RecipeResult", "RecipeMetadata")  # a resolved recipe; an overlay, whose content is below `spec`
_FIELDS = (  # of a resolved recipe
    *("apiVersion", "kind", "metadata", "criteria", "configuration", "constraints", "componentRefs"),
    *("deploymentOrder", "validation"),
)


@dataclass(frozen=True)
class Component:
    """A component as checks look at it; `raw` is its componentRef."""

    name: str
    namespace: str
    enabled: bool
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class Declared:
    """What one recipe declares. `constraints` are those of the readiness gate; a phase that is not in `phases` was not
    declared, one without checks was switched off. `document` is the recipe itself, as checks get it.
    """

    name: str
    criteria: Mapping[str, str]
    constraints: tuple[Constraint, ...]
    phases: Mapping[str, PhaseBlock]
    components: Mapping[str, Component]
    document: Mapping[str, Any]
    findings: tuple[str, ...] = field(default=())

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> Self:
        """Of a recipe that was resolved here, with the health checks that the registry names."""
        document = recipe.document()
        files = {component.name: component.entry.health_check for component in recipe.components}
        for ref in document["componentRefs"]:
            file = files.get(ref["name"], "")
            if file and not ref.get("healthCheckSkip") and not ref.get("healthCheckAsserts"):
                ref["healthCheckAsserts"] = _text(recipe.data / file)
        return cls.of(Document(f"recipe {recipe.name}", document, {}), recipe.name)

    @classmethod
    def of_file(cls, file: Path) -> Self:
        """Of a file. Raises DataError with the line of what is wrong."""
        return cls.of(Document.read(file), file.stem)

    @classmethod
    def of(cls, document: Document, name: str) -> Self:
        root = document.root()
        kind, version = root.text("kind"), root.text("apiVersion")
        if kind not in _KINDS:
            what = f"kind is {kind!r}" if kind else "is not a recipe: it has no kind"
            raise DataError(what, where=root.where("kind"), do="a resolved recipe is a RecipeResult")
        if version not in VERSIONS:
            do = f"it must be one of {', '.join(VERSIONS)}"
            raise DataError(f"apiVersion is {version!r}", where=root.where("apiVersion"), do=do)
        overlay = kind == "RecipeMetadata"
        if overlay:
            body = root.closed("apiVersion", "kind", "metadata", "spec").block("spec").closed(*OVERLAY_FIELDS)
        else:
            body = root.closed(*_FIELDS)
        validation = body.block("validation").closed(*PHASES, "constraints")
        phases = {
            phase: phase_of(validation.block(phase), phase)
            for phase in validation.data
            if phase in PHASES and phase != READINESS
        }
        readiness = phase_of(validation.block(READINESS), READINESS)
        criteria = body.block("criteria")
        return cls(
            name=name,
            criteria={key: str(value) for key, value in criteria.data.items()},
            constraints=_joined(
                (constraints_of(body), "constraints"),
                (constraints_of(validation), "validation.constraints"),
                (readiness.constraints, "validation.readiness.constraints"),
                where=body.where("constraints"),
            ),
            phases=phases,
            components={each.name: each for each in _components(body, version)},
            document=root.data,
            findings=("this is an overlay: what it inherits was not validated",) if overlay else (),
        )

    def checks(self, phase: str) -> tuple[str, ...]:
        """The checks of a phase, none where it was not declared."""
        block = self.phases.get(phase)
        return block.checks if block else ()

    def deploys(self, component: str) -> bool:
        """Whether the recipe has the component, and has it enabled."""
        return component in self.components and self.components[component].enabled


def require_known(declared: Declared, catalog: Catalog, phases: Iterable[str]) -> None:
    """Raise DataError that lists every check of `phases` that the catalog does not have there, or that comes twice."""
    problems = [problem for phase in phases for problem in _unknown(declared.checks(phase), phase, catalog)]
    if problems:
        what = "validation declares checks that do not match the validator catalog:\n  " + "\n  ".join(problems)
        names = ", ".join(catalog.entries)
        raise DataError(what, where=declared.name, do=f"the catalog has: {names}")


def findings(declared: Declared, catalog: Catalog) -> tuple[str, ...]:
    """What is declared and has no effect: constraints of a phase that none of its checks reads, phases without checks.

    A check that this harness does not know may read any constraint; then nothing is said of that phase.
    """
    found = list(declared.findings)
    for phase in RUN_ORDER:
        block = declared.phases.get(phase)
        if block is None or not block.constraints:
            continue
        if any(name not in READS and name in catalog.entries for name in block.checks):
            continue
        read = {constraint for name in block.checks for constraint in READS.get(name, ())}
        for constraint in block.constraints:
            if constraint.name not in read:
                what = f"constraint {constraint.name} ({constraint.value}) is not read by any check of the phase"
                found.append(f"{phase}: {what}")
    return tuple(found)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the health check cannot be read: {error}", where=str(file)) from error


def _unknown(names: tuple[str, ...], phase: str, catalog: Catalog) -> Iterator[str]:
    for name in dict.fromkeys(names):
        entry = catalog.entries.get(name)
        of = f'declared check "{name}"'
        if entry is None:
            yield f"{of} in phase {phase} matches no validator in the catalog"
        elif entry.phase != phase:
            yield f"{of} in phase {phase} matches no validator in that phase (found under phase: {entry.phase})"
        if names.count(name) > 1:
            yield f"{of} is declared more than once in phase {phase}"


def _joined(*sources: tuple[tuple[Constraint, ...], str], where: str) -> tuple[Constraint, ...]:
    """Constraints of several lists, by name. Raises DataError where two lists disagree."""
    found: dict[str, tuple[Constraint, str]] = {}
    for constraints, place in sources:
        for constraint in constraints:
            before, there = found.setdefault(constraint.name, (constraint, place))
            if before.value != constraint.value:
                what = (
                    f"constraint {constraint.name!r} is {before.value!r} in {there} and {constraint.value!r} in {place}"
                )
                raise DataError(what, where=where, do="give it one value")
    return tuple(constraint for constraint, _ in found.values())


def _components(body: Block, version: str) -> Iterator[Component]:
    seen: set[str] = set()
    for item in body.blocks("componentRefs"):
        name = item.text("name", required=True)
        if name in seen:
            raise DataError(f"component {name!r} is given twice", where=item.where("name"))
        seen.add(name)
        enabled = not switched_off(item.mapping("overrides"), version or API_VERSION)
        yield Component(name, item.text("namespace"), enabled, item.data)
