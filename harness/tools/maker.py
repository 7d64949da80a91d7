"""Looking for one tool, and making it: each place in its order, and for each why the tool could not be had there."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import ToolError
from harness.excerpts import first_line
from harness.processes.commands import Scope
from harness.progress import Progress
from harness.settings import Archive, Pin, Tools
from harness.tools import archive as tool_archive
from harness.tools import cache as tool_cache
from harness.tools.archive import Patience
from harness.tools.cache import Record, Stage
from harness.tools.files import FILES, changed_file, write_list
from harness.tools.probe import mismatch, module_mismatch
from harness.tools.toolchain import PLATFORM, Go, Toolchain

PATH, CACHE, ARCHIVE, BUILD = PLACES = ("PATH", "tool cache", "release archive", "build")
Tried = dict[str, ToolError]  # place -> why the tool could not be had there


@dataclass(frozen=True)
class ToolState:
    """Where a tool is now. `origin` is PATH, or how the cached one was made; `path` is None when it is missing."""

    name: str
    version: str
    state: Literal["path", "cache", "missing"]
    path: Path | None = None
    origin: str = ""


@dataclass(frozen=True)
class _Way:
    """A way of making a tool, and the directory that what it makes goes to."""

    place: str
    verb: str
    origin: str
    slot: Path
    make: Callable[[Path, Path], str]  # (program, work directory) -> version of the Go that built it, or empty


class Maker:
    """Has one tool at a time; knows nothing of threads but that `cancelled` ends it."""

    def __init__(
        self,
        tools: Tools,
        cache: Path,
        progress: Progress,
        *,
        timeout: float,
        wrappers: Path,
        environment: Mapping[str, str],
        patience: Patience,
        scope: Scope,
        cancelled: threading.Event,
    ) -> None:
        self._pins = tools.pins
        self._cache = cache
        self._root = cache / "tools"
        self._progress = progress
        self._timeout = timeout
        self._environment = environment
        self._patience = patience
        self._scope = scope
        self._cancelled = cancelled
        self._go = Toolchain(tools, cache, wrappers, environment=environment, scope=scope, cancelled=cancelled)

    def look(self, name: str, tried: Tried) -> ToolState:
        """Find the tool where it needs no making; where it is missing, `tried` says why not there."""
        pin = self._pins[name]
        on_path = shutil.which(name, path=self._environment.get("PATH", "")) if not pin.files else None
        reason = "not there" if not pin.files else "not looked for: its files would be missing"
        if on_path is not None:
            reason = self._mismatch(name, Path(on_path))
            if not reason:
                return ToolState(name, pin.version, "path", Path(on_path), PATH)
            reason = f"{on_path} {reason}"
        tried[PATH] = ToolError(reason)
        return self._look_in_cache(name, tried)

    def make(self, name: str, tried: Tried) -> Path:
        """Make a tool that is nowhere yet, under the lock that all runs share, and tell progress.

        `tried` is what `look` said. Raises ToolError with every place and reason.
        """
        task = f"tool {name}"
        self._progress.started(task, f"preparing {self._pins[name].version}")

        def waiting() -> None:
            self._progress.step(task, "waiting for another run that builds it")

        try:
            with tool_cache.exclusive(self._root / f"{name}.lock", self._timeout, self._cancelled, waiting):
                made = self._make_or_find(name, tried)
        except OSError as error:
            tried[CACHE], made = tool_cache.storage_trouble(error, self._cache), None
        except ToolError as error:
            tried[CACHE], made = error, None
        if made is None:
            failure = self._failure(name, tried)
            self._progress.failed(task, first_line(failure.what))
            raise failure
        path, how = made
        self._progress.finished(task, how)
        return path

    def changed(self, state: ToolState) -> str:
        """How a tool that is there differs from what it was when it was made; empty where it does not."""
        if state.path is None or state.state == "path":
            return ""  # one on PATH was probed when it was found
        record = tool_cache.installed(state.path.parent, state.name)
        if record is None:
            return f"{state.path}: is gone"
        if tool_cache.sha256(state.path) != record.sha256:  # before it is run
            return f"{state.path}: was changed: its sha256 is not the one recorded when it was made"
        reason = self._mismatch(state.name, state.path)
        return f"{state.path}: {reason}" if reason else ""

    def _look_in_cache(self, name: str, tried: Tried) -> ToolState:
        version = self._pins[name].version
        for way in self._ways(name, tried):
            record = tool_cache.installed(way.slot, name)
            if record is not None:
                return ToolState(name, version, "cache", way.slot / name, record.origin)
        tried[CACHE] = ToolError(f"not in {self._root}")
        return ToolState(name, version, "missing")

    def _mismatch(self, name: str, program: Path) -> str:
        pin = self._pins[name]
        if not pin.package:
            return changed_file(program)
        if pin.module:
            return module_mismatch(program, pin.module, pin.version)
        return mismatch(program, pin.probe, pin.version, environment=self._environment, scope=self._scope)

    def _ways(self, name: str, tried: Tried) -> Iterator[_Way]:
        """The ways to make the tool, best first; for one that is closed, `tried` says why."""
        pin = self._pins[name]
        archive = pin.archives.get(PLATFORM)
        if archive is not None:
            yield self._from_archive(name, pin, archive)
        else:
            tried[ARCHIVE] = ToolError(f"settings name none for {PLATFORM}")
        try:
            yield self._from_wrapper(name, pin)
        except ToolError as error:
            tried[BUILD] = error

    def _from_archive(self, name: str, pin: Pin, archive: Archive) -> _Way:
        def make(program: Path, work: Path) -> str:
            self._progress.step(f"tool {name}", f"downloading {archive.url}")
            tool_archive.fetch(archive, program, work, patience=self._patience, cancelled=self._cancelled)
            return ""

        ingredients = {"sha256": archive.sha256, "member": archive.member}
        slot = tool_cache.slot(self._root, name, pin.version, ingredients)
        return _Way(ARCHIVE, "downloaded", archive.url, slot, make)

    def _from_wrapper(self, name: str, pin: Pin) -> _Way:
        go = self._go.choose(pin)
        slot = tool_cache.slot(self._root, name, pin.version, self._go.ingredients(pin, go))
        if not pin.package:
            origin = f"files of {pin.module} {pin.version}"
            return _Way(BUILD, "fetched", origin, slot, lambda program, work: self._fetch(name, pin, go, program, work))

        def make(program: Path, work: Path) -> str:
            self._go.install(go, self._timeout, lambda text: self._progress.step(f"tool {name}", text))
            self._progress.step(f"tool {name}", f"building with go {go.version}")
            self._go.build(pin, go, program, work, self._timeout)
            if pin.files:
                self._go.keep_files(pin, go, program.with_name(FILES), work, self._timeout)
            return go.version

        return _Way(BUILD, "built", f"{pin.package} built with go {go.version}", slot, make)

    def _fetch(self, name: str, pin: Pin, go: Go, program: Path, work: Path) -> str:
        """The files of a module, and the list of them that stands for its program."""
        self._go.install(go, self._timeout, lambda text: self._progress.step(f"tool {name}", text))
        self._progress.step(f"tool {name}", f"fetching {pin.module}")
        self._go.download(pin, go, work, self._timeout)
        self._go.keep_files(pin, go, program.with_name(FILES), work, self._timeout)
        write_list(program)
        return ""

    def _make_or_find(self, name: str, tried: Tried) -> tuple[Path, str] | None:
        """The program and how it was had. None where no way worked; `tried` then says why."""
        state = self._look_in_cache(name, tried)
        if state.path is not None:
            return state.path, "from cache: built by another run"
        for way in self._ways(name, tried):
            started = time.monotonic()
            try:
                with tool_cache.staged(self._root / f"{name}.tmp", way.slot) as stage:
                    self._fill(name, way, stage, started)
            except OSError as error:
                tried[way.place] = tool_cache.storage_trouble(error, self._cache)
            except ToolError as error:
                tried[way.place] = error
            else:
                return way.slot / name, f"{way.verb} in {time.monotonic() - started:.0f} s"
        return None

    def _fill(self, name: str, way: _Way, stage: Stage, started: float) -> None:
        """Make the program in the stage, see that it is what the pin says, and write its record."""
        program = stage.install / name
        go = way.make(program, stage.work)
        self._progress.step(f"tool {name}", "checking")
        program.chmod(0o755)
        reason = self._mismatch(name, program)
        if reason:
            raise ToolError(f"{way.origin}: {reason}", do="correct the pin: its version, archive or stamps")
        seconds = round(time.monotonic() - started, 1)
        tool_cache.write_record(stage.install, Record(tool_cache.sha256(program), way.origin, seconds, go))

    def _failure(self, name: str, tried: Tried) -> ToolError:
        """One error out of all that were met, in the order of the places."""
        if self._cancelled.is_set():
            return ToolError("the preparation was stopped", where=f"tool {name}")
        version = self._pins[name].version
        met = [(place, tried[place]) for place in PLACES if place in tried]
        lines = [f"{place}: {error.what}".replace("\n", "\n    ") for place, error in met]
        remedies = dict.fromkeys(error.do for _, error in met if error.do)
        return ToolError(
            f"version {version} is not available; tried in this order\n  " + "\n  ".join(lines),
            where=f"tool {name}",
            do="\n  ".join([*remedies, f"{'or ' if remedies else ''}put {name} {version} on PATH"]),
        )
