"""What a selection is: cells that run, each with its reason, and what does not run, with a reason too."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from fnmatch import fnmatchcase
from typing import Any

from harness.errors import UsageError, did_you_mean
from harness.recipes.load import Catalog
from harness.recipes.model import ANY, CRITERIA, Criteria


class Tier(IntEnum):
    """How much is tested: 1 on every change, 2 what a pull request touches, 3 on the main branch and at night."""

    GENERIC = 1
    TOUCHED = 2
    ALL = 3


@dataclass(frozen=True)
class Cell:
    """A recipe under a lane."""

    recipe: str
    deployer: str
    reason: str

    @property
    def key(self) -> str:
        """As a person writes it: eks-training/helm."""
        return f"{self.recipe}/{self.deployer}"

    def document(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class LeftOut:
    """What does not run. `deployer` is empty where that holds for every lane."""

    recipe: str
    deployer: str
    reason: str


@dataclass(frozen=True)
class Selection:
    """Cells in the order recipe, lane; none twice. Every testable recipe is in `cells` or `left_out`."""

    cells: tuple[Cell, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def recipes(self) -> tuple[str, ...]:
        """The recipes that run, each once."""
        return tuple(dict.fromkeys(cell.recipe for cell in self.cells))

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "cells": [cell.document() for cell in self.cells],
            "leftOut": [asdict(each) for each in self.left_out],
        }


@dataclass(frozen=True)
class Wanted:
    """What a person narrows a selection to: globs of recipe names (any of them), and criteria (all of them)."""

    recipes: tuple[str, ...] = ()
    criteria: Mapping[str, str] = field(default_factory=dict)

    def check(self, catalog: Catalog) -> None:
        """Refuse what can select nothing, which is a typing error: UsageError (exit 64) with near names."""
        testable = catalog.testable()
        for pattern in self.recipes:
            if not is_glob(pattern) and catalog.overlay(pattern).name not in testable:
                raise UsageError(f"recipe {pattern!r} is not testable: it is for no particular service")
            if not any(fnmatchcase(name, pattern) for name in testable):
                raise UsageError(f"no testable recipe is called {pattern!r}", do=did_you_mean(pattern, testable))
        for key, value in self.criteria.items():
            if key not in CRITERIA:
                raise UsageError(f"unknown criterion {key!r}", do=did_you_mean(key, CRITERIA))
            known = {getattr(_criteria(catalog, name), key) for name in testable}
            if value not in known:
                raise UsageError(f"no testable recipe has {key} {value!r}", do=did_you_mean(value, known))

    def refuses(self, catalog: Catalog, name: str) -> str:
        """Why the recipe is not wanted; empty where it is."""
        if self.recipes and not any(fnmatchcase(name, pattern) for pattern in self.recipes):
            return f"not selected: its name is none of {', '.join(self.recipes)}"
        for key, value in self.criteria.items():
            found = getattr(_criteria(catalog, name), key)
            if found != value:
                return f"not selected: its {key} is {found}, not {value}"
        return ""

    def names(self, recipe: str) -> bool:
        """Whether the recipe was asked for by its name, and not by a pattern that it happens to fit."""
        return recipe in self.recipes


def is_glob(pattern: str) -> bool:
    return any(character in pattern for character in "*?[")


def _criteria(catalog: Catalog, name: str) -> Criteria:
    return catalog.overlays[name].criteria or Criteria(service=ANY)
