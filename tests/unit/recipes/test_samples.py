"""Our own sample data: it loads, resolves, and covers what it is there to cover."""

import pytest

from harness.recipes.load import Catalog
from harness.recipes.local_charts import local_chart
from harness.recipes.overrides import packaged
from harness.recipes.resolve import resolve
from harness.recipes.values import component_values
from harness.settings import ROOT

SAMPLES = ROOT / "kwok" / "recipes"


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load(SAMPLES)


def test_the_samples_cover_services_and_accelerators(catalog: Catalog) -> None:
    """At least six testable recipes over two services and two accelerators, the documented ones among them."""
    testable = catalog.testable()
    queries = [resolve(catalog, name).criteria for name in testable]
    assert {"eks-training", "eks-inference", "h100-eks-training", "gb200-eks-training"} <= set(testable)
    assert len(testable) >= 6
    assert len({query.service for query in queries}) >= 2
    assert len({query.accelerator for query in queries} - {"any"}) >= 2


def test_every_sample_resolves_to_local_charts_and_manifests(catalog: Catalog) -> None:
    """Nothing of the samples needs a network, and the values of every component compute."""
    for name in catalog.names():
        recipe = resolve(catalog, name)
        for component in recipe.components:
            assert not component.chart or local_chart(component.source, component.chart, catalog.root)
            component_values(recipe, component, packaged())
