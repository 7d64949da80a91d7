"""Explanations: why a recipe is testable, which overlays apply, and where each setting came from."""

import json
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.recipes.why import Explanation, why
from tests.fakes.recipes import Data, ref


@pytest.fixture
def explained(tmp_path: Path) -> Explanation:
    data = Data(tmp_path, "a", "b")
    data.file("manifests/two.yaml", "")
    data.mixin("m", {"componentRefs": [ref("b")]})
    data.overlay("base", {"componentRefs": [ref("a", version="1", overrides={"x": 1, "y": 1})]})
    data.overlay("any", {"criteria": {"intent": "any"}})
    data.overlay("h100-any", {"criteria": {"accelerator": "h100"}})
    data.overlay("eks", {"criteria": {"service": "eks"}, "mixins": ["m"]})
    data.overlay(
        "h100-eks",
        {
            "base": "eks",
            "criteria": {"service": "eks", "accelerator": "h100"},
            "componentRefs": [{"name": "a", "overrides": {"y": 2}, "manifestFiles": ["manifests/two.yaml"]}],
        },
    )
    data.overlay("off", {"componentRefs": [{"name": "a", "overrides": {"enabled": False}}, ref("b")]})
    return why(data.load(), "h100-eks")


def test_each_overlay_has_its_reason(explained: Explanation) -> None:
    """The named one, those on its base chain, those that match: in the order in which they apply."""
    assert [(applied.name, applied.reason) for applied in explained.applied] == [
        ("base", "on the base chain h100-eks → eks → base"),
        ("any", "matches every query: none of its criteria is specific"),
        ("h100-any", "matches accelerator h100"),
        ("eks", "on the base chain h100-eks → eks → base"),
        ("h100-eks", "the recipe that was named"),
    ]
    assert explained.chain == ("base", "eks", "h100-eks")
    assert explained.applied[0].file == "recipes/overlays/base.yaml"


def test_each_setting_has_the_lines_it_came_from(explained: Explanation) -> None:
    """The last overlay that set a field, the registry for a default, every file for lists that add up."""
    a = {setting.field: (setting.value, setting.places) for setting in explained.components[0].settings}
    assert a["version"] == ("1", ("recipes/overlays/base.yaml:10",))
    assert a["overrides.x"] == (1, ("recipes/overlays/base.yaml:12",))
    assert a["overrides.y"] == (2, ("recipes/overlays/h100-eks.yaml:13",))
    assert a["namespace"] == ("a", ("recipes/registry.yaml:4",))
    assert a["manifestFiles"] == (
        ("manifests/some.yaml", "manifests/two.yaml"),
        ("recipes/overlays/base.yaml:8", "recipes/overlays/h100-eks.yaml:14"),
    )


def test_mixins_say_who_named_them(explained: Explanation) -> None:
    """A mixin is there because an overlay named it."""
    assert [(m.name, m.file, m.named_by) for m in explained.mixins] == [("m", "recipes/mixins/m.yaml", ("eks",))]


def test_an_explanation_is_plain_data(explained: Explanation) -> None:
    """It can be printed as JSON, with criteria and files."""
    document = json.loads(json.dumps(explained.document()))
    assert document["criteria"]["accelerator"] == "h100"
    assert document["criteria"]["platform"] == "any"
    assert "recipes/mixins/m.yaml" in document["files"]


REASONS = {
    "base": "not testable: it has no criteria",
    "any": "not testable: spec.criteria.service is unset or any",
    "eks": "testable: for the service eks; generic",
    "h100-eks": "testable: for the service eks and the accelerator h100",
}


@pytest.mark.parametrize(("name", "reason"), REASONS.items(), ids=REASONS)
def test_it_says_why_a_recipe_is_testable_or_not(tmp_path: Path, name: str, reason: str) -> None:
    """The reason agrees with the classification."""
    data = Data(tmp_path, "a")
    data.overlay("base", {"componentRefs": [ref("a")]})
    data.overlay("any", {"criteria": {"accelerator": "h100"}})
    data.overlay("eks", {"criteria": {"service": "eks"}})
    data.overlay("h100-eks", {"criteria": {"service": "eks", "accelerator": "h100"}})
    catalog = data.load()
    found = why(catalog, name)
    assert found.reason.startswith(reason)
    assert found.testable == (name in catalog.testable()) == (not reason.startswith("not"))
    assert found.generic == (name in catalog.generic()) == ("generic" in reason)


def test_a_disabled_component_is_shown_as_such(tmp_path: Path) -> None:
    """What was switched off, and where, is part of the answer; it comes after the components that run."""
    data = Data(tmp_path, "a", "b")
    data.overlay("base", {"componentRefs": [ref("a"), ref("b")]})
    data.overlay("x", {"componentRefs": [{"name": "a", "overrides": {"enabled": False}}]})
    found = why(data.load(), "x").components
    assert [(component.name, component.enabled) for component in found] == [("b", True), ("a", False)]
    assert found[1].settings[-1].places == ("recipes/overlays/x.yaml:9",)


def test_an_unknown_recipe_is_a_usage_error(tmp_path: Path) -> None:
    """There is no explanation of what does not exist."""
    with pytest.raises(UsageError, match="unknown recipe"):
        why(Data(tmp_path, "a").load(), "nothing")
