"""The images of the Kind runtime: which ones the engine has, and how the others are had.

An image is taken by its exact reference; else one that says by its label that it stands for that reference (the offline
factory builds those); else it is pulled. Where the settings give a digest, an image of the same tag is never enough.
What is here by digest gets a tag that says so, `name:sha256-<hex>`: kind and pods can name it, no tag of the user's is
moved, and it goes with the image into a file and out of it, which the engine's own note of a digest does not.
"""

import shutil
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from harness.deadline import Deadline
from harness.errors import ClusterError, ImageMissing, SettingsError, UsageError, did_you_mean
from harness.processes.threads import Background
from harness.progress import Progress, task
from harness.settings import Retries
from kwok.engine import archive
from kwok.engine.archive import Entry, ImageFileError
from kwok.engine.client import Engine, EngineError, Image
from kwok.engine.pull import Pull
from kwok.engine.references import Reference, same_names

STANDS_FOR = "kwok-harness.stands-for"  # label: the reference in the settings, digest included
_AT_ONCE = 3  # pulls; each has several layers under way, and registries count requests
_LEAST = 200 * 10**6  # bytes of disk for an image that is to be pulled; most take more
_TICK = 0.2  # seconds between two looks at whether anybody still waits

State = Literal["here", "built here", "missing"]


@dataclass(frozen=True)
class ImageState:
    """`tag` is what the engine calls it (empty when missing), `size` bytes."""

    name: str
    reference: str
    state: State
    tag: str = ""
    size: int = 0
    id: str = ""


class Images:
    """The images of `references` (logical name to reference) in one engine; `timeout` seconds bound a whole pull."""

    def __init__(
        self,
        engine: Engine,
        references: Mapping[str, str],
        retries: Retries,
        progress: Progress,
        *,
        timeout: float,
        cancelled: threading.Event,
    ) -> None:
        self._engine = engine
        self._written = references
        self._retries = retries
        self._progress = progress
        self._timeout = timeout
        self._cancelled = cancelled
        self._references: dict[str, Reference] = {}
        for name, text in references.items():
            try:
                self._references[name] = Reference.parse(text)
            except ValueError as error:
                raise SettingsError(str(error), where=f"images.{name}") from None

    def list(self, names: Sequence[str]) -> tuple[ImageState, ...]:
        """Where each image is now; pulls nothing."""
        for name in names:
            if name not in self._references:
                raise UsageError(f"unknown image {name!r}", do=did_you_mean(name, self._references))
        stock = _Stock(self._engine)
        return tuple(stock.state(name, self._written[name], self._references[name]) for name in names)

    def ensure(self, names: Sequence[str]) -> dict[str, str]:
        """Have them all, pulling what is missing. The tag of each, by which kind and pods can name it.

        Raises ImageMissing, which names every one that could not be had.
        """
        states = self.list(names)
        missing = [each for each in states if each.state == "missing"]
        if missing:
            self._pull(missing)
            states = self.list(names)
        for each in states:
            if "@" in each.tag:  # by digest, which no pod can name once the image is in the node
                self._engine.tag(each.id, self._references[each.name].mark)
        states = self.list(names)
        lost = {each.reference: "was there a moment ago" for each in states if each.state == "missing"}
        if lost:
            raise _missing(states, lost, self._engine)
        built = [each.name for each in states if each.state == "built here"]
        if built:
            self._progress.note(f"images that were built here, not pulled: {', '.join(built)}")
        return {each.name: each.tag for each in states}

    def ensure_named(self, names: Sequence[str]) -> dict[str, str]:
        """As `ensure`, for images whose pods say the very references: each is also called so in the engine.

        Raises SettingsError for a reference by digest, which no pod can name once the image is in a node.
        """
        for name in names:
            if name in self._references and self._references[name].digest:
                raise SettingsError(
                    f"{self._written[name]} names a digest, which an image in a Kind node does not have",
                    do="name it by its tag",
                )
        self.ensure(names)
        for each in self.list(names):
            wanted = self._references[each.name].tagged
            if wanted not in same_names((each.tag,)):  # another image stands for it
                self._engine.tag(each.id, wanted)
        return {each.name: each.tag for each in self.list(names)}

    def save(self, names: Sequence[str], file: Path) -> None:
        """Have them all, and write them into one file, 0644. Raises ImageMissing, ImageFileError."""
        if not file.absolute().parent.is_dir():
            raise ImageFileError("cannot be written: its directory is not there", where=str(file))
        tags = self.ensure(names)
        states = self.list(names)
        entries = [self._entry(each) for each in states]
        size = sum({each.id: each.size for each in states}.values())
        _room(file.absolute().parent, size, f"to write {file}")
        with task(self._progress, "images", f"writing {len(entries)} images of {size / 1e6:.0f} MB to {file}"):
            archive.write(file, self._engine.save(list(dict.fromkeys(tags.values()))), entries)

    def load(self, file: Path) -> tuple[str, ...]:
        """Put the images of a file that `save` wrote into the engine; their logical names.

        Raises ImageFileError where it is another file, is for another architecture, or did not bring what it names.
        """
        entries = archive.read(file)
        for each in entries:
            if each.architecture != self._engine.architecture:
                raise ImageFileError(
                    f"has images for {each.architecture}, and {self._engine.name} runs {self._engine.architecture}",
                    where=str(file),
                    do="save them on a machine of the same architecture",
                )
        size = file.stat().st_size
        self._room_in_engine(2 * size, f"to load {file}")  # unpacked before it is taken over
        with task(self._progress, "images", f"loading {len(entries)} images of {size / 1e6:.0f} MB"):
            with file.open("rb") as tar:
                self._engine.load(tar)
            wrong = [each for each in entries if not _is(each, self._engine.image(each.tag))]
        if wrong:
            names = "\n  ".join(f"{each.name} ({each.tag}): should be {each.id}" for each in wrong)
            raise ImageFileError(f"did not bring what its index names\n  {names}", where=str(file))
        return tuple(each.name for each in entries)

    def _entry(self, state: ImageState) -> Entry:
        found = self._engine.image(state.id)
        if found is None:
            raise ImageMissing(f"{state.name} ({state.tag}) was removed meanwhile")
        tag = Reference.parse(state.tag).tagged  # in full: another engine may write it otherwise
        return Entry(state.name, state.reference, tag, state.id, found.layers, found.architecture)

    def _pull(self, missing: Sequence[ImageState]) -> None:
        own = [each for each in missing if self._references[each.name].made_here]
        if own:
            raise _not_made(own, self._engine)
        over, slots = threading.Event(), threading.BoundedSemaphore(_AT_ONCE)
        wanted = {each.reference: self._references[each.name].pulled for each in missing}
        self._room_in_engine(len(wanted) * _LEAST, f"to pull {len(wanted)} images")
        names = {each.reference: each.name for each in reversed(missing)}
        pulls = {
            reference: Pull(self._engine, names[reference], pulled, self._retries, self._progress, over)
            for reference, pulled in wanted.items()
        }

        def one(pull: Pull) -> None:
            with slots:
                pull.run()

        deadline = Deadline.after(self._timeout)
        works = {key: Background(partial(one, pull), f"image {names[key]}") for key, pull in pulls.items()}
        try:
            pending = {work.future for work in works.values()}
            while pending and not deadline.expired and not self._cancelled.is_set():
                _, pending = wait(pending, min(_TICK, deadline.remaining))
        finally:
            over.set()
        if self._cancelled.is_set():
            raise ClusterError("the pull of images was stopped")
        failed = {}
        for key, work in works.items():
            if work.future not in pending:
                try:
                    work.result()
                except EngineError as error:
                    failed[key] = error.what
            else:
                failed[key] = f"not done after {self._timeout:.0f} s: {pulls[key].state}"
        if failed:
            raise _missing(missing, failed, self._engine)

    def _room_in_engine(self, needed: int, why: str) -> None:
        if self._engine.local:
            _room(self._engine.root, needed, why)


