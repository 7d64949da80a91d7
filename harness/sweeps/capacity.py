"""How many cells run side by side where nobody says it: what cores and memory allow."""

import os
from pathlib import Path

import psutil

MIB = 1 << 20
CELL = 700 * MIB  # a control plane, helm and the harness
GITOPS_CELL = 1200 * MIB  # with the registry and the controllers of a lane that has them
SPARE = 500 * MIB  # a control plane that waits for its cell
RESERVE = 512 * MIB  # for everybody else on the machine
_CGROUP = Path("/sys/fs/cgroup")


def jobs_for(cores: int, memory: int, cell: int) -> tuple[int, str]:
    """How many cells that take `cell` bytes each, of the `memory` bytes that are free, and why so many."""
    fit = max(1, (memory - RESERVE) // cell)
    why = f"{cores} cores" if cores <= fit else f"{max(0, memory) / (1 << 30):.1f} GiB of memory are free"
    return max(1, min(cores, fit)), why


def cores(cgroup: Path = _CGROUP) -> int:
    """The cores that this process may use: a container may have fewer than the machine."""
    allowed = len(os.sched_getaffinity(0))
    quota, _, period = _read(cgroup / "cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit() and int(period):
        allowed = min(allowed, max(1, int(quota) // int(period)))
    return allowed


def memory(cgroup: Path = _CGROUP) -> int:
    """The bytes that may still be taken without anybody being killed for it."""
    free = int(psutil.virtual_memory().available)
    limit, used = _read(cgroup / "memory.max"), _read(cgroup / "memory.current")
    if limit.isdigit() and used.isdigit():
        free = min(free, int(limit) - int(used))
    return free


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return ""
