"""`matrix`: which cells there are to run, and why; what CI fans out."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click

from harness.cli.context import Context
from harness.errors import HarnessError, UsageError
from harness.matrix import changes, github
from harness.matrix.changes import Change
from harness.matrix.covering import covering, template_paths
from harness.matrix.model import Selection, Tier, Wanted
from harness.matrix.shards import MOST_JOBS, Shard, history, shards
from harness.matrix.tiers import select, tier_deployers
from harness.recipes.values import select as switched
from harness.settings import DEFAULT_FILE
from lanes import LANES, find


@click.command()
@click.option("--tier", type=click.IntRange(1, 3), required=True, help="1: generic; 2: touched; 3: all testable.")
@click.option("--base", metavar="REF", default="", help="Tier 2: what was committed since the merge base with REF.")
@click.option("--changed", metavar="FILE...", multiple=True, help="Tier 2: these files, without asking git.")
@click.argument("files", metavar="", nargs=-1)
@click.option(
    "--deployer", "-d", "deployers", metavar="LANE", multiple=True, help="Instead of the tier's lanes; `all` is each."
)
@click.option("--recipes", metavar="GLOB", multiple=True, help="Only recipes of such a name: eks-*.")
@click.option("--criteria", metavar="KEY=VALUE", multiple=True, help="Only recipes with it: service=eks.")
@click.option("--covering", "cover", is_flag=True, help="Each recipe and each (template path, lane) once, not more.")
@click.option("--shards", "count", metavar="N", type=int, help="Spread the cells over N jobs.")
@click.option("--shard", "number", metavar="K", type=int, help="Only shard K of --shards N.")
@click.option(
    "--history",
    "results",
    metavar="DIR",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Results of earlier sweeps: what cells took balances the shards.",
)
@click.option("--why", is_flag=True, help="Also show why each other recipe is not selected.")
@click.option("--format", "form", type=click.Choice(["table", "json", "github"]), default="table", show_default=True)
@click.option("--allow-empty", is_flag=True, help="Accept an empty selection.")
@click.pass_obj
def matrix(
    context: Context,
    tier: int,
    base: str,
    changed: tuple[str, ...],
    files: tuple[str, ...],
    deployers: tuple[str, ...],
    recipes: tuple[str, ...],
    criteria: tuple[str, ...],
    cover: bool,
    count: int | None,
    number: int | None,
    results: tuple[Path, ...],
    why: bool,
    form: str,
    allow_empty: bool,
) -> None:
    """Select the recipes and lanes to run, with the reasons.

    Tier 1 is every generic recipe under every lane, tier 2 every recipe for an accelerator that a change touches, under
    helm, tier 3 every testable recipe under every lane. What is not committed does not count for --base.
    """
    if files and not changed:
        raise UsageError(f"unexpected {files[0]!r}", do="recipes are named by --recipes, changed files by --changed")
    change = _change(context, Tier(tier), base, changed + files)
    selection = select(
        context.catalog,
        context.profiles,
        Tier(tier),
        deployers=_deployers(Tier(tier), deployers),
        wanted=Wanted(recipes, _criteria(criteria)),
        touched=change.touched if change else None,
    )
    lines = [f"tier {tier}: {_summary(selection)}", *([change.what] if change else [])]
    if cover:
        selection, line = _cover(context, selection)
        lines.append(line)
    seconds, notes = history(results)
    parts = _parts(selection, count, number, seconds, grouped=form == "github")
    if parts and not count:
        notes.append(f"more cells than the {MOST_JOBS} jobs that a matrix can have: grouped into {len(parts)} shards")
    if number is not None:
        selection = Selection(parts[0].cells, selection.left_out)
    for note in notes:
        context.console.note(note)
    if form == "json":
        context.data(_document(tier, change, selection, parts))
    elif form == "github":
        for line in lines + (_reasons(selection) if why else []):
            context.console.note(line)
        if selection.cells or allow_empty:
            found = github.of_shards(parts) if parts and number is None else github.of_cells(selection.cells)
            context.console.text(json.dumps(found, separators=(",", ":")))
    else:
        _table(context, selection, parts)
        for line in lines:
            context.console.text(line)
        if selection.left_out and (why or cover):
            rows = [(each.recipe, each.deployer or "all", each.reason) for each in selection.left_out]
            context.console.table(("left out", "deployer", "why"), rows)
    if not selection.cells and not allow_empty:
        what = (
            f"shard {number}/{count} has no cells" if number is not None else f"nothing is selected: {'; '.join(lines)}"
        )
        raise HarnessError(what, do="--why shows the reason for each recipe; --allow-empty accepts an empty selection")


def _change(context: Context, tier: Tier, base: str, files: tuple[str, ...]) -> Change | None:
    if tier is not Tier.TOUCHED:
        if base or files:
            raise UsageError(f"tier {tier} does not depend on what has changed", do="leave --base and --changed out")
        return None
    if bool(base) == bool(files):
        raise UsageError("tier 2 is what a change touches", do="give either --base REF or --changed FILE...")
    for file in files:
        if not file or file.startswith("-"):
            raise UsageError(f"{file!r} is not a file", where="--changed")
    if base:
        return changes.since(
            base,
            context.catalog,
            context.profiles,
            used=_used(context),
            checkout=Path.cwd(),
        )
    return changes.named(files, context.catalog, context.profiles, used=_used(context))


def _used(context: Context) -> tuple[Path, ...]:
    """The files in use that every recipe depends on, wherever they are."""
    overrides = context.settings.overrides
    return (context.file or DEFAULT_FILE, *([Path(overrides)] if overrides else []))


def _deployers(tier: Tier, names: tuple[str, ...]) -> tuple[str, ...]:
    every = tuple(lane.name for lane in LANES)
    if not names:
        return tier_deployers(tier, every)
    named = {find(name).name for name in names if name != "all"}
    return tuple(name for name in every if "all" in names or name in named)


def _criteria(texts: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or key in found:
            raise UsageError(f"{text!r} is not KEY=VALUE" if not equals else f"a second {key}", where="--criteria")
        found[key] = value
    return found


def _cover(context: Context, full: Selection) -> tuple[Selection, str]:
    paths = {}
    for name in full.recipes:
        recipe = context.resolved(name)
        paths[name] = template_paths(switched(recipe, context.kwok_sets).recipe)
    cover = covering(full, paths)
    kept = f"{len(cover.selection.cells)} of {len(full.cells)} cells cover"
    return cover.selection, f"{kept} {len(full.recipes)} recipes and {len(cover.pairs)} pairs of template path and lane"


def _parts(
    selection: Selection,
    count: int | None,
    number: int | None,
    seconds: dict[tuple[str, str], float],
    *,
    grouped: bool,
) -> tuple[Shard, ...]:
    """The shards that were asked for, or that a matrix needs; none otherwise."""
    if number is not None and not 1 <= number <= (count or 0):
        raise UsageError(f"there is no shard {number} of {count or 'no --shards'}", where="--shard")
    if count is not None:
        found = shards(selection.cells, count, seconds)
        return found if number is None else (found[number - 1],)
    return shards(selection.cells, MOST_JOBS, seconds) if grouped and len(selection.cells) > MOST_JOBS else ()


def _summary(selection: Selection) -> str:
    kinds = Counter(each.reason.partition(":")[0] for each in selection.left_out)
    left = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    cells = f"{len(selection.cells)} cells of {len(selection.recipes)} recipes"
    return f"{cells}; left out: {left}" if left else cells


def _document(tier: int, change: Change | None, selection: Selection, parts: tuple[Shard, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {"tier": tier}
    if change:
        found["change"] = {"what": change.what, "files": [str(file) for file in change.files]}
    if parts:
        found["shards"] = [
            {"shard": part.name, "seconds": round(part.seconds, 1), "cells": [cell.key for cell in part.cells]}
            for part in parts
        ]
    return found | selection.document()


def _table(context: Context, selection: Selection, parts: tuple[Shard, ...]) -> None:
    headings = ("recipe", "deployer", "why")
    rows = [(cell.recipe, cell.deployer, cell.reason) for cell in selection.cells]
    if not parts:
        context.console.table(headings, rows)
        return
    named = [(part.name, cell.recipe, cell.deployer, cell.reason) for part in parts for cell in part.cells]
    context.console.table(("shard", *headings), named)


def _reasons(selection: Selection) -> list[str]:
    taken = [f"{cell.key}: {cell.reason}" for cell in selection.cells]
    return taken + [f"left out: {each.recipe} {each.deployer}: {each.reason}" for each in selection.left_out]
