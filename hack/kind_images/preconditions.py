"""What the factory needs of this machine, asked before anything is made: each error says what to do."""

import json
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

from harness.errors import ToolError

_PROGRAMS = {"debootstrap": "debootstrap", "unshare": "util-linux", "tar": "tar"}
RUNTIME = "runc-bounded"


def check(
    *, which: Callable[[str], str | None] = shutil.which, user: Callable[[], int] = os.geteuid, system: str = ""
) -> None:
    """ToolError unless this is Linux, run by root, with the programs that make a Debian system."""
    if (system or platform.system()) != "Linux":
        raise ToolError("the images can only be made on Linux", do="pull them: nothing of this is needed for that")
    missing = [program for program in _PROGRAMS if which(program) is None]
    if missing:
        packages = " ".join(_PROGRAMS[program] for program in missing)
        raise ToolError(f"not on PATH: {', '.join(missing)}", do=f"install it (on Debian: apt-get install {packages})")
    if user() != 0:
        raise ToolError("debootstrap needs root", do="run it as root, with the same HOME: sudo -E make kind-images")


def bounded_runtime(front: Path) -> str:
    """What to do where the engine cannot start privileged containers: the exact lines; nothing is changed here."""
    installed = f"/usr/local/sbin/{RUNTIME}"
    configuration = {"runtimes": {RUNTIME: {"path": installed}}, "default-runtime": RUNTIME}
    lines = json.dumps(configuration, indent=2).replace("\n", "\n    ")
    return (
        f"this machine lacks a capability that privileged containers are given (CAP_SYS_RESOURCE, most often);\n"
        f"  {RUNTIME} runs runc without asking for it. Install it for the engine:\n"
        f"    install -m 0755 {front} {installed}\n"
        f"  have these keys in /etc/docker/daemon.json:\n    {lines}\n"
        f"  and have the engine read them: systemctl reload docker, or kill -HUP $(pidof dockerd)"
    )
