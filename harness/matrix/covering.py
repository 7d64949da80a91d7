"""A covering selection: every recipe once, and every way of delivering a component once under every lane.

Two recipes that deliver the same kinds of components under a lane take the same paths through its templates and its
controllers. So most of the full product repeats what other cells have shown, and what is left takes a fraction of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from harness.matrix.model import Cell, LeftOut, Selection
from harness.recipes.local_charts import LOCAL
from harness.recipes.model import Component, Recipe

_Item = tuple[str, str]  # (template path, lane), or ("", recipe)


@dataclass(frozen=True)
class Cover:
    """`selection` has what is left of the cells, and `pairs` each (template path, lane) that they take."""

    selection: Selection
    pairs: tuple[_Item, ...]


def template_paths(recipe: Recipe) -> frozenset[str]:
    """The ways in which the bundle of `recipe` delivers its components."""
    return frozenset(path for component in recipe.components for path in _paths(recipe, component))


def _paths(recipe: Recipe, component: Component) -> Iterator[str]:
    if component.type == "Kustomize":
        yield "kustomization"
        return
    if component.pre_manifest_files or recipe.needs_quota(component):
        yield "manifests before a chart"
    if not component.chart:
        yield "manifests without a chart"
        return
    if component.source.startswith(LOCAL):
        yield "chart in the bundle"
    elif component.source.startswith("oci://"):
        yield "chart in an OCI registry"
    else:
        yield "chart in a repository"
    if component.manifest_files:
        yield "manifests after a chart"


def covering(full: Selection, paths: Mapping[str, frozenset[str]]) -> Cover:
    """The cells of `full` that cover all there is in it; `paths` gives the template paths of each recipe.

    Greedy: always the cell that adds most, of those the one whose lane has fewest so far, then the first. The same
    input gives the same cells.
    """
    lanes = list(dict.fromkeys(cell.deployer for cell in full.cells))
    items = {cell: _items(cell, paths) for cell in full.cells}
    covered: dict[_Item, Cell] = {}
    adds: dict[Cell, list[_Item]] = {}
    wanted = {item for each in items.values() for item in each}
    while len(covered) < len(wanted):
        best = max(
            (cell for cell in full.cells if cell not in adds),
            key=lambda cell: (
                sum(item not in covered for item in items[cell]),
                -sum(taken.deployer == cell.deployer for taken in adds),
                -lanes.index(cell.deployer),
            ),
        )
        adds[best] = [item for item in items[best] if item not in covered]
        covered |= dict.fromkeys(adds[best], best)
    return Cover(
        Selection(
            tuple(replace(cell, reason=_taken(cell, adds[cell])) for cell in full.cells if cell in adds),
            full.left_out + tuple(_left_out(cell, items[cell], covered) for cell in full.cells if cell not in adds),
        ),
        tuple(sorted(item for item in wanted if item[0])),
    )


def _items(cell: Cell, paths: Mapping[str, frozenset[str]]) -> list[_Item]:
    return [("", cell.recipe), *((path, cell.deployer) for path in sorted(paths[cell.recipe]))]


def _taken(cell: Cell, items: list[_Item]) -> str:
    what = [path or "the recipe" for path, _ in items]
    return f"{cell.reason}; covers {', '.join(what)} under {cell.deployer}"


def _left_out(cell: Cell, items: list[_Item], covered: Mapping[_Item, Cell]) -> LeftOut:
    by: dict[str, list[str]] = {}
    for path, name in items:
        by.setdefault(covered[path, name].key, []).append(path or "the recipe")
    told = "; ".join(f"{key} ({', '.join(what)})" for key, what in by.items())
    return LeftOut(cell.recipe, cell.deployer, f"covered: by {told}")
