"""The ways in which a missing tool can be made, best first: official release file, image or module zip, then a build.

Each way has its own directory in the tool cache, whose key covers everything that could change what it makes. So a tool
that was built before its release had a checksum stays where it is, and is found.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.errors import ToolError
from harness.progress import Progress
from harness.settings import Archive, Pin, Tools
from harness.tools import archive as tool_archive
from harness.tools import cache as tool_cache
from harness.tools import module
from harness.tools.download import Downloader
from harness.tools.files import FILES, write_list
from harness.tools.lock import ImageSource, Lock, archive_of, image_address, image_of
from harness.tools.toolchain import PLATFORM, Go, Toolchain

PATH, CACHE, ARCHIVE, IMAGE, MODULE, BUILD = PLACES = (
    "PATH",
    "tool cache",
    "release archive",
    "official image",
    "module proxy",
    "build",
)
Tried = dict[str, ToolError]  # place -> why the tool could not be had there


@dataclass(frozen=True)
class Way:
    """A way of making a tool, and the directory that what it makes goes to.

    `servers` are addresses that have to answer. `vouched` names the checksum that vouches for the program; it is empty
    for a build, whose sources go.sum vouches for.
    """

    place: str
    verb: str
    origin: str
    slot: Path
    make: Callable[[Path, Path], str]  # (program, work directory) -> version of the Go that built it, or empty
    servers: tuple[str, ...] = ()
    vouched: str = ""

    @property
    def downloads(self) -> bool:
        return self.place in (ARCHIVE, IMAGE, MODULE)


class Ways:
    """Knows the ways of each pin; `root` is where tools are kept."""

    def __init__(
        self,
        tools: Tools,
        lock: Lock,
        root: Path,
        go: Toolchain,
        downloads: Downloader,
        progress: Progress,
        *,
        wrappers: Path,
        environment: Mapping[str, str],
        timeout: float,
    ) -> None:
        self._source = tools.source
        self._pins = tools.pins
        self._lock = lock
        self._root = root
        self._go = go
        self._downloads = downloads
        self._progress = progress
        self._wrappers = wrappers
        self._environment = environment
        self._timeout = timeout

    def of(self, name: str, tried: Tried) -> Iterator[Way]:
        """The ways to make the tool, best first; for one that is closed, `tried` says why."""
        pin = self._pins[name]
        if self._source == "build":
            tried[ARCHIVE] = ToolError("not asked for: tools.source is build")
        else:
            try:
                yield from self._downloaded(name, pin, tried)
            except ToolError as error:  # its module is not locked
                tried[MODULE] = error
        if self._source == "archives":
            tried[BUILD] = ToolError("not asked for: tools.source is archives")
            return
        try:
            yield self._from_wrapper(name, pin)
        except ToolError as error:
            tried[BUILD] = error

    def _downloaded(self, name: str, pin: Pin, tried: Tried) -> Iterator[Way]:
        proxies = module.addresses(pin, self._environment)[:1] if pin.files else []
        beside = tuple(url for url in proxies if not url.startswith("file:"))
        if not pin.package:
            yield self._from_module(name, pin, beside)
            return
        archive, image = archive_of(name, pin, self._lock, PLATFORM), image_of(name, pin, self._lock)
        if archive is not None:
            yield self._from_archive(name, pin, *archive, beside)
        if image is not None:
            yield self._from_image(name, pin, *image, beside)
        if archive is None and image is None:
            why = f"no checksum of {pin.version} is known" if pin.release or pin.image else "settings name none"
            tried[ARCHIVE] = ToolError(f"{why} for {PLATFORM}")

    def _from_archive(self, name: str, pin: Pin, archive: Archive, vouched: str, beside: tuple[str, ...]) -> Way:
        def make(program: Path, work: Path) -> str:
            self._keep_files(name, pin, program, work)
            self._step(name, f"downloading {archive.url}")
            tool_archive.fetch(archive, program, work, self._downloads, partial(self._step, name))
            return ""

        ingredients = {"sha256": archive.sha256, "member": archive.member, **self._files_in_key(pin)}
        slot = tool_cache.slot(self._root, name, pin.version, ingredients)
        return Way(ARCHIVE, "downloaded", archive.url, slot, make, (archive.url, *beside), vouched)

    def _from_image(self, name: str, pin: Pin, image: ImageSource, vouched: str, beside: tuple[str, ...]) -> Way:
        def make(program: Path, work: Path) -> str:
            from harness.tools import layer  # the registry client takes 0.1 s to import, and most runs need none

            self._keep_files(name, pin, program, work)
            self._step(name, f"downloading a layer of {image.repository}:{pin.version}")
            layer.fetch(image, PLATFORM, program, work, self._downloads, partial(self._step, name))
            return ""

        key = {"image": image.digest, "member": image.member, "platform": PLATFORM, **self._files_in_key(pin)}
        slot = tool_cache.slot(self._root, name, pin.version, key)
        return Way(IMAGE, "downloaded", str(image), slot, make, (image_address(image.repository), *beside), vouched)

    def _from_module(self, name: str, pin: Pin, beside: tuple[str, ...]) -> Way:
        def make(program: Path, work: Path) -> str:
            self._keep_files(name, pin, program, work)
            write_list(program)
            return ""

        slot = tool_cache.slot(self._root, name, pin.version, self._go.ingredients(pin))
        return Way(MODULE, "downloaded", _files(pin), slot, make, beside, "go.sum")

    def _from_wrapper(self, name: str, pin: Pin) -> Way:
        go = self._go.choose(pin)
        slot = tool_cache.slot(self._root, name, pin.version, self._go.ingredients(pin, go))
        if not pin.package:
            return Way(
                BUILD, "fetched", _files(pin), slot, lambda program, work: self._fetch(name, pin, go, program, work)
            )

        def make(program: Path, work: Path) -> str:
            self._install(name, go)
            self._step(name, f"building with go {go.version}")
            self._go.build([pin], go, [program], work, self._timeout)
            if pin.files:
                self._go.keep_files(pin, go, program.with_name(FILES), work, self._timeout)
            return go.version

        return Way(BUILD, "built", f"{pin.package} built with go {go.version}", slot, make)

    def _fetch(self, name: str, pin: Pin, go: Go, program: Path, work: Path) -> str:
        """The files of a module, and the list of them that stands for its program."""
        self._install(name, go)
        self._step(name, f"fetching {pin.module}")
        self._go.download(pin, go, work, self._timeout)
        self._go.keep_files(pin, go, program.with_name(FILES), work, self._timeout)
        write_list(program)
        return ""

    def _keep_files(self, name: str, pin: Pin, program: Path, work: Path) -> None:
        """The files of a module beside the program, without Go."""
        if pin.files:
            self._step(name, f"fetching {pin.module}")
            wrapper, target = self._wrappers / pin.wrapper, program.with_name(FILES)
            tell = partial(self._step, name)
            module.keep_files(pin, wrapper, target, work, self._downloads, tell, self._environment)

    def _files_in_key(self, pin: Pin) -> dict[str, object]:
        if not pin.files:
            return {}
        locked = tool_cache.sha256(self._go.wrapper(pin) / "go.sum")
        return {"module": pin.module, "files": list(pin.files), "wrapper": [locked]}

    def _install(self, name: str, go: Go) -> None:
        self._go.install(go, self._timeout, partial(self._step, name))

    def _step(self, name: str, text: str) -> None:
        self._progress.step(f"tool {name}", text)


def _files(pin: Pin) -> str:
    return f"files of {pin.module} {pin.version}"
