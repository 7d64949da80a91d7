"""`recipes list | show | why`: what there is, what it resolves to, and where each setting came from."""

import click
import yaml

from harness.cli.context import Context, as_json, recipe_names
from harness.recipes.resolve import resolve
from harness.recipes.why import why as explain


@click.group()
def recipes() -> None:
    """List recipes, show what one resolves to, and why."""


@recipes.command("list")
@click.option("--all", "everything", is_flag=True, help="Also overlays that are not testable (no concrete service).")
@as_json
@click.pass_obj
def list_recipes(context: Context, everything: bool, as_json: bool) -> None:
    """List the testable recipes with their criteria."""
    catalog = context.catalog
    testable, generic = set(catalog.testable()), set(catalog.generic())
    rows = []
    for name in catalog.names() if everything else catalog.testable():
        criteria = catalog.overlay(name).criteria
        rows.append(
            {
                "name": name,
                **{
                    key: getattr(criteria, key) if criteria else ""
                    for key in ("service", "accelerator", "intent", "os", "platform")
                },
                "testable": name in testable,
                "generic": name in generic,
            }
        )
    if as_json:
        context.data(rows)
        return
    context.console.table(
        ("recipe", "service", "accelerator", "intent", "os", "platform", "tier"),
        [
            (
                str(row["name"]),
                *(str(row[key]) for key in ("service", "accelerator", "intent", "os", "platform")),
                "generic" if row["generic"] else "testable" if row["testable"] else "-",
            )
            for row in rows
        ],
    )


@recipes.command()
@click.argument("recipe", shell_complete=recipe_names)
@as_json
@click.pass_obj
def show(context: Context, recipe: str, as_json: bool) -> None:
    """Print the resolved recipe: components in order, versions, constraints, validation."""
    document = resolve(context.catalog, recipe).document()
    if as_json:
        context.data(document)
        return
    found = explain(context.catalog, recipe)
    context.console.text(yaml.safe_dump(document, sort_keys=False).rstrip())
    for each in (*found.constraints, *found.validation):
        context.console.text(f"# {each.field}: {each.value}  ← {', '.join(each.places)}")


@recipes.command()
@click.argument("recipe", shell_complete=recipe_names)
@as_json
@click.pass_obj
def why(context: Context, recipe: str, as_json: bool) -> None:
    """Say why a recipe is what it is: overlays, mixins, and the file and line of each component's settings."""
    found = explain(context.catalog, recipe, context.kwok_sets)
    if as_json:
        context.data(found.document())
        return
    lines = [
        f"{found.name}: {found.reason}",
        f"criteria: {', '.join(f'{key} {value}' for key, value in found.criteria.items())}",
        f"base chain: {' → '.join(found.chain)}",
        "applied, in this order:",
        *(f"  {each.name} ({each.file}): {each.reason}" for each in found.applied),
    ]
    if found.mixins:
        lines += [
            "mixins:",
            *(f"  {each.name} ({each.file}), named by {', '.join(each.named_by)}" for each in found.mixins),
        ]
    lines.append("components, in deployment order:")
    for component in found.components:
        lines.append(f"  {component.name}{'' if component.enabled else ' (disabled)'}")
        lines += [f"    {each.field} = {each.value!r}  ← {', '.join(each.places)}" for each in component.settings]
    for heading, settings in (("constraints:", found.constraints), ("validation:", found.validation)):
        if settings:
            lines.append(heading)
            lines += [f"  {each.field} = {each.value!r}  ← {', '.join(each.places)}" for each in settings]
    if found.overrides:
        lines.append("set for simulated nodes:")
        lines += [f"  {each.set}: {each.reason}  ← {each.place}" for each in found.overrides]
    context.console.text("\n".join(lines))
