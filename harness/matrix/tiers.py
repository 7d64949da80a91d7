"""The tiers: which of the testable recipes run, and under which lanes."""

from collections.abc import Mapping, Sequence

from harness.matrix.model import Cell, LeftOut, Selection, Tier, Wanted
from harness.recipes.load import Catalog
from harness.recipes.profiles import NoProfile, Profiles

REFERENCE = "helm"  # the lane that the touched recipes of a pull request run under
NO_NODES = "no node profile"  # how the reason begins for a recipe that cannot run


def tier_deployers(tier: Tier, lanes: Sequence[str]) -> tuple[str, ...]:
    """The lanes of a tier, of all that there are: what a pull request touches runs under helm only."""
    return (REFERENCE,) if tier is Tier.TOUCHED else tuple(lanes)


def select(
    catalog: Catalog,
    profiles: Profiles,
    tier: Tier = Tier.ALL,
    *,
    deployers: Sequence[str],
    wanted: Wanted | None = None,
    touched: Mapping[str, str] | None = None,
) -> Selection:
    """The cells of `tier` under `deployers` (names of lanes, in the order they are to run), narrowed to `wanted`.

    `touched` gives, for tier 2, the reason for each recipe that was touched (see harness.matrix.touched). A recipe
    without a node profile is left out; if it was asked for by its name, NoProfile (exit 10) is raised. Raises
    UsageError for names that mean nothing, DataError for faulty profiles.
    """
    wanted = wanted or Wanted()
    wanted.check(catalog)
    generic = catalog.generic()
    cells: list[Cell] = []
    left_out: list[LeftOut] = []
    for name in catalog.testable():
        reason = ""
        refusal = wanted.refuses(catalog, name)
        if not refusal:
            reason, refusal = _decided(name, tier, name in generic, touched or {})
        if not refusal:
            refusal = _without_nodes(catalog, profiles, name, wanted)
        if refusal:
            left_out.append(LeftOut(name, "", refusal))
        else:
            cells += [Cell(name, deployer, reason) for deployer in deployers]
    return Selection(tuple(cells), tuple(left_out))


def _decided(name: str, tier: Tier, generic: bool, touched: Mapping[str, str]) -> tuple[str, str]:
    """Why the recipe is of the tier, or why it is not."""
    match tier:
        case Tier.ALL:
            return "testable", ""
        case Tier.GENERIC if generic:
            return "generic: testable, and for any accelerator", ""
        case Tier.GENERIC:
            return "", "not generic: it is for a particular accelerator, which tiers 2 and 3 test"
        case Tier.TOUCHED if generic:
            return "", "generic: tier 1 tests it whatever has changed"
        case _:
            return touched.get(name, ""), "" if name in touched else "not touched: none of its files changed"


def _without_nodes(catalog: Catalog, profiles: Profiles, name: str, wanted: Wanted) -> str:
    criteria = catalog.overlay(name).criteria
    try:
        profiles.of(criteria.service if criteria else "", criteria.accelerator if criteria else "")
    except NoProfile as missing:
        if wanted.names(name):
            raise
        return f"{NO_NODES}: {missing.what}"
    return ""
