"""How a cell is put together from what the user said: once, for `run` and for the worker of a sweep."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Required, TypedDict, Unpack

from harness.bundles.bundlers.aicr import AicrBundler, find_aicr
from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.bundles.model import Bundler
from harness.cells.budget import Budget
from harness.cells.cell import Cell
from harness.cells.lane import Lane
from harness.cells.run import Watched
from harness.cells.validate import Validating
from harness.cli.context import Context
from harness.installers.platform import Platform
from harness.isolation.marks import Marks
from harness.isolation.reservation import Stay
from harness.recipes.model import Recipe
from harness.recipes.values import SetOverride, check_sets, parse_set
from harness.results.journal import Journal
from harness.settings import Settings


class Fields(TypedDict, total=False):
    """Fields of a Cell that its callers choose."""

    bundler: Required[Bundler]
    tools: Required[Callable[[str], Path]]
    cancel: Required[Callable[[], None]]
    run_id: Required[str]
    keep: bool
    keep_failed: bool
    parity: bool
    health: bool
    upgrade_from: Recipe | None
    validating: Validating | None
    budget: Budget
    watched: Watched


def assemble(
    context: Context,
    settings: Settings,
    platform: Platform,
    recipe: Recipe,
    lane: Lane,
    *,
    name: str,
    reuse: bool,
    journal: Journal,
    **fields: Unpack[Fields],
) -> Cell:
    """The cell of `recipe` under `lane` on the platform's cluster `name`."""
    stay = Stay(
        platform.runtime,
        Marks(platform.state),
        journal,
        settings.deadlines,
        cell=f"{recipe.name} under {lane.name}",
        name=name,
        reuse=reuse,
    )
    return Cell(
        recipe=recipe,
        nodes=context.nodes(recipe.criteria),
        lane=lane,
        settings=settings,
        platform=platform,
        stay=stay,
        journal=journal,
        **fields,
    )


def tools_of(context: Context, lanes: Iterable[Lane]) -> tuple[str, ...]:
    """Every program that cells under these lanes need, the cluster's first."""
    lanes = tuple(lanes)
    needed = context.platform.tools(installer for lane in lanes for installer in lane.infrastructure)
    return tuple(dict.fromkeys((*needed, "helm", *(name for lane in lanes for name in lane.tools), "kubectl")))


def sets_of(context: Context, sets: tuple[str, ...]) -> tuple[SetOverride, ...]:
    """What `--set` says. Raises UsageError for a component that the data does not know."""
    parsed = tuple(parse_set(text) for text in sets)
    check_sets(context.catalog, parsed)
    return parsed


def bundler_of(context: Context, sets: tuple[SetOverride, ...]) -> Bundler:
    """The one that the settings choose."""
    settings, overrides = context.settings, context.kwok_sets
    if settings.bundler == "builtin":
        return BuiltinBundler(sets, overrides=overrides)
    binary = find_aicr(settings.aicr, Path.cwd())
    return AicrBundler(binary, sets, overrides=overrides, mirrors=settings.mirrors)
