"""`tools list | prepare | verify | lock`: the pinned programs that the harness drives."""

import tempfile
import threading
from pathlib import Path

import click

from harness.cli.context import Context, as_json
from harness.errors import SettingsError, ToolError, did_you_mean
from harness.tools.toolbox import ToolState


@click.group()
def tools() -> None:
    """List, prepare, verify and lock the pinned tools."""


@tools.command("list")
@as_json
@click.pass_obj
def list_tools(context: Context, as_json: bool) -> None:
    """List the tools: pinned version, where each is now, where it came from and what vouches for it."""
    _print(context, context.toolbox.list(), as_json)


@tools.command()
@click.argument("names", nargs=-1)
@click.pass_obj
def prepare(context: Context, names: tuple[str, ...]) -> None:
    """Make tools ready (all that are pinned, or those named): from PATH, cache or archive, or by building them."""
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


@tools.command()
@click.argument("names", nargs=-1)
@click.option("--check", is_flag=True, help="Fetch nothing: fail unless every pin has a checksum for every platform.")
@click.option("--accept-changed", is_flag=True, help="Replace checksums that changed for an unchanged version.")
@click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The lock file to read and write; by default the one of this installation.",
)
@click.pass_obj
def lock(context: Context, names: tuple[str, ...], check: bool, accept_changed: bool, file: Path | None) -> None:
    """Write the checksums that projects publish for the pins (all tools, or those named) to the lock file."""
    from harness.tools import lock as tools_lock
    from harness.tools.download import Downloader, Patience
    from harness.tools.locking import relock

    file, pins = file or tools_lock.FILE, context.settings.tools.pins
    locked = tools_lock.load(file) if file.exists() else {}
    if check:
        missing = tools_lock.missing(pins, locked)
        if missing:
            raise ToolError(
                f"{len(missing)} checksums are missing or not of the pins:\n  " + "\n  ".join(missing),
                where=str(file),
                do="kwok-harness tools lock, on a machine that reaches the projects' servers",
            )
        context.console.note(f"{file}: every pin with a release has its checksums")
        return
    released = [name for name, pin in pins.items() if pin.release or pin.image]
    for name in names:
        if name not in released:
            raise ToolError(f"{name!r} is not a tool with a release", do=did_you_mean(name, released))
    with context.console as console, tempfile.TemporaryDirectory() as work:
        downloads = Downloader(
            Patience.of(context.settings.deadlines.tool_build, may_build=False), cancelled=threading.Event()
        )
        found = relock(
            pins,
            names or released,
            locked,
            downloads,
            Path(work),
            lambda name, text: console.note(f"{name}: {text}"),
            accept_changed=accept_changed,
        )
    try:
        tools_lock.write(found.lock, file)
    except OSError as error:
        raise SettingsError(f"cannot be written: {error.strerror}", where=str(file)) from error
    console.table(("tool", "version", "platform", "origin", "checksum"), found.rows)
    if found.problems:
        raise ToolError(
            f"{len(found.problems)} checksums were not locked, and stay as they were:\n  "
            + "\n  ".join(found.problems),
            do="find out why; --accept-changed replaces checksums that changed",
        )


def _print(context: Context, states: tuple[ToolState, ...], as_json: bool) -> None:
    rows = [(each.name, each.version, each.state, each.origin, each.vouched, str(each.path or "")) for each in states]
    headings = ("tool", "version", "state", "origin", "vouched_by", "path")
    if as_json:
        context.data([dict(zip(headings, row, strict=True)) for row in rows])
    else:
        context.console.table(headings, rows)
