"""What a recipe declares for validation, and what of it matches no check."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import DataError
from harness.formats.documents import Document
from harness.recipes.load import Catalog as Recipes
from harness.recipes.resolve import resolve
from harness.recipes.why import why
from harness.validation.checks.catalog import RUN_ORDER, Catalog
from harness.validation.declared import Declared, findings, require_known
from tests.fakes.recipes import REAL, Data, needs_real_data, ref
from tests.fakes.validation import SHARED, needs_validation_data

HEAD = {"kind": "RecipeResult", "apiVersion": "aicr.run/v1alpha2"}


def declared(**body: Any) -> Declared:
    return Declared.of(Document.parse(yaml.safe_dump({**HEAD, **body}), "recipe.yaml"), "mine")


def catalog(**phases: list[str]) -> Catalog:
    entries = [{"name": n, "phase": phase, "image": "a/b:c"} for phase, names in phases.items() for n in names]
    return Catalog.of(Document.parse(yaml.safe_dump({"validators": entries}), "catalog.yaml"))


@pytest.fixture(scope="module")
def checks() -> Catalog:
    return Catalog.load(SHARED / "catalogs" / "catalog-2026-06-22.yaml")


@needs_real_data
@needs_validation_data
def test_the_blocks_of_all_real_overlays_match_the_catalog_of_their_date(checks: Catalog) -> None:
    """64 overlays resolve; every check that they declare is in the catalog, every phase constraint is read."""
    recipes = Recipes.load(REAL)
    found = {name: Declared.of_recipe(resolve(recipes, name)) for name in recipes.names() if name != "base"}
    blocks = 0
    for name, each in found.items():
        require_known(each, checks, RUN_ORDER)
        assert findings(each, checks) == (), name
        blocks += bool(each.phases)
    assert len(found) == 63
    assert blocks > 50
    assert sum(bool(overlay.validation) for overlay in recipes.overlays.values()) == 31
    off = found["h100-eks-ubuntu-training-slurm"].phases["performance"]
    assert (off.checks, off.constraints) == ((), ()), "an empty block switches an inherited phase off, and survives"
    assert found["h100-eks-training"].checks("performance") == ("nccl-all-reduce-bw",)


@needs_real_data
def test_why_names_the_place_of_each_check_and_constraint() -> None:
    """And which overlay has switched a phase off."""
    told = why(Recipes.load(REAL), "h100-eks-ubuntu-training-slurm")
    places = {(each.field, each.value): each.places for each in told.validation}
    [(file)] = places["deployment.checks", "operator-health"]
    assert file.startswith("recipes/overlays/h100-eks-training.yaml:")
    [(off)] = places["performance", "switched off"]
    assert off.startswith("recipes/overlays/h100-eks-ubuntu-training-slurm.yaml:")
    limits = {each.field: each.places for each in told.constraints}
    assert limits["K8s.server.version"][0].startswith("recipes/overlays/")
    assert all(":" in place for places in limits.values() for place in places)


@needs_validation_data
@pytest.mark.parametrize("file", sorted((SHARED / "recipes").glob("*.yaml")), ids=lambda file: file.stem)
def test_the_real_resolved_recipes_are_read(file: Path) -> None:
    """Of both ages, with and without a block."""
    found = Declared.of_file(file)
    assert found.constraints
    assert found.deploys("cert-manager")
    assert bool(found.phases) == (file.name.startswith("aks") or "validation" in file.name)


@needs_validation_data
def test_checks_that_no_catalog_has_are_refused_together(checks: Catalog) -> None:
    """The example of v0.11.1 declares two; before, each was zero tests and a skip."""
    old = Declared.of_file(SHARED / "recipes" / "eks-gb200-ubuntu-training-with-validation-v0.11.1.yaml")
    with pytest.raises(DataError) as caught:
        require_known(old, checks, RUN_ORDER)
    assert caught.value.what.splitlines()[1:] == [
        '  declared check "nccl-bandwidth-test" in phase performance matches no validator in the catalog',
        '  declared check "fabric-health-check" in phase performance matches no validator in the catalog',
    ]
    require_known(old, checks, ["deployment"])
    unread = "constraint gpu-operator.version (== v25.10.1) is not read by any check of the phase"
    assert findings(old, checks) == (f"deployment: {unread}",)


@pytest.mark.parametrize("field", ["constraint", "validations"])
def test_a_field_that_nobody_reads_is_refused(field: str) -> None:
    """A constraint below a misspelt field would never be evaluated, and the validation be green without it."""
    with pytest.raises(DataError, match=f"unknown field '{field}'"):
        declared(**{field: []})
    overlay = {"apiVersion": HEAD["apiVersion"], "kind": "RecipeMetadata", "spec": {field: []}}
    with pytest.raises(DataError, match=f"unknown field '{field}'"):
        Declared.of(Document.parse(yaml.safe_dump(overlay), "recipe.yaml"), "mine")


def test_all_problems_of_names_are_told_at_once() -> None:
    """Unknown, of another phase, twice; phases that are not selected are not looked at."""
    blocks = {"deployment": {"checks": ["a", "x", "c", "a"]}, "performance": {"checks": ["y"]}}
    with pytest.raises(DataError) as caught:
        require_known(declared(validation=blocks), catalog(deployment=["a"], conformance=["c"]), ["deployment"])
    assert caught.value.what.splitlines() == [
        "validation declares checks that do not match the validator catalog:",
        '  declared check "a" is declared more than once in phase deployment',
        '  declared check "x" in phase deployment matches no validator in the catalog',
        '  declared check "c" in phase deployment matches no validator in that phase (found under phase: conformance)',
    ]


def test_a_check_of_somebody_else_may_read_any_constraint() -> None:
    """Then nothing can be said of the constraints of its phase."""
    limits = {"checks": ["theirs"], "constraints": [{"name": "their.limit", "value": "1"}]}
    found = declared(validation={"deployment": limits})
    assert findings(found, catalog(deployment=["theirs"])) == ()
    limits["checks"] = ["operator-health"]
    assert len(findings(declared(validation={"deployment": limits}), catalog(deployment=["operator-health"]))) == 1


def test_constraints_of_the_gate_are_read_from_all_three_places() -> None:
    """Top level, validation, readiness, in this order; the same name twice is once."""
    one, two, three = ({"name": name, "value": "1"} for name in ("a", "b", "c"))
    blocks = {"constraints": [two, one], "readiness": {"constraints": [three, two]}}
    found = declared(constraints=[one], validation=blocks)
    assert [each.name for each in found.constraints] == ["a", "b", "c"]
    assert found.phases == {}


def test_one_constraint_with_two_values_is_refused() -> None:
    """Whichever were taken, somebody meant the other one."""
    blocks = {"readiness": {"constraints": [{"name": "a", "value": "2"}]}}
    with pytest.raises(DataError, match=r"'a' is '1' in constraints and '2' in validation.readiness.constraints"):
        declared(constraints=[{"name": "a", "value": "1"}], validation=blocks)


def test_an_overlay_is_read_and_said_to_be_one() -> None:
    """Its content is below `spec`; what it inherits is not in the file."""
    text = yaml.safe_dump({**HEAD, "kind": "RecipeMetadata", "spec": {"constraints": [{"name": "a", "value": "1"}]}})
    found = Declared.of(Document.parse(text, "overlay.yaml"), "mine")
    assert [each.name for each in found.constraints] == ["a"]
    assert findings(found, catalog()) == ("this is an overlay: what it inherits was not validated",)


def test_a_component_that_is_switched_off_is_not_deployed() -> None:
    """As one that the recipe does not have."""
    found = declared(componentRefs=[{"name": "a"}, {"name": "b", "overrides": {"enabled": False}}])
    assert [found.deploys(name) for name in ("a", "b", "c")] == [True, False, False]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({"kind": ""}, "is not a recipe: it has no kind"),
        ({"kind": "Snapshot"}, "kind is 'Snapshot'"),
        ({"apiVersion": "v1"}, "apiVersion is 'v1'"),
        ({"validation": {"deploy": {}}}, "unknown field 'deploy'"),
        ({"validation": {"readiness": {"checks": ["a"]}}}, "readiness declares checks"),
        ({"validation": {"deployment": {"timeout": "ten"}}}, "timeout is 'ten'"),
        ({"validation": {"deployment": {"checks": [1]}}}, "checks contains 1"),
        ({"validation": {"deployment": {"nodeSelection": {"nodes": 1}}}}, "unknown field 'nodes'"),
        ({"constraints": [{"name": "a", "value": "1", "severity": "fatal"}]}, "severity is 'fatal'"),
        ({"componentRefs": [{"name": "a"}, {"name": "a"}]}, "component 'a' is given twice"),
    ],
)
def test_what_is_no_recipe_is_refused_with_its_line(body: dict[str, Any], what: str) -> None:
    """Before anything is created."""
    with pytest.raises(DataError) as caught:
        declared(**body)
    assert what in caught.value.what
    assert caught.value.where.startswith("recipe.yaml:")


def test_an_overlay_may_write_constraints_below_validation(tmp_path: Path) -> None:
    """As the guide's prose has it: they count as spec.constraints, and may not contradict them."""
    data = Data(tmp_path, "a")
    data.overlay("x", {"componentRefs": [ref("a")], "validation": {"constraints": [{"name": "k", "value": "1"}]}})
    recipe = resolve(data.load(), "x")
    assert [each.name for each in recipe.constraints] == ["k"]
    assert recipe.validation == {}
    body = {"constraints": [{"name": "k", "value": "2"}], "validation": {"constraints": [{"name": "k", "value": "1"}]}}
    data.overlay("x", {"componentRefs": [ref("a")], **body})
    with pytest.raises(DataError, match="has two values"):
        data.load()


