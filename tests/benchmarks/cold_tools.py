"""Prints what preparing the tools of the helm lane takes on a cold machine, and how that compares with `go build`.

    python tests/benchmarks/cold_tools.py [TOOL...]

Both start with an empty build cache and the same module cache (downloaded first, so that the network is in neither).
For all tools of the lane that takes twice as long as a cold preparation: a quarter of an hour on two cores.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import sh

from harness.settings import load
from harness.tools.toolbox import WRAPPERS
from kwok.host.runtime import HostRuntime

ROOT = Path(__file__).resolve().parents[2]
TOOLS = (*HostRuntime.tools, "helm", "kubectl")


def main() -> None:
    tools = tuple(sys.argv[1:]) or TOOLS
    pins = load(environment={}).tools.pins
    for wrapper in sorted({pins[name].wrapper for name in tools}):
        sh.go("mod", "download", _cwd=str(WRAPPERS / wrapper), _fg=True)
    with tempfile.TemporaryDirectory() as name:
        environment = {**os.environ, "XDG_CACHE_HOME": f"{name}/cache", "GOCACHE": f"{name}/build"}
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


if __name__ == "__main__":
    main()
