"""Prints what preparing the tools of the helm lane takes on a cold machine, by builds and by archives.

    python tests/benchmarks/cold_tools.py [--archives] [--builds] [TOOL...]

Builds (a quarter of an hour twice on two cores): compared with `go build` of the same packages. Both start with an
empty build cache and the same module cache, downloaded first, so that the network is in neither.

Archives: the same tools with `tools.source: archives` from a server of this machine that gives 100 Mbit/s in all. It
serves files of the size that releases have; in them are the programs of the tool cache, which has to be warm.
"""

import hashlib
import json
import os
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import sh
import yaml

from harness.progress import Silent
from harness.settings import load
from harness.tools.toolbox import WRAPPERS, Toolbox, cache_directory
from harness.tools.toolchain import PLATFORM
from kwok.host.runtime import HostRuntime

ROOT = Path(__file__).resolve().parents[2]
TOOLS = (*HostRuntime.tools, "helm", "kubectl")
BYTES_PER_SECOND = 100e6 / 8
CHUNK = 64 * 1024


class Line:
    """One line that all downloads share: a chunk goes when those before it have had their time."""

    def __init__(self) -> None:
        self._free = time.monotonic()
        self._lock = threading.Lock()

    def pass_on(self, size: int) -> None:
        with self._lock:
            self._free = max(self._free, time.monotonic()) + size / BYTES_PER_SECOND
            wait = self._free - time.monotonic()
        time.sleep(max(0.0, wait))


def served(directory: Path) -> ThreadingHTTPServer:
    """A server of the files in a directory, throttled."""
    line = Line()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            file = directory / Path(self.path).name
            self.send_response(200)
            self.send_header("Content-Length", str(file.stat().st_size))
            self.end_headers()
            with file.open("rb") as content:
                while chunk := content.read(CHUNK):
                    line.pass_on(len(chunk))
                    self.wfile.write(chunk)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def archives(tools: tuple[str, ...]) -> None:
    """A cold start with archives."""
    settings = load()
    pins = settings.tools.pins
    with (
        tempfile.TemporaryDirectory() as name,
        Toolbox(settings.tools, cache_directory(), Silent(), timeout=settings.deadlines.tool_build) as box,
    ):
        directory = Path(name)
        server = served(directory)
        own: dict[str, object] = {}
        for tool in tools:
            release = pins[tool].release
            if release is None:
                raise SystemExit(f"{tool} has no release")
            program, served_as = box.path(tool), directory / tool
            if release.member:
                packed = directory / f"{tool}.tar.gz"
                sh.tar("-C", str(program.parent), "-czf", str(packed), tool)
                served_as = packed
            else:
                served_as.write_bytes(program.read_bytes())
            archive = {
                "url": f"http://127.0.0.1:{server.server_port}/{served_as.name}",
                "sha256": hashlib.sha256(served_as.read_bytes()).hexdigest(),
                "member": tool if release.member else "",
            }
            own[tool] = {"archives": {PLATFORM: archive}}
        file = directory / "own.yaml"
        file.write_text(yaml.safe_dump({"tools": {"source": "archives", "pins": own}}))
        sent = sum(path.stat().st_size for path in directory.iterdir() if path != file) / 1e6
        environment = {**os.environ, "XDG_CACHE_HOME": f"{name}/cache", "PATH": "/usr/bin:/bin"}
        words = ("-m", "harness", "--settings", str(file), "tools", "prepare", *tools)
        begun = time.monotonic()
        sh.Command(sys.executable)(*words, _env=environment, _cwd=str(ROOT), _fg=True)
        seconds = time.monotonic() - begun
        server.shutdown()
    at_best = sent * 1e6 / BYTES_PER_SECOND
    print(f"{len(tools)} tools, {sent:.0f} MB at 100 Mbit/s: {seconds:.1f} s; the line alone takes {at_best:.1f} s")
    print(json.dumps({"tools": len(tools), "megabytes": round(sent), "seconds": round(seconds, 1)}))


def builds(tools: tuple[str, ...]) -> None:
    """A cold start with builds, and `go build` of the same packages."""
    pins = load(environment={}).tools.pins
    for wrapper in sorted({pins[name].wrapper for name in tools}):
        sh.go("mod", "download", _cwd=str(WRAPPERS / wrapper), _fg=True)
    with tempfile.TemporaryDirectory() as name:
        environment = {
            **os.environ,
            "XDG_CACHE_HOME": f"{name}/cache",
            "GOCACHE": f"{name}/build",
            "KWOK_TOOLS_SOURCE": "build",
        }
        begun = time.monotonic()
        sh.Command(sys.executable)(
            "-m", "harness", "tools", "prepare", *tools, _env=environment, _cwd=str(ROOT), _fg=True
        )
        harness = time.monotonic() - begun
    with tempfile.TemporaryDirectory() as name:
        environment = {**os.environ, "CGO_ENABLED": "0", "GOCACHE": f"{name}/build", "GOFLAGS": "-buildvcs=false"}
        begun = time.monotonic()
        for tool in tools:
            words = ("-trimpath", "-ldflags", "-s -w", "-o", f"{name}/{tool}", pins[tool].package)
            sh.go("build", *words, _cwd=str(WRAPPERS / pins[tool].wrapper), _env=environment, _fg=True)
        plain = time.monotonic() - begun
    print(f"{len(tools)} tools, cold: {harness / 60:.1f} min; go build of the same packages: {plain / 60:.1f} min")
    print(f"ratio: {harness / plain:.2f}")


def main() -> None:
    options = {word for word in sys.argv[1:] if word.startswith("--")}
    tools = tuple(word for word in sys.argv[1:] if word not in options) or TOOLS
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    if "--builds" not in options or "--archives" in options:
        archives(tools)
    if "--archives" not in options or "--builds" in options:
        builds(tools)


if __name__ == "__main__":
    main()
