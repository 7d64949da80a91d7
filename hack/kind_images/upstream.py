"""Files of the Go module that a tool is built from, by the go command's own download, checked like the tool's build."""

import json
import os
from pathlib import Path

from harness.errors import ToolError
from harness.processes import commands
from harness.settings import Pin
from harness.tools.toolbox import WRAPPERS
from harness.tools.toolchain import build_environment


def directory(pin: Pin, go: Path, work: Path, timeout: float, wrappers: Path = WRAPPERS) -> Path:
    """The module's directory in the module cache (read-only). ToolError where it cannot be had, or is another one."""
    module, checksum = pinned((wrappers / pin.wrapper / "go.sum").read_text(encoding="utf-8"), pin)
    words = ["mod", "download", "-json", f"{module}@{pin.version}"]
    environment = build_environment(os.environ, work)
    done = commands.run([go, *words], timeout=timeout, env=environment, cwd=work, check=False)
    try:
        said = json.loads(done.stdout)
    except ValueError:
        said = {"Error": done.stderr.strip()}
    if said.get("Error"):
        raise ToolError(
            f"{module} {pin.version}: {said['Error']}", do="connect this machine to a Go module proxy (GOPROXY)"
        )
    if said["Sum"] != checksum:
        raise ToolError(
            f"{module} {pin.version} has the checksum {said['Sum']}, and go.sum of {pin.wrapper} says {checksum}",
            do="the module proxy (GOPROXY) or the module cache gave other bytes than go.sum records: trust neither",
        )
    return Path(said["Dir"])


def pinned(go_sum: str, pin: Pin) -> tuple[str, str]:
    """The module that holds the pin's package, and its checksum, out of the go.sum of the pin's wrapper."""
    for line in go_sum.splitlines():
        module, version, checksum = line.split()
        if version == pin.version and f"{pin.package}/".startswith(f"{module}/"):
            return module, checksum
    raise ToolError(f"go.sum of {pin.wrapper} has no checksum of {pin.package} {pin.version}", do="correct the wrapper")
