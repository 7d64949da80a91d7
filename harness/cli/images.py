"""`images list | pull | save | load`: what runs in containers on the Kind runtime."""

import threading
from dataclasses import asdict
from pathlib import Path

import click

from harness.cli.context import Context, as_json
from kwok.engine.client import Engine
from kwok.engine.images import Images, ImageState

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def images() -> None:
    """List, pull and transfer the images of the Kind runtime."""


@images.command("list")
@as_json
@click.pass_obj
def list_images(context: Context, as_json: bool) -> None:
    """List the images: where each is, and what the container engine calls it."""
    _print(context, images_of(context).list(tuple(context.settings.images)), as_json)


@images.command()
@click.argument("names", nargs=-1)
@click.pass_obj
def pull(context: Context, names: tuple[str, ...]) -> None:
    """Pull what is missing (of all images, or of those named)."""
    wanted = names or tuple(context.settings.images)
    with context.console:
        found = images_of(context)
        found.ensure(wanted)
    _print(context, found.list(wanted), as_json=False)


@images.command()
@click.argument("file", type=_FILE)
@click.argument("names", nargs=-1)
@click.pass_obj
def save(context: Context, file: Path, names: tuple[str, ...]) -> None:
    """Write the images (all, or those named) into FILE, for a machine without a registry; pull what is missing."""
    with context.console:
        images_of(context).save(names or tuple(context.settings.images), file)
    context.console.text(str(file))


@images.command()
@click.argument("file", type=_FILE)
@click.pass_obj
def load(context: Context, file: Path) -> None:
    """Put the images of a FILE that `save` wrote into the container engine, and check that they are what it names."""
    with context.console:
        found = images_of(context)
        found.load(file)
    _print(context, found.list(tuple(context.settings.images)), as_json=False)


def images_of(context: Context, engine: Engine | None = None) -> Images:
    """Those of the settings, on this engine, or on the one that answers. Raises EngineMissing."""
    settings = context.settings
    return Images(
        engine or Engine.connect(),
        settings.images,
        settings.retries,
        context.console,
        timeout=settings.deadlines.images,
        cancelled=threading.Event(),  # an interrupt ends the program
    )


def _print(context: Context, states: tuple[ImageState, ...], as_json: bool) -> None:
    if as_json:
        context.data([asdict(each) for each in states])
        return
    rows = [(each.name, each.state, each.reference, each.tag, _size(each.size), each.id[:19]) for each in states]
    context.console.table(("image", "state", "reference", "in the engine", "size", "id"), rows)


def _size(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size else ""
