"""Where tests are: folders with a test file, and folders of numbered manifests."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from harness.suites import objects
from harness.suites.chainsaw import tests
from harness.suites.chainsaw.configuration import TEST_FILE
from harness.suites.model import (
    Action,
    Assert,
    Documents,
    Error,
    Language,
    Operation,
    Place,
    Step,
    Test,
    Write,
)
from harness.suites.problems import Problems

_NUMBERED = re.compile(r"(\d+)-(.*)\.(?:yaml|yml)", re.ASCII)


def discover(folders: Iterable[Path], problems: Problems, test_file: str = TEST_FILE) -> list[Test]:
    """The tests of `folders` and all folders below them, by path. A folder that cannot be listed is an error: its tests
    would be missing.
    """

    def unreadable(error: OSError) -> None:
        problems.error(f"cannot be read: {error.strerror}", str(error.filename))

    found: list[Test] = []
    for folder in dict.fromkeys(folders):
        for path, below, files in os.walk(folder, onerror=unreadable):
            below.sort()
            found += _of_folder(Path(path), sorted(files), problems, test_file)
    return found


def file_with_tests(folder: Path, files: Iterable[str], name: str) -> Path | None:
    """The file with the tests of a folder: by its whole name, else with .yaml, else with .yml."""
    names = set(files)
    return next((folder / each for each in (name, f"{name}.yaml", f"{name}.yml") if each in names), None)


def _of_folder(folder: Path, files: list[str], problems: Problems, test_file: str) -> list[Test]:
    file = file_with_tests(folder, files, test_file)
    if file is not None:
        return tests.read(file, problems)
    numbered: dict[str, list[tuple[str, Path]]] = {}
    for name in files:
        if found := _NUMBERED.fullmatch(name):
            numbered.setdefault(found[1], []).append((found[2], folder / name))
    steps = [_step(number, numbered[number], problems) for number in sorted(numbered)]
    if not steps:
        return []
    name = folder.resolve().name.lower().replace("_", "-")
    return [Test(name, folder, Place(folder), Language.CHAINSAW, tuple(steps), {"name": name})]


def _step(number: str, files: list[tuple[str, Path]], problems: Problems) -> Step:
    """Applies, then asserts, then errors."""
    kinds: dict[str, list[Operation]] = {"apply": [], "assert": [], "errors": []}
    for rest, file in files:
        kind = rest if rest in ("assert", "errors") else "apply"
        documents = Documents(objects.read(file, problems, objects=kind == "apply"))
        action: Action = Write("apply", documents)
        if kind != "apply":
            action = Assert(documents) if kind == "assert" else Error(documents)
        kinds[kind].append(Operation(action, Place(file, 1)))
    operations = (*kinds["apply"], *kinds["assert"], *kinds["errors"])
    return Step(f"step-{number}", Place(files[0][1]), operations)
