"""What this machine can tell of itself, as a snapshot has it: OS and SystemD of a Linux machine.

A snapshot is of a cluster, so these readings belong into one only where this machine is a node of it.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.errors import HarnessError
from harness.objects import Object
from harness.processes import commands
from harness.validation.capture import grouped
from harness.validation.measurements import Scalar, Subtype

UNITS = ("containerd.service", "docker.service", "kubelet.service")
_LONGEST = 4096  # bytes of one kernel parameter
_NO_SETTINGS = ("net", "kernel/random")  # below /proc/sys: one per interface, and what differs at each reading


def node_of(nodes: Iterable[Object], root: Path = Path("/")) -> str:
    """The name of the node that this machine is, by its machine id; empty where it is none."""
    try:
        identity = (root / "etc/machine-id").read_text().strip()
    except OSError:
        return ""
    for node in nodes:
        info = (node.get("status") or {}).get("nodeInfo") or {}
        if identity and info.get("machineID") == identity:
            return str(node["metadata"]["name"])
    return ""


def measure(root: Path = Path("/")) -> dict[str, Mapping[str, Subtype]]:
    """Measurements OS and SystemD of the machine whose file system is `root`; what cannot be read is left out."""
    groups = {"release": _release(root), "sysctl": _sysctl(root), "kmod": _modules(root), "grub": _boot(root)}
    found = {"OS": grouped(groups), "SystemD": grouped({unit: _unit(unit) for unit in UNITS})}
    return {name: subtypes for name, subtypes in found.items() if subtypes}


def _release(root: Path) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    for line in _text(root / "etc/os-release").splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#"):
            found[key] = value.strip("\"'")
    return found


def _sysctl(root: Path) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    top = root / "proc/sys"
    for path, folders, files in os.walk(top):
        folder = Path(path)
        inside = folder.relative_to(top)
        folders[:] = [each for each in folders if str(inside / each) not in _NO_SETTINGS]
        for name in files:
            if text := _text(folder / name).strip():
                found[f"/proc/sys/{inside / name}"] = text
    return found


def _modules(root: Path) -> dict[str, Scalar]:
    return {line.split()[0]: True for line in _text(root / "proc/modules", most=1 << 20).splitlines() if line.strip()}


def _boot(root: Path) -> dict[str, Scalar]:
    pairs = (word.partition("=") for word in _text(root / "proc/cmdline").split())
    return {key: value for key, _, value in pairs if key}


def _unit(unit: str) -> dict[str, Scalar]:
    """The state of a unit; nothing where systemd does not run here, or has no such unit."""
    properties = ("LoadState", "ActiveState", "SubState")
    words = ["systemctl", "show", unit, f"--property={','.join(properties)}"]
    try:
        done = commands.run(words, timeout=10, check=False)
    except HarnessError:
        return {}
    pairs = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    if done.returncode != 0 or pairs.get("LoadState") != "loaded":
        return {}
    return {key: value for key, value in pairs.items() if key in properties and key != "LoadState"}


def _text(file: Path, most: int = _LONGEST) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(most).decode(errors="replace")
    except OSError:
        return ""
