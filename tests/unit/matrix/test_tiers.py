"""Tiers, and what they are narrowed to."""

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.matrix.model import Cell, LeftOut, Tier, Wanted
from harness.matrix.tiers import select, tier_deployers
from harness.recipes.load import Catalog
from harness.recipes.profiles import NoProfile, Profiles
from tests.fakes.matrix import LANES, OURS
from tests.fakes.recipes import Data, ref

CATALOG = Catalog.load(OURS / "recipes")
PROFILES = Profiles(OURS / "profiles", OURS / "profiles")


@pytest.fixture
def data(tmp_path: Path) -> Data:
    """A recipe for a service that nobody described, beside one that has nodes."""
    data = Data(tmp_path, "a")
    for service in ("eks", "moon"):
        data.overlay(service, {"criteria": {"service": service}, "componentRefs": [ref("a")]})
    return data


def test_each_tier_has_its_recipes_and_its_lanes() -> None:
    """1: generic under every lane; 2: what is touched under helm; 3: all under every lane; in order, none twice."""
    touched = {"h100-eks-training": "its own overlay", "eks-training": "its own overlay"}
    found = {
        tier: select(CATALOG, PROFILES, tier, deployers=tier_deployers(tier, LANES), touched=touched).cells
        for tier in Tier
    }
    keys = {tier: [cell.key for cell in cells] for tier, cells in found.items()}
    assert keys[Tier.GENERIC] == [f"{name}/{lane}" for name in CATALOG.generic() for lane in LANES]
    assert found[Tier.TOUCHED] == (Cell("h100-eks-training", "helm", "its own overlay"),)
    assert keys[Tier.ALL] == [f"{name}/{lane}" for name in CATALOG.testable() for lane in LANES]
    assert {*keys[Tier.ALL]} >= {*keys[Tier.GENERIC], *keys[Tier.TOUCHED]}


def test_each_recipe_that_does_not_run_has_a_reason() -> None:
    """Which depends on the tier."""
    generic = select(CATALOG, PROFILES, Tier.GENERIC, deployers=LANES).left_out
    touched = select(CATALOG, PROFILES, Tier.TOUCHED, deployers=LANES, touched={}).left_out
    assert (
        LeftOut("h100-eks-training", "", "not generic: it is for a particular accelerator, which tiers 2 and 3 test")
        in generic
    )
    assert LeftOut("eks", "", "generic: tier 1 tests it whatever has changed") in touched
    assert LeftOut("h100-eks-training", "", "not touched: none of its files changed") in touched


def test_a_recipe_without_nodes_is_left_out_of_a_sweep(data: Data) -> None:
    """With the reason; nothing takes the place of its profile."""
    found = select(data.load(), PROFILES, deployers=["helm"])
    assert found.recipes == ("eks",)
    assert [each.recipe for each in found.left_out] == ["moon"]
    assert found.left_out[0].reason.startswith("no node profile: no profiles for service 'moon'")


def test_a_recipe_without_nodes_that_was_asked_for_is_an_error(data: Data) -> None:
    """By its name, that is; a pattern asks for what there is."""
    with pytest.raises(NoProfile):
        select(data.load(), PROFILES, deployers=["helm"], wanted=Wanted(("moon",)))
    assert select(data.load(), PROFILES, deployers=["helm"], wanted=Wanted(("moo*",))).cells == ()


def test_the_generic_profile_stands_in_where_settings_allow_it(data: Data) -> None:
    """Then every recipe runs."""
    generic = Profiles(OURS / "profiles", OURS / "profiles", generic=True)
    assert select(data.load(), generic, deployers=["helm"]).recipes == ("eks", "moon")


def test_names_and_criteria_narrow_a_selection() -> None:
    """Any of the names, all of the criteria; the others are left out as not asked for."""
    wanted = Wanted(("h100-*", "eks"), {"service": "eks", "accelerator": "h100"})
    found = select(CATALOG, PROFILES, deployers=["helm"], wanted=wanted)
    assert found.recipes == (
        "h100-eks-inference",
        "h100-eks-training",
        "h100-eks-ubuntu-inference",
        "h100-eks-ubuntu-inference-dynamo",
        "h100-eks-ubuntu-training-kubeflow",
    )
    reasons = {each.recipe: each.reason for each in found.left_out}
    assert reasons["aks"] == "not selected: its name is none of h100-*, eks"
    assert reasons["eks"] == "not selected: its accelerator is any, not h100"
    assert reasons["h100-aks-training"] == "not selected: its service is aks, not eks"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Wanted(("h100-eks-trainng",)), "unknown recipe"),
        (Wanted(("base",)), "not testable"),
        (Wanted(("h100-any",)), "not testable"),
        (Wanted(("eks", "gce-*")), "no testable recipe is called 'gce-*'"),
        (Wanted(criteria={"servce": "eks"}), "did you mean service"),
        (Wanted(criteria={"service": "ecs"}), "did you mean eks"),
    ],
)
def test_what_can_select_nothing_is_a_usage_error(wanted: Wanted, message: str) -> None:
    """A typing error must not be an empty selection."""
    with pytest.raises(UsageError) as raised:
        select(CATALOG, PROFILES, deployers=["helm"], wanted=wanted)
    assert message in str(raised.value)
