"""Small inputs after public bug reports, each a recipe with one fault, for real under every lane that its folder names.

They are no part of the project: a directory `shared/cases` beside it, or where SHARED_CASES says. Its README says what
the files of a folder mean; `expected.txt` has a line "LANE CODE" for each lane.
"""

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.processes.ports import free_ports
from harness.settings import ROOT
from lanes import LANES
from tests.e2e.machine import Machine

pytestmark = pytest.mark.e2e

CASES = Path(os.environ.get("SHARED_CASES") or ROOT.parent / "shared" / "cases")
ABSENT = f"NOT TESTED HERE: there are no cases at {CASES} (SHARED_CASES names another place)"


@dataclass(frozen=True)
class Case:
    """A folder under one lane."""

    folder: Path
    lane: str
    code: int

    def __str__(self) -> str:
        return f"{self.folder.name}-{self.lane}"

    def words(self, name: str) -> list[str]:
        """What a file of the folder says for the command line; nothing where there is no such file."""
        file = self.folder / name
        return shlex.split(file.read_text(encoding="utf-8")) if file.is_file() else []


def cases() -> Iterator[Case]:
    known = {lane.name for lane in LANES}
    for folder in sorted(CASES.iterdir()) if CASES.is_dir() else ():
        file = folder / "expected.txt"
        for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
            lane, code = line.split()
            assert lane in known, f"{file}: {line}"
            yield Case(folder, lane, int(code))


@pytest.mark.parametrize(
    "case", list(cases()) or [pytest.param(None, marks=pytest.mark.skip(ABSENT), id="absent")], ids=str
)
def test_a_case_has_its_right_verdict(case: Case, machine: Machine) -> None:
    """The exit code that its folder says, with a reason where it is red."""
    machine.environment |= {"KWOK_RECIPES": str(case.folder / "recipes"), "RUNTIME": "host"}
    machine.environment["KWOK_REGISTRY_HOST_PORT"] = str(free_ports(1, set())[0])
    recipe = case.words("recipe.txt") or [case.folder.name]
    words = [*case.words("options.txt"), "run", *recipe, "--deployer", case.lane, *case.words("args.txt")]
    done = machine.run(*words)
    assert done.returncode == case.code, done.stdout + done.stderr
    assert done.returncode == 0 or f"FAILED {recipe[0]} under {case.lane}: " in done.stdout
