"""`tools list | prepare | verify`: the pinned programs that the harness drives."""

import click

from harness.cli.context import Context, as_json
from harness.errors import ToolError
from harness.tools.toolbox import ToolState


@click.group()
def tools() -> None:
    """List, prepare and verify the pinned tools."""


@tools.command("list")
@as_json
@click.pass_obj
def list_tools(context: Context, as_json: bool) -> None:
    """List the tools: pinned version, and where each is now."""
    _print(context, context.toolbox.list(), as_json)


@tools.command()
@click.argument("names", nargs=-1)
@click.pass_obj
def prepare(context: Context, names: tuple[str, ...]) -> None:
    """Make tools ready (all that are pinned, or those named): from PATH, cache, archive, or by building them."""
    wanted = names or tuple(context.settings.tools.pins)
    with context.console, context.toolbox as box:
        box.prepare(wanted)
        for name in wanted:
            box.path(name)
    context.console.table(("tool", "path"), [(name, str(box.path(name))) for name in wanted])


@tools.command()
@as_json
@click.pass_obj
def verify(context: Context, as_json: bool) -> None:
    """Check each tool that is there: the pinned version, and the bytes that were installed."""
    present = context.toolbox.verify()
    if not present:
        raise ToolError("no tool is there, so nothing was verified", do="kwok-harness tools prepare")
    _print(context, present, as_json)


def _print(context: Context, states: tuple[ToolState, ...], as_json: bool) -> None:
    rows = [(each.name, each.version, each.state, each.origin, str(each.path or "")) for each in states]
    headings = ("tool", "version", "state", "origin", "path")
    if as_json:
        context.data([dict(zip(headings, row, strict=True)) for row in rows])
    else:
        context.console.table(headings, rows)
