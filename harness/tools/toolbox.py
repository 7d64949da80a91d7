"""The programs that the harness drives (etcd, kubectl, helm, ...), each had at exactly its pinned version.

A tool is looked for on PATH, then in the tool cache; one that is in neither is made: from an official release archive
or image where a checksum of it is known, else by building its wrapper module (settings tools.source). A tool that was
made is in the cache for every later run, and runs at the same time share one making.

The key of a cached tool covers everything that could change it. For an archive that is the checksum of the file, so a
machine without Go finds it again; for a build it is sources, flags and the version of the Go that would build it now
(known without installing Go: toolchain.py), so a newer Go, with its newer standard library, builds anew.
"""

import os
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType

from harness.errors import HarnessError, ToolError, did_you_mean
from harness.processes.commands import Scope
from harness.progress import Progress
from harness.settings import ROOT, Tools
from harness.tools import archive
from harness.tools import lock as tools_lock
from harness.tools.download import Downloader, Patience
from harness.tools.estimate import announcement
from harness.tools.finder import Finder, ToolState
from harness.tools.hosts import Hosts, Unreachable
from harness.tools.lock import Lock
from harness.tools.maker import Maker
from harness.tools.toolchain import Toolchain
from harness.tools.ways import Tried, Ways

__all__ = ["ToolState", "Toolbox", "cache_directory"]

WRAPPERS = ROOT / "kwok" / "wrappers"
DOWNLOADS = 4  # at once: enough to fill a line, few enough to have the first tools first


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """$XDG_CACHE_HOME/kwok-harness, else ~/.cache/kwok-harness. A relative XDG_CACHE_HOME does not count (its rule)."""
    named = Path(environment.get("XDG_CACHE_HOME", ""))
    if named.is_absolute():
        return named / "kwok-harness"
    home = environment.get("HOME")
    return (Path(home) if home else Path.home()) / ".cache" / "kwok-harness"


class Toolbox(AbstractContextManager["Toolbox"]):
    """Has tools ready by name; leaving the block (`close`) ends what is still being made.

    `timeout` in seconds is for one build or download (settings deadlines.tool_build); `lock` has the checksums of
    official files, by default those of tools.lock.yaml. SettingsError where an address is not acceptable.
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
        lock: Lock | None = None,
        hosts: Hosts | None = None,
    ) -> None:
        archive.check(tools.pins)
        self._pins = tools.pins
        self._may_build = tools.source != "archives"
        self._hosts = hosts or Hosts()
        self._progress = progress
        self._scope = Scope()
        self._cancelled = threading.Event()
        root, variables = cache / "tools", dict(environment)
        bounds = patience or Patience.of(timeout, may_build=self._may_build)
        downloads = Downloader(bounds, cancelled=self._cancelled, hosts=self._hosts)
        go = Toolchain(tools, cache, wrappers, environment=variables, scope=self._scope, cancelled=self._cancelled)
        ways = Ways(
            tools,
            tools_lock.load() if lock is None else lock,
            root,
            go,
            downloads,
            progress,
            wrappers=wrappers,
            environment=variables,
            timeout=timeout,
        )
        self._finder = Finder(tools.pins, ways, root, environment=variables, scope=self._scope)
        self._maker = Maker(tools, ways, self._finder, go, cache, progress, timeout=timeout, cancelled=self._cancelled)
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
        return tuple(self._finder.look(name, {}) for name in self._pins)

    def verify(self) -> tuple[ToolState, ...]:
        """Probe every tool that is there, and compare cached ones with the checksum taken when they were made.

        Returns those that are there; ToolError names each that is not what it was.
        """
        present = tuple(state for state in self.list() if state.path is not None)
        wrong = [problem for state in present if (problem := self._finder.changed(state))]
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
            reachable = self._reachable(missing)
            if missing:
                self._progress.note(
                    announcement({name: self._pins[name] for name in missing}, reachable, may_build=self._may_build)
                )
            if found:
                self._progress.note("tools: " + "; ".join(f"{', '.join(those)} {how}" for how, those in found.items()))
            self._make_all(missing, reachable)
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
            state = self._finder.look(name, tried)
            if state.path is None:
                missing[name] = tried
            else:
                self._ready[name].set_result(state.path)
                how = "on PATH" if state.state == "path" else "from cache"
                found[how] = [*found.get(how, ()), name]
        return found, missing

    def _reachable(self, missing: Mapping[str, Tried]) -> set[str]:
        """Those that can be downloaded: all their servers are contacted at once. What does not answer is told once."""
        ways = {name: way for name in missing if (way := self._maker.download_way(name)) is not None}
        self._hosts.contact(url for way in ways.values() for url in way.servers)
        silent: dict[str, str] = {}
        found = set()
        for name, way in ways.items():
            try:
                for url in way.servers:
                    self._hosts.require(url)
            except Unreachable as error:
                missing[name][way.place] = error
                silent[error.host] = error.reason
            else:
                found.add(name)
        if silent:
            instead = "tools from there are built" if self._may_build else "tools from there cannot be had"
            reasons = "; ".join(dict.fromkeys(silent.values()))
            self._progress.note(f"not reachable: {', '.join(silent)} ({reasons}): {instead}")
        return found

    def _make_all(self, missing: Mapping[str, Tried], reachable: set[str]) -> None:
        """Download some tools side by side and build the others meanwhile, both in the order in which they are needed.

        What cannot be downloaded after all is built in its turn. Each tool puts one message into `turns`.
        """
        order = list(missing)
        turns: queue.PriorityQueue[tuple[int, bool]] = queue.PriorityQueue()  # (place in order, whether to build)
        wanted: queue.SimpleQueue[int] = queue.SimpleQueue()
        for place, name in enumerate(order):
            if name in reachable:
                wanted.put(place)
            else:
                turns.put((place, True))

        def download() -> None:
            with suppress(queue.Empty):
                while True:
                    place = wanted.get_nowait()
                    name, to_build = order[place], True
                    try:
                        path = self._maker.download(name, missing[name])
                        if path is not None:
                            self._ready[name].set_result(path)
                            to_build = False
                    except BaseException as error:  # noqa: BLE001 - handed to whoever asks for the tool
                        self._ready[name].set_exception(error)
                        to_build = False
                    finally:
                        turns.put((place, to_build))

        for _ in range(min(DOWNLOADS, wanted.qsize())):
            threading.Thread(target=download, name="download", daemon=True).start()
        alone = [name for name in order if name not in reachable]
        for _ in order:
            place, to_build = turns.get()
            if to_build and not self._ready[order[place]].done():
                self._build(order[place], missing, alone)

    def _build(self, name: str, missing: Mapping[str, Tried], others: Sequence[str]) -> None:
        """Build a tool, and by the same command those of the others that can share it."""
        batch = [each for each in others if not self._ready[each].done() and self._maker.shares_build(name, each)]
        with self._making:
            if name in batch and len(batch) > 1 and self._may_build:
                for each, path in self._maker.build_together(batch).items():
                    self._ready[each].set_result(path)
            if not self._ready[name].done():
                self._settle(name, partial(self._maker.build, name, missing[name]))

    def _obtain(self, name: str) -> Path:
        """On the spot: unlike `_prepare` for one tool that its caller waits for."""
        tried: Tried = {}
        state = self._finder.look(name, tried)
        if state.path is not None:
            return state.path
        path = self._maker.download(name, tried)
        if path is not None:
            return path
        with self._making:
            return self._maker.build(name, tried)