class _Stock:
    """What the engine has at one moment, by names in full."""

    def __init__(self, engine: Engine) -> None:
        self._named: dict[str, tuple[str, Image]] = {}  # in full -> as the engine writes it
        for image in engine.images():
            for full, name in same_names(image.tags + image.digests).items():
                self._named[full] = (name, image)
        # Not every engine tells labels in its list. Those without a tag were replaced by a later build.
        labelled = [each for each in engine.images(STANDS_FOR) if each.tags]
        self._built = {each.id for each in labelled}
        self._standing: dict[Reference, Image] = {}
        for each in sorted(labelled, key=lambda image: image.created):
            found = engine.image(each.id)
            for full in same_names((found.labels.get(STANDS_FOR, ""),) if found else ()).values():
                self._standing[Reference.parse(full)] = each

    def state(self, name: str, written: str, reference: Reference) -> ImageState:
        found = self._named.get(reference.mark) or self._named.get(reference.pulled)
        if found is not None:
            tag, image = found
            state: State = "built here" if image.id in self._built else "here"
            return ImageState(name, written, state, tag, image.size, image.id)
        standing = self._standing.get(reference)
        if standing is not None:
            return ImageState(name, written, "built here", standing.tags[0], standing.size, standing.id)
        return ImageState(name, written, "missing")


def _is(entry: Entry, image: Image | None) -> bool:
    """By its id; by its layers where this engine counts ids otherwise than the one that saved it."""
    return image is not None and (image.id == entry.id or image.layers == entry.layers)


def _missing(states: Sequence[ImageState], why: Mapping[str, str], engine: Engine) -> ImageMissing:
    lines = [f"{each.name} ({each.reference}): {why[each.reference]}" for each in states if each.reference in why]
    return ImageMissing(
        f"{engine.name} does not have these images and cannot pull them\n  " + "\n  ".join(lines),
        do="load them from a machine that can pull: `kwok-harness images save FILE` there, `images load FILE` here;\n"
        "  or use RUNTIME=host, which needs none",
    )


def _not_made(states: Sequence[ImageState], engine: Engine) -> ImageMissing:
    lines = [each.reference for each in states]
    return ImageMissing(
        f"{engine.name} does not have these images, and no registry has them\n  " + "\n  ".join(lines),
        do="build them in a checkout of the harness (target suite-images), or load them from a machine that has them:\n"
        "  `kwok-harness images save FILE --suite DIR` there, `images load FILE` here;\n"
        "  or use RUNTIME=host, which needs none",
    )


def _room(directory: Path, needed: int, why: str) -> None:
    """ClusterError where the disk is known to be too full."""
    try:
        free = shutil.disk_usage(directory).free
    except OSError:
        return  # not readable from here; the engine will say it
    if free < needed:
        raise ClusterError(
            f"{free / 1e6:.0f} MB are free at {directory}, and {needed / 1e6:.0f} MB are needed {why}",
            do="make room (docker image prune), or keep images elsewhere",
        )
