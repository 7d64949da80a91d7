"""Files of a Go module at its pinned version, by the go command's own download."""

import json
import os
from pathlib import Path

from harness import process
from harness.errors import ToolError
from kind.pins import Module
from kwok.toolchain import build_environment


def directory(module: Module, go: Path, work: Path, timeout: float) -> Path:
    """The module's directory in the module cache (read-only). ToolError where it cannot be had, or is another one."""
    words = ["mod", "download", "-json", f"{module.module}@{module.version}"]
    environment = build_environment(os.environ, work)
    done = process.run([go, *words], timeout=timeout, env=environment, cwd=work, check=False)
    try:
        said = json.loads(done.stdout)
    except ValueError:
        said = {"Error": done.stderr.strip()}
    if said.get("Error"):
        raise ToolError(
            f"{module.module} {module.version}: {said['Error']}", do="connect this machine to a Go module proxy (GOPROXY)"
        )
    if said["Sum"] != module.sum:
        raise ToolError(
            f"{module.module} {module.version} has the checksum {said['Sum']}, not {module.sum}",
            do="the module proxy (GOPROXY) or the module cache gave other bytes than were pinned: trust neither",
        )
    return Path(said["Dir"])
