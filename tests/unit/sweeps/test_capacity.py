"""How many cells run side by side by default."""

from pathlib import Path

import pytest

from harness.sweeps import capacity
from harness.sweeps.capacity import CELL, GITOPS_CELL, MIB, RESERVE, jobs_for

GIB = 1024 * MIB


@pytest.mark.parametrize(
    ("cores", "free", "cell", "expected"),
    [
        (2, 16 * GIB, CELL, 2),
        (2, 16 * GIB, GITOPS_CELL, 2),
        (8, 7 * GIB, GITOPS_CELL, 5),
        (8, 2 * GIB, CELL, 2),
        (1, 16 * GIB, CELL, 1),
        (16, 256 * MIB, CELL, 1),
        (4, -GIB, CELL, 1),
    ],
)
def test_cores_and_memory_bound_the_jobs(cores: int, free: int, cell: int, expected: int) -> None:
    """The smaller of both, and never none."""
    count, why = jobs_for(cores, free, cell)
    assert count == expected
    assert ("memory" in why) == (expected < cores)


def test_memory_is_enough_for_all_of_them() -> None:
    """Whatever is free: that many cells fit beside the reserve."""
    for free in range(0, 20 * GIB, 300 * MIB):
        count, _ = jobs_for(64, free, GITOPS_CELL)
        assert count == 1 or count * GITOPS_CELL + RESERVE <= free


def test_a_container_has_what_its_limits_say(tmp_path: Path) -> None:
    """Not what the machine has; a container without limits has what the machine has."""
    everything = capacity.cores(tmp_path)
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text(f"{100 * MIB}\n")
    (tmp_path / "memory.current").write_text(f"{60 * MIB}\n")
    assert capacity.cores(tmp_path) == 1
    assert capacity.memory(tmp_path) == 40 * MIB
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert capacity.cores(tmp_path) == everything
    assert capacity.memory(tmp_path) > 40 * MIB
