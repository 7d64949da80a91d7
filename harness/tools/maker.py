"""Making tools: each way in its order, and for each why the tool could not be had by it."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from harness.errors import ToolError
from harness.excerpts import first_line
from harness.progress import Progress
from harness.settings import Tools
from harness.tools import cache as tool_cache
from harness.tools.archive import WrongChecksum
from harness.tools.cache import Record, Stage
from harness.tools.finder import Finder
from harness.tools.toolchain import Toolchain
from harness.tools.ways import BUILD, CACHE, PLACES, Tried, Way, Ways


class Maker:
    """Has one tool at a time, or some by one build; knows nothing of threads but that `cancelled` ends it."""

    def __init__(
        self,
        tools: Tools,
        ways: Ways,
        finder: Finder,
        go: Toolchain,
        cache: Path,
        progress: Progress,
        *,
        timeout: float,
        cancelled: threading.Event,
    ) -> None:
        self._pins = tools.pins
        self._may_build = tools.source != "archives"
        self._ways = ways
        self._finder = finder
        self._go = go
        self._cache = cache
        self._root = cache / "tools"
        self._progress = progress
        self._timeout = timeout
        self._cancelled = cancelled

    def download_way(self, name: str) -> Way | None:
        """How the tool is downloaded; None where it can only be built."""
        return next((way for way in self._ways.of(name, {}) if way.downloads), None)

    def download(self, name: str, tried: Tried) -> Path | None:
        """Have a tool that is nowhere yet without compiling it; None where that fails, and `tried` says why.

        Under the lock that all runs share. A wrong checksum is told even where a build will follow.
        """
        ways = [way for way in self._ways.of(name, tried) if way.downloads]
        if not ways:
            return None
        path = self._locked(name, tried, ways)
        failed = [tried[way.place] for way in ways if way.place in tried]
        if path is None and failed and self._may_build and not self._cancelled.is_set():
            self._progress.note(f"tool {name} is built, for it could not be downloaded: {first_line(failed[-1].what)}")
        elif any(isinstance(each, WrongChecksum) for each in failed):
            self._progress.note(f"tool {name}: {first_line(failed[0].what)}")
        return path

    def build(self, name: str, tried: Tried) -> Path:
        """Build a tool that is nowhere yet, under the lock that all runs share.

        `tried` is what `look` and `download` said. Raises ToolError with every place and reason.
        """
        ways = [way for way in self._ways.of(name, tried) if not way.downloads]
        path = self._locked(name, tried, ways)
        if path is None:
            failure = self._failure(name, tried)
            self._progress.failed(f"tool {name}", first_line(failure.what))
            raise failure
        return path

    def shares_build(self, one: str, other: str) -> bool:
        """Whether one `go build` can make both: packages of one wrapper with the same stamps, and no files beside."""
        pins = [self._pins[name] for name in (one, other)]
        return (
            all(pin.package and not pin.files for pin in pins)
            and len({(pin.wrapper, tuple(sorted(pin.stamps.items()))) for pin in pins}) == 1
        )

    def build_together(self, names: Sequence[str]) -> dict[str, Path]:
        """Build several tools by one `go build`, whose compiler and linker then share the machine.

        Returns those that are there now. One that is not is to be built by itself, which says what is wrong with it.
        """
        for name in names:
            self._progress.started(f"tool {name}", f"preparing {self._pins[name].version}")
        made: dict[str, Path] = {}
        started = time.monotonic()
        try:
            with ExitStack() as stack:
                for name in sorted(names):  # in the same order everywhere, or two runs would wait for each other
                    stack.enter_context(self._exclusive(name))
                self._build_missing(names, made, stack, started)
        except (OSError, ToolError):
            return {name: path for name, path in made.items() if path.exists()}
        for name in made:
            self._progress.finished(f"tool {name}", f"built in {time.monotonic() - started:.0f} s, with the others")
        return made

    def _exclusive(self, name: str) -> AbstractContextManager[None]:
        def waiting() -> None:
            self._progress.step(f"tool {name}", "waiting for another run that builds it")

        return tool_cache.exclusive(self._root / f"{name}.lock", self._timeout, self._cancelled, waiting)

    def _locked(self, name: str, tried: Tried, ways: Sequence[Way]) -> Path | None:
        """Make the tool in one of these ways, under its lock, and tell progress. None where `tried` says why not."""
        task = f"tool {name}"
        self._progress.started(task, f"preparing {self._pins[name].version}")
        try:
            with self._exclusive(name):
                made = self._make_or_find(name, tried, ways)
        except OSError as error:
            tried[CACHE] = tool_cache.storage_trouble(error, self._cache)
            return None
        except ToolError as error:
            tried[CACHE] = error
            return None
        if made is None:
            return None
        path, how = made
        self._progress.finished(task, how)
        return path

    def _make_or_find(self, name: str, tried: Tried, ways: Sequence[Way]) -> tuple[Path, str] | None:
        """The program and how it was had. None where no way worked; `tried` then says why."""
        state = self._finder.in_cache(name, tried)
        if state.path is not None:
            return state.path, "from cache: built by another run"
        for way in ways:
            started = time.monotonic()
            try:
                with tool_cache.staged(self._root / f"{name}.tmp", way.slot) as stage:
                    self._finish(name, way, stage, started, way.make)
            except OSError as error:
                tried[way.place] = tool_cache.storage_trouble(error, self._cache)
            except ToolError as error:
                tried[way.place] = error
            else:
                return way.slot / name, f"{way.verb} in {time.monotonic() - started:.0f} s"
        return None

    def _build_missing(self, names: Sequence[str], made: dict[str, Path], stack: ExitStack, started: float) -> None:
        """Build those of the names that are not in the cache; their locks are held."""
        stages: dict[str, tuple[Way, Stage]] = {}
        for name in names:
            state = self._finder.in_cache(name, {})
            if state.path is not None:
                made[name] = state.path
                continue
            way = next(way for way in self._ways.of(name, {}) if way.place == BUILD)
            stages[name] = way, stack.enter_context(tool_cache.staged(self._root / f"{name}.tmp", way.slot))
        if not stages:
            return
        pins = [self._pins[name] for name in stages]
        go = self._go.choose(pins[0])
        first = next(iter(stages))
        self._go.install(go, self._timeout, lambda text: self._progress.step(f"tool {first}", text))
        for name in stages:
            self._progress.step(f"tool {name}", f"building with go {go.version}")
        programs = [stage.install / name for name, (_, stage) in stages.items()]
        self._go.build(pins, go, programs, stages[first][1].work, self._timeout * len(pins))
        for name, (way, stage) in stages.items():
            self._finish(name, way, stage, started, lambda program, work: go.version)
        made |= {name: way.slot / name for name, (way, _) in stages.items()}

    def _finish(self, name: str, way: Way, stage: Stage, started: float, make: Callable[[Path, Path], str]) -> None:
        """Make the program in the stage, see that it is what the pin says, and write its record."""
        program = stage.install / name
        go = make(program, stage.work)
        self._progress.step(f"tool {name}", "checking")
        program.chmod(0o755)
        reason = self._finder.mismatch(name, program, vouched=bool(way.vouched))
        if reason:
            raise ToolError(f"{way.origin}: {reason}", do="correct the pin: its version, archive or stamps")
        seconds = round(time.monotonic() - started, 1)
        record = Record(tool_cache.sha256(program), way.origin, seconds, go, way.vouched)
        tool_cache.write_record(stage.install, record)

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
