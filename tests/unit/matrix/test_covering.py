"""Covering: everything once, nothing without need, and what each cell that is left out is covered by."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bundles.shapes.releases import Release, releases
from harness.matrix.covering import covering, template_paths
from harness.matrix.model import Cell, LeftOut, Selection
from harness.recipes.load import Catalog
from harness.recipes.model import Recipe
from harness.recipes.resolve import resolve
from harness.recipes.values import KWOK_PLACEMENT
from harness.settings import ROOT
from tests.fakes.bundles import REAL, small
from tests.fakes.recipes import needs_real_data

LANES = ("helm", "argocd-oci", "flux-oci")
PATHS = ("chart", "oci", "before", "after")


def product(recipes: list[str], lanes: tuple[str, ...] = LANES) -> Selection:
    cells = tuple(Cell(recipe, lane, "testable") for recipe in recipes for lane in lanes)
    return Selection(cells, (LeftOut("moon", "", "no node profile"),))


paths_of_recipes = st.dictionaries(
    st.sampled_from([f"recipe-{letter}" for letter in "abcdefgh"]), st.frozensets(st.sampled_from(PATHS))
)


@settings(deadline=None)
@given(paths_of_recipes)
def test_each_recipe_and_each_pair_is_covered(paths: dict[str, frozenset[str]]) -> None:
    """Every recipe once, and every template path under every lane that some cell of the full product takes."""
    full = product(sorted(paths))
    cover = covering(full, paths)
    assert {cell.recipe for cell in cover.selection.cells} == set(paths)
    taken = {(path, cell.deployer) for cell in cover.selection.cells for path in paths[cell.recipe]}
    assert taken == {(path, cell.deployer) for cell in full.cells for path in paths[cell.recipe]} == set(cover.pairs)


@settings(deadline=None)
@given(paths_of_recipes)
def test_each_cell_is_taken_or_left_out_and_each_adds_something(paths: dict[str, frozenset[str]]) -> None:
    """In the order of the full product; there are never more cells than things to cover."""
    full = product(sorted(paths))
    cover = covering(full, paths)
    kept = [cell.key for cell in cover.selection.cells]
    left = [f"{each.recipe}/{each.deployer}" for each in cover.selection.left_out if each.deployer]
    assert sorted(kept + left) == sorted(cell.key for cell in full.cells)
    assert kept == [cell.key for cell in full.cells if cell.key in kept]
    assert len(kept) <= len(paths) + len(cover.pairs)
    assert full.left_out[0] in cover.selection.left_out
    assert covering(full, paths) == cover


def test_recipes_that_are_alike_are_spread_over_the_lanes() -> None:
    """As many cells as recipes where that suffices, and not all of them under the first lane."""
    recipes = [f"recipe-{number}" for number in range(6)]
    cover = covering(product(recipes), dict.fromkeys(recipes, frozenset(PATHS)))
    assert sorted(cell.deployer for cell in cover.selection.cells) == sorted([*LANES, *LANES])


def test_reasons_say_what_covers_what() -> None:
    """The cell that is taken says what for, the cell that is left out says by which others."""
    cover = covering(product(["a", "b"], ("helm",)), {"a": frozenset({"chart"}), "b": frozenset({"chart", "oci"})})
    assert [(cell.key, cell.reason) for cell in cover.selection.cells] == [
        ("a/helm", "testable; covers the recipe under helm"),
        ("b/helm", "testable; covers the recipe, chart, oci under helm"),
    ]
    cover = covering(product(["a"], ("helm", "flux-oci")), {"a": frozenset()})
    assert cover.selection.left_out[1:] == (LeftOut("a", "flux-oci", "covered: by a/helm (the recipe)"),)


def _of_release(release: Release) -> str:
    if release.wraps:
        stage = release.name.removeprefix(release.component)
        return {"-pre": "manifests before a chart", "-post": "manifests after a chart"}.get(
            stage, "manifests without a chart"
        )
    if not release.chart.repository:
        return "chart in the bundle"
    return "chart in an OCI registry" if release.chart.repository.startswith("oci://") else "chart in a repository"


def _check(recipe: Recipe) -> None:
    assert template_paths(recipe) == {_of_release(release) for release in releases(recipe, (), KWOK_PLACEMENT)}


def test_the_template_paths_are_those_of_the_bundle() -> None:
    """What the bundler makes of each sample recipe."""
    catalog = Catalog.load(ROOT / "kwok" / "recipes")
    for name in catalog.testable():
        _check(resolve(catalog, name))
    _check(small())


@needs_real_data
@pytest.mark.parametrize("name", ["h100-eks-training", "h100-gke-cos-training", "gb200-eks-ubuntu-inference-dynamo"])
def test_the_template_paths_are_those_of_real_bundles(name: str) -> None:
    """Charts from repositories and from OCI registries as well."""
    _check(resolve(Catalog.load(REAL), name))
