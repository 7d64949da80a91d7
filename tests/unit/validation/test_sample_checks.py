"""The health checks of the sample recipes."""

from harness.recipes.load import Catalog
from harness.recipes.model import Recipe
from harness.recipes.resolve import resolve
from harness.validation.health_checks import HealthCheck, checks_of
from kwok import SAMPLES


def recipes() -> list[Recipe]:
    catalog = Catalog.load(SAMPLES)
    return [resolve(catalog, name) for name in catalog.names()]


def checks() -> dict[str, tuple[HealthCheck, ...]]:
    found: dict[str, tuple[HealthCheck, ...]] = {}
    for recipe in recipes():
        found |= {component.name: checks_of(recipe, component) for component in recipe.components}
    return found


def test_every_sample_check_asserts_and_has_a_guard_before_each_error() -> None:
    """Each has asserts and errors; in each step an assert on the same kind comes before the errors."""
    read = {name: each for name, each in checks().items() if each}
    assert read
    for name, (check, *others) in read.items():
        assert not others, name
        assert any(not operation.wanted for operation in check.operations), name
        guarded: set[tuple[str, str]] = set()
        for operation in check.operations:
            what = (operation.step, str(operation.document["kind"]))
            if operation.wanted:
                guarded.add(what)
            else:
                assert what in guarded, f"{name}: {operation.where}"


def test_what_has_pods_has_a_check() -> None:
    """Only components of definitions alone have none."""
    assert {name for name, each in checks().items() if not each} <= {
        "dynamo-crds",
        "kgateway-crds",
        "prometheus-operator-crds",
    }