def test_an_overlay_with_checks_in_readiness_is_refused(tmp_path: Path) -> None:
    """They have no phase of the catalog."""
    data = Data(tmp_path, "a")
    data.overlay("x", {"componentRefs": [ref("a")], "validation": {"readiness": {"checks": ["a"]}}})
    with pytest.raises(DataError, match="readiness declares checks"):
        data.load()


@needs_real_data
def test_health_checks_come_with_the_recipe() -> None:
    """As the registry names them, unless an overlay has its own or skips them; so no check passes emptily."""
    found = Declared.of_recipe(resolve(Recipes.load(REAL), "h100-eks-training"))
    asserts = {name: each.raw.get("healthCheckAsserts", "") for name, each in found.components.items()}
    assert "kind: Test" in asserts["gpu-operator"]


def test_a_health_check_of_an_overlay_wins_and_a_skipped_one_stays_away(tmp_path: Path) -> None:
    """The file of the registry is for components that say nothing."""
    data = Data(tmp_path)
    data.file("checks/x.yaml", "from: registry")
    helm = {"defaultRepository": "", "defaultNamespace": "n"}
    data.registry(*({"name": n, "helm": helm, "healthCheck": {"assertFile": "checks/x.yaml"}} for n in ("a", "b", "c")))
    refs = [ref("a"), ref("b", healthCheckAsserts="inline"), ref("c", healthCheckSkip=True)]
    data.overlay("x", {"componentRefs": refs})
    found = Declared.of_recipe(resolve(data.load(), "x"))
    texts = {name: each.raw.get("healthCheckAsserts", "") for name, each in found.components.items()}
    assert texts == {"a": "from: registry", "b": "inline", "c": ""}
