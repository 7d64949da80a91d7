"""Where a tool is now, PATH or cache, and whether it is what its pin says and what was installed."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import ToolError
from harness.processes.commands import Scope
from harness.settings import Pin
from harness.tools import cache as tool_cache
from harness.tools.files import changed_file
from harness.tools.probe import mismatch, module_mismatch
from harness.tools.ways import CACHE, PATH, Tried, Ways


@dataclass(frozen=True)
class ToolState:
    """Where a tool is now. `origin` is PATH, or how the cached one was made; `path` is None when it is missing.

    `vouched` is what vouches for it: checksums, or the version that it says.
    """

    name: str
    version: str
    state: Literal["path", "cache", "missing"]
    path: Path | None = None
    origin: str = ""
    vouched: str = ""


class Finder:
    """Looks for tools and makes none; `root` is where they are kept."""

    def __init__(
        self, pins: Mapping[str, Pin], ways: Ways, root: Path, *, environment: Mapping[str, str], scope: Scope
    ) -> None:
        self._pins = pins
        self._ways = ways
        self._root = root
        self._environment = environment
        self._scope = scope

    def look(self, name: str, tried: Tried) -> ToolState:
        """Find the tool where it needs no making; where it is missing, `tried` says why not there."""
        pin = self._pins[name]
        on_path = shutil.which(name, path=self._environment.get("PATH", "")) if not pin.files else None
        reason = "not there" if not pin.files else "not looked for: its files would be missing"
        if on_path is not None:
            reason = self.mismatch(name, Path(on_path))
            if not reason:
                vouched = "the module in it" if pin.module else "the version that it says"
                return ToolState(name, pin.version, "path", Path(on_path), PATH, vouched)
            reason = f"{on_path} {reason}"
        tried[PATH] = ToolError(reason)
        return self.in_cache(name, tried)

    def changed(self, state: ToolState) -> str:
        """How a tool that is there differs from what it was when it was made; empty where it does not."""
        if state.path is None or state.state == "path":
            return ""  # one on PATH was probed when it was found
        record = tool_cache.installed(state.path.parent, state.name)
        if record is None:
            return f"{state.path}: is gone"
        if tool_cache.sha256(state.path) != record.sha256:  # before it is run
            return f"{state.path}: was changed: its sha256 is not the one recorded when it was made"
        reason = self.mismatch(state.name, state.path, vouched=bool(record.vouched))
        return f"{state.path}: {reason}" if reason else ""

    def in_cache(self, name: str, tried: Tried) -> ToolState:
        """As `look`, without PATH."""
        pin = self._pins[name]
        for way in self._ways.of(name, tried):
            record = tool_cache.installed(way.slot, name)
            if record is not None:
                vouched = record.vouched or f"go.sum of {pin.wrapper}"
                return ToolState(name, pin.version, "cache", way.slot / name, record.origin, vouched)
        tried[CACHE] = ToolError(f"not in {self._root}")
        return ToolState(name, pin.version, "missing")

    def mismatch(self, name: str, program: Path, *, vouched: bool = False) -> str:
        """Why a program is not the pinned tool, or empty. One that was `vouched` for need not know its version."""
        pin = self._pins[name]
        if not pin.package:
            return changed_file(program)
        if pin.module:
            return module_mismatch(program, pin.module, pin.version, vouched=vouched)
        return mismatch(program, pin.probe, pin.version, environment=self._environment, scope=self._scope)
