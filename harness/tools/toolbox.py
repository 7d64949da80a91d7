"""The programs that the harness drives (etcd, kubectl, helm, ...), each had at exactly its pinned version.

A tool is looked for on PATH, then in the tool cache; one that is in neither is made: from an official release archive
where its pin names one for this platform, else by building its wrapper module. A tool that was made is in the cache
for every later run, and runs at the same time share one making.

The key of a cached tool covers everything that could change it. For an archive that is the checksum of the file, so a
machine without Go finds it again; for a build it is sources, flags and the version of the Go that would build it now
(known without installing Go: toolchain.py), so a newer Go, with its newer standard library, builds anew.
"""

import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from types import TracebackType

from harness.errors import HarnessError, ToolError, did_you_mean
from harness.processes.commands import Scope
from harness.progress import Progress
from harness.settings import ROOT, Tools
from harness.tools import archive
from harness.tools.archive import Patience
from harness.tools.maker import Maker, ToolState, Tried
from harness.tools.toolchain import PLATFORM

__all__ = ["ToolState", "Toolbox", "cache_directory"]

WRAPPERS = ROOT / "kwok" / "wrappers"


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """$XDG_CACHE_HOME/kwok-harness, else ~/.cache/kwok-harness. A relative XDG_CACHE_HOME does not count (its rule)."""
    named = Path(environment.get("XDG_CACHE_HOME", ""))
    if named.is_absolute():
        return named / "kwok-harness"
    home = environment.get("HOME")
    return (Path(home) if home else Path.home()) / ".cache" / "kwok-harness"


class Toolbox(AbstractContextManager["Toolbox"]):
    """Has tools ready by name; leaving the block (`close`) ends what is still being made.

    `timeout` in seconds is for one build or download (settings deadlines.tool_build). SettingsError where the address
    of an archive is not acceptable.
    """

    def __init__(
        self,
        tools: Tools,
        cache: Path,
        progress: Progress,
        *,
        timeout: float,
        wrappers: Path = WRAPPERS,
        environment: Mapping[str, str] = os.environ,
        patience: Patience | None = None,
    ) -> None:
        archive.check(tools.pins)
        self._pins = tools.pins
        self._progress = progress
        self._scope = Scope()
        self._cancelled = threading.Event()
        self._maker = Maker(
            tools,
            cache,
            progress,
            timeout=timeout,
            wrappers=wrappers,
            environment=dict(environment),
            patience=patience or Patience(total=timeout),
            scope=self._scope,
            cancelled=self._cancelled,
        )
        self._ready: dict[str, Future[Path]] = {}
        self._claiming = threading.Lock()
        self._making = threading.Lock()  # compiling fills the machine: one tool after another

    def prepare(self, names: Sequence[str]) -> None:
        """Begin to make these tools ready, in this order, in the background. ToolError for an unknown name."""
        for name in names:
            self._known(name)
        wanted = [name for name in dict.fromkeys(names) if self._claim(name)]
        if wanted:
            threading.Thread(target=self._prepare, args=(wanted,), name="tools", daemon=True).start()

    def path(self, name: str) -> Path:
        """The tool's program; waits until it is ready. One that was not prepared is made ready on the spot.

        Raises ToolError naming each place that was tried and why it failed.
        """
        self._known(name)
        if self._claim(name):
            self._settle(name, partial(self._obtain, name))
        return self._ready[name].result()

    def list(self) -> tuple[ToolState, ...]:
        """Where each pinned tool is now; makes nothing."""
        return tuple(self._maker.look(name, {}) for name in self._pins)

    def verify(self) -> tuple[ToolState, ...]:
        """Probe every tool that is there, and compare cached ones with the checksum taken when they were made.

        Returns those that are there; ToolError names each that is not what it was.
        """
        present = tuple(state for state in self.list() if state.path is not None)
        wrong = [problem for state in present if (problem := self._maker.changed(state))]
        if wrong:
            raise ToolError(
                f"{len(wrong)} of {len(present)} tools are not what was installed:\n  " + "\n  ".join(wrong),
                do="find out what changed them, remove their directories, and prepare them again",
            )
        return present

    def close(self) -> None:
        """End what is still being made, at once; whoever waits for it gets a ToolError."""
        self._cancelled.set()
        self._scope.stop()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _known(self, name: str) -> None:
        if name not in self._pins:
            raise ToolError(f"unknown tool {name!r}", do=did_you_mean(name, self._pins))

    def _claim(self, name: str) -> bool:
        """Whether it falls to the caller to make this tool ready."""
        with self._claiming:
            if name in self._ready:
                return False
            self._ready[name] = Future()
            return True

    def _settle(self, name: str, work: Callable[[], Path]) -> None:
        """Give those who wait for the tool what `work` returns or raises; what is no HarnessError also goes on."""
        try:
            self._ready[name].set_result(work())
        except BaseException as error:
            self._ready[name].set_exception(error)
            if not isinstance(error, HarnessError):
                raise

    def _prepare(self, names: Sequence[str]) -> None:
        """The background thread: all are looked for first, so that what is there need not wait for a build."""
        try:
            found, missing = self._look_for(names)
            if missing:
                self._progress.note(self._announcement(list(missing)))
            if found:
                self._progress.note("tools: " + "; ".join(f"{', '.join(those)} {how}" for how, those in found.items()))
            for name, tried in missing.items():
                self._settle(name, partial(self._make, name, tried))
        except BaseException as error:  # noqa: BLE001 - handed to whoever asks for a tool that now never comes
            for name in names:
                if not self._ready[name].done():
                    self._ready[name].set_exception(error)

    def _look_for(self, names: Sequence[str]) -> tuple[dict[str, Sequence[str]], dict[str, Tried]]:
        """Settle every tool that is there already. Returns them by where, and the others with why not."""
        found: dict[str, Sequence[str]] = {}
        missing: dict[str, Tried] = {}
        for name in names:
            tried: Tried = {}
            state = self._maker.look(name, tried)
            if state.path is None:
                missing[name] = tried
            else:
                self._ready[name].set_result(state.path)
                how = "on PATH" if state.state == "path" else "from cache"
                found[how] = [*found.get(how, ()), name]
        return found, missing

    def _announcement(self, names: Sequence[str]) -> str:
        """The first line on a cold machine: what will be prepared, and about how long that takes."""
        seconds = sum(self._pins[name].build for name in names if PLATFORM not in self._pins[name].archives)
        long = f"about {math.ceil(seconds / 60)} min on two cores" if seconds >= 60 else "less than a minute"
        tools = "1 tool" if len(names) == 1 else f"{len(names)} tools"
        return f"preparing {tools} (first time on this machine): {', '.join(names)}: {long}"

    def _obtain(self, name: str) -> Path:
        """On the spot: unlike `_prepare` for one tool that its caller waits for."""
        tried: Tried = {}
        state = self._maker.look(name, tried)
        return state.path if state.path is not None else self._make(name, tried)

    def _make(self, name: str, tried: Tried) -> Path:
        with self._making:
            return self._maker.make(name, tried)
