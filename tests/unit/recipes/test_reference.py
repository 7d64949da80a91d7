"""The real data, and what the reference tool makes of it: ours must agree in everything."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.recipes.load import Catalog
from harness.recipes.overrides import packaged
from harness.recipes.resolve import resolve
from harness.recipes.values import KWOK_PLACEMENT, component_values, select
from harness.recipes.why import why
from tests.fakes.recipes import REAL, REFERENCES, needs_real_data

pytestmark = needs_real_data

NEWER = REAL.parent.parent / "aicr-recipes-2026-08"
RESOLVED = ["eks-training", "h100-eks-ubuntu-training-kubeflow", "kind-inference"]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load(REAL)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_real_data_is_classified_as_documented(catalog: Catalog) -> None:
    """64 overlays, 57 testable, 17 generic, by the names and figures of the documentation."""
    assert len(catalog.names()) == 64
    assert len(catalog.testable()) == 57
    assert catalog.generic() == (
        "aks",
        "aks-inference",
        "aks-training",
        "eks",
        "eks-inference",
        "eks-training",
        "gke-cos",
        "gke-cos-inference",
        "gke-cos-training",
        "kind",
        "kind-inference",
        "lke",
        "lke-inference",
        "lke-training",
        "oke",
        "oke-inference",
        "oke-training",
    )
    assert set(catalog.names()) - set(catalog.testable()) == {
        "base",
        "monitoring-hpa",
        "h100-any",
        "gb200-any",
        "gb200-any-training",
        "b200-any-training",
        "rtx-pro-6000-any",
    }
    platforms = [resolve(catalog, name).criteria.platform for name in catalog.testable()]
    assert {p: platforms.count(p) for p in set(platforms)} == {
        "any": 41,
        "dynamo": 6,
        "kubeflow": 6,
        "slurm": 3,
        "nim": 1,
    }


@pytest.mark.parametrize("name", RESOLVED)
def test_the_resolved_recipe_is_the_references(catalog: Catalog, name: str) -> None:
    """Components with every field, order, constraints, criteria, applied overlays and validation are the same."""
    assert resolve(catalog, name).document() == read(REFERENCES / name / "recipe.yaml")


@pytest.mark.parametrize("data", [REAL.parent, NEWER], ids=["until June 2026", "since August 2026"])
def test_every_resolved_recipe_is_the_references(data: Path) -> None:
    """All answers of the reference's own resolver, in the format of their time; what has no answer resolves too."""
    if not data.is_dir():
        pytest.skip(f"{data.name} is not beside this clone")
    catalog = Catalog.load(data / "recipes")
    answers = {file.stem: file for file in (data / "resolved").glob("*.json")}
    assert len(answers) in (57, 63)
    assert set(answers) <= set(catalog.testable())
    for name in catalog.names():
        document = json.loads(json.dumps(resolve(catalog, name).document()))
        del document["metadata"]["version"]  # the answers leave it out
        if name in answers:
            assert document == json.loads(answers[name].read_text(encoding="utf-8")), name


def test_todays_data_is_read_to_its_end() -> None:
    """102 overlays and the base, 94 of them testable, in every field, and nothing is left out."""
    if not NEWER.is_dir():
        pytest.skip(f"{NEWER.name} is not beside this clone")
    catalog = Catalog.load(NEWER / "recipes")
    assert (len(catalog.names()), len(catalog.testable()), catalog.notes) == (103, 94, ())


@pytest.mark.parametrize("name", RESOLVED)
def test_the_values_of_every_component_are_the_references(catalog: Catalog, name: str) -> None:
    """With the overrides and placement of KWOK runs, each values.yaml of the reference bundle is what we compute."""
    recipe = resolve(catalog, name)
    theirs = {
        folder.name[4:]: read(folder / "values.yaml")
        for folder in (REFERENCES / name / "helm" / "bundle").iterdir()
        if folder.is_dir()
    }
    ours = {}
    for component in recipe.components:
        values = component_values(recipe, component, packaged(), KWOK_PLACEMENT)
        ours[component.name] = values
        if component.chart and component.manifest_files:
            ours[f"{component.name}-post"] = values
    assert ours == theirs


def test_every_recipe_resolves_with_values(catalog: Catalog) -> None:
    """All 64 resolve, each with itself applied last, and the values of all their components compute."""
    for name in catalog.names():
        recipe = resolve(catalog, name)
        assert recipe.applied[0] == "base"
        assert recipe.applied[-1] == name
        assert {component.name for component in recipe.components} == set(recipe.document()["deploymentOrder"])
        chosen = select(recipe, packaged())
        for component in chosen.recipe.components:
            assert all(needed in recipe.document()["deploymentOrder"] for needed in component.depends_on)
            component_values(chosen.recipe, component, chosen.sets)


def test_platform_recipes_are_not_their_parents(catalog: Catalog) -> None:
    """The 13 cells whose platform the bash harness drops differ from the recipe that it tested in their place."""
    dropped = [n for n in catalog.testable() if resolve(catalog, n).criteria.platform in {"dynamo", "kubeflow", "nim"}]
    assert len(dropped) == 13
    for name in dropped:
        parent = resolve(catalog, catalog.chain(name)[-2])
        assert {c.name for c in resolve(catalog, name).components} > {c.name for c in parent.components}


def test_manifests_before_and_after_the_chart_are_carried(catalog: Catalog) -> None:
    """Pre and post manifests of overlays arrive as paths of existing files, from overlays and from mixins."""
    recipes = [resolve(catalog, name) for name in catalog.testable()]
    before = {path for r in recipes for c in r.components for path in c.pre_manifest_files}
    after = {path for r in recipes for c in r.components for path in c.manifest_files}
    assert before
    assert "components/kubeflow-trainer/manifests/torch-distributed-cluster-training-runtime.yaml" in after
    assert all((REAL / path).is_file() for path in before | after)


def test_the_files_of_a_real_recipe_include_what_is_easily_overlooked(catalog: Catalog) -> None:
    """What the bash harness overlooks when it looks for changes: mixins, manifests, base values, health checks."""
    files = {file.relative_to(REAL).as_posix() for file in resolve(catalog, RESOLVED[1]).files}
    assert {
        "mixins/os-ubuntu.yaml",
        "mixins/platform-kubeflow.yaml",
        "overlays/h100-any.yaml",
        "components/gpu-operator/values.yaml",
        "components/gpu-operator/values-eks-training.yaml",
        "components/nodewright-customizations/manifests/tuning.yaml",
        "checks/gpu-operator/health-check.yaml",
        "registry.yaml",
    } <= files


def test_every_recipe_can_be_explained(catalog: Catalog) -> None:
    """Each applied overlay has a reason, and each setting a file and line."""
    for name in catalog.names():
        found = why(catalog, name)
        assert all(applied.reason for applied in found.applied)
        assert all(setting.places for component in found.components for setting in component.settings)
