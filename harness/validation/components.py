"""Validations of components as a bundle is made: no cluster, no network, only the recipe and its final values.

registry.yaml says which functions look at a component, for which criteria, and how severe what they find is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import DataError, did_you_mean
from harness.recipes.model import ANY, CRITERIA, Component, ComponentValidation, Criteria, Recipe
from harness.recipes.values import KWOK_PLACEMENT, NodePlacement, SetOverride, component_values, select


@dataclass(frozen=True)
class Bundling:
    """What a bundle will be made of. `recipe` is without the components that were switched off, `sets` are all
    overrides that apply, `switched_off` the components that overrides take out. `metadata` is of the resolved recipe.
    """

    recipe: Recipe
    sets: tuple[SetOverride, ...] = ()
    switched_off: tuple[str, ...] = ()
    placement: NodePlacement = KWOK_PLACEMENT
    workload_selector: bool = False
    metadata: Mapping[str, Any] | None = None

    def component(self, *names: str) -> Component | None:
        """The first of the components that is in the bundle."""
        return next((each for name in names for each in self.recipe.components if each.name == name), None)

    def values(self, component: Component) -> Mapping[str, Any]:
        """Its final values. Raises UsageError for an override that cannot be applied."""
        return component_values(self.recipe, component, self.sets, self.placement)

    def override(self, component: str, path: str) -> object:
        """What `--set` gives a path of a component, by any of its names; None where it says nothing of it."""
        found = None
        entries = [each.entry for each in (*self.recipe.components, *self.recipe.disabled)]
        for each in self.sets:
            if ".".join(each.path) == path and any(
                entry.name == component and entry.answers_to(each.component) for entry in entries
            ):
                found = each.value
        return found


Finding = tuple[list[str], list[str]]  # warnings, errors
Function = Callable[[Component, Bundling], Finding]


def of_recipe(recipe: Recipe, sets: Sequence[SetOverride] = ()) -> Bundling:
    """The bundling of a run: with all its overrides, and the placement of every simulated run."""
    selection = select(recipe, sets)
    there = {each.name for each in selection.recipe.components}
    off = tuple(each.name for each in recipe.components if each.name not in there)
    metadata = recipe.document()["metadata"]
    return Bundling(selection.recipe, selection.sets, off, metadata=metadata)


def notes_of(recipe: Recipe, sets: Sequence[SetOverride]) -> tuple[str, ...]:
    """Validate the components of a run's bundle; raises what `validate_components` raises."""
    if not any(component.entry.validations for component in recipe.components):
        return ()
    return validate_components(of_recipe(recipe, sets))


def validate_components(bundling: Bundling, functions: Mapping[str, Function] | None = None) -> tuple[str, ...]:
    """Carry out the validations of every component; the warnings, each beginning with its level.

    Raises DataError that lists every error: of a function, a warning of severity error, or an unknown function.
    """
    if functions is None:
        from harness.validation import component_checks  # which imports this module

        functions = component_checks.FUNCTIONS
    notes: list[str] = []
    errors: list[str] = []
    places: list[str] = []
    for component in bundling.recipe.components:
        for validation in component.entry.validations:
            if validation.function not in functions:
                do = did_you_mean(validation.function, functions)
                raise DataError(f"unknown validation function {validation.function!r}", where=validation.where, do=do)
            if not applies(validation, bundling.recipe.criteria):
                continue
            warned, failed = _judged(validation, *functions[validation.function](component, bundling))
            notes += warned
            errors += failed
            places += [validation.where] * len(failed)
    if errors:
        count = "1 component validation failed" if len(errors) == 1 else f"{len(errors)} component validations failed"
        raise DataError(f"{count}:\n  " + "\n  ".join(errors), where=places[0])
    return tuple(notes)


def applies(validation: ComponentValidation, criteria: Criteria) -> bool:
    """Whether the conditions hold: every criterion, with any of its values.

    A generic criterion of the recipe matches every value; the condition `any` matches a generic criterion alone.
    """
    for key, values in validation.conditions.items():
        if key not in CRITERIA:
            raise DataError(f"unknown condition {key!r}", where=validation.where)
        actual = getattr(criteria, key)
        if actual not in ("", ANY) and actual not in values:
            return False
    return True


def _judged(validation: ComponentValidation, warnings: list[str], errors: list[str]) -> Finding:
    """By severity: an error makes errors of warnings, info makes notes of them; errors stay errors."""
    told = [f"{each}. {validation.message}" if validation.message else each for each in warnings]
    failed = [f"{validation.message}: {each}" if validation.message else each for each in errors]
    if validation.severity == "error":
        return [], [*told, *failed]
    level = "Warning" if validation.severity == "warning" else "Info"
    return [f"{level}: {each}" for each in told], failed
