"""`images list | pull | save | load`: what runs in containers on the Kind runtime."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

import click

from harness.cli.context import Context, as_json
from harness.endtoend import reading
from harness.endtoend.model import EndToEndSuite
from harness.errors import DataError, SettingsError
from harness.suites import images as suite_images
from kwok.engine.client import Engine
from kwok.engine.images import Images, ImageState
from kwok.engine.references import Reference, same_names

_FILE = click.Path(dir_okay=False, path_type=Path)
_SUITES = click.option(
    "--suite",
    "suites",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="And what the end-to-end suite in DIR needs on the real node.",
)


@click.group()
def images() -> None:
    """List, pull and transfer the images of the Kind runtime."""


@images.command("list")
@_SUITES
@as_json
@click.pass_obj
def list_images(context: Context, suites: tuple[Path, ...], as_json: bool) -> None:
    """List the images: where each is, and what the container engine calls it."""
    wanted = {**context.settings.images, **references_of(context, suites)}
    _print(context, images_of(context, further=wanted).list(tuple(wanted)), as_json)


@images.command()
@click.argument("names", nargs=-1)
@_SUITES
@click.pass_obj
def pull(context: Context, names: tuple[str, ...], suites: tuple[Path, ...]) -> None:
    """Pull what is missing (of all images, or of those named)."""
    further = references_of(context, suites)
    wanted = (*(names or context.settings.images), *further)
    with context.console:
        found = images_of(context, further=further)
        found.ensure(wanted)
    _print(context, found.list(wanted), as_json=False)


@images.command()
@click.argument("file", type=_FILE)
@click.argument("names", nargs=-1)
@_SUITES
@click.pass_obj
def save(context: Context, file: Path, names: tuple[str, ...], suites: tuple[Path, ...]) -> None:
    """Write the images (all, or those named) into FILE, for a machine without a registry; pull what is missing."""
    further = references_of(context, suites)
    with context.console:
        images_of(context, further=further).save((*(names or context.settings.images), *further), file)
    context.console.text(str(file))


@images.command()
@click.argument("file", type=_FILE)
@_SUITES
@click.pass_obj
def load(context: Context, file: Path, suites: tuple[Path, ...]) -> None:
    """Put the images of a FILE that `save` wrote into the container engine, and check that they are what it names."""
    wanted = {**context.settings.images, **references_of(context, suites)}
    with context.console:
        found = images_of(context, further=wanted)
        found.load(file)
    _print(context, found.list(tuple(wanted)), as_json=False)


def references_of(context: Context, suites: Iterable[Path]) -> dict[str, str]:
    """What suites need besides the images of the settings, each under its own reference. Raises DataError."""
    ours = set(same_names(tuple(context.settings.images.values())))
    found: dict[str, str] = {}
    for folder in suites:
        suite, _ = reading.load(folder)
        for each in suite_images.needed(folder, suite.cluster.real):
            try:
                full = Reference.parse(each.reference).pulled
            except ValueError as error:
                raise DataError(str(error), where=each.place) from None
            if full not in ours:
                found[each.reference] = each.reference
    return found


def have_images_of(context: Context, suite: EndToEndSuite) -> tuple[str, ...]:
    """Have in the engine what a suite needs on the real node; the references, as its pods say them.

    Raises ImageMissing, or DataError for what could never be taken from the node: before there is a cluster.
    """
    references = {each.reference: each.reference for each in suite_images.needed(suite.folder, suite.cluster.real)}
    try:
        images_of(context, further=references).ensure_named(tuple(references))
    except SettingsError as error:
        raise DataError(error.what, where=str(suite.folder), do=error.do) from error
    return tuple(references)


def images_of(
    context: Context, engine: Engine | None = None, further: Mapping[str, str] = MappingProxyType({})
) -> Images:
    """Those of the settings and `further` ones, on this engine, or on the one that answers. Raises EngineMissing."""
    settings = context.settings
    return Images(
        engine or Engine.connect(),
        {**settings.images, **further},
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
