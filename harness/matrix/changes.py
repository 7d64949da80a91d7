"""A change and whom it touches: the commits of a branch, or files that somebody names."""

import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import DataError, HarnessError
from harness.excerpts import first_line
from harness.matrix.git import Repository
from harness.matrix.touched import State, touched
from harness.recipes.load import Catalog
from harness.recipes.profiles import Profiles
from harness.recipes.registry import FILE as REGISTRY

WORKFLOWS = ".github"


@dataclass(frozen=True)
class Change:
    """`what` it is in words, its `files` (absolute paths), and the reason for each recipe that it touches."""

    what: str
    files: tuple[Path, ...]
    touched: Mapping[str, str]


def since(base: str, catalog: Catalog, profiles: Profiles, *, used: Collection[Path], checkout: Path) -> Change:
    """What was committed since HEAD left `base`, in the repository that the directory `checkout` is in; `used` are
    the files that every recipe depends on besides: settings, and overrides.

    What is not committed does not count. Raises UsageError (64) for a base that git does not know, DataError (10)
    where there is no repository, only a part of its history, or another one than that of the recipes.
    """
    directory = catalog.directory.resolve()
    repository = Repository.around(checkout)
    if not repository.holds(directory / REGISTRY):
        do = (
            "name recipes that are committed there, such as -o recipes=deploy/recipes (or KWOK_RECIPES),\n"
            "  or name the changed files instead: --changed FILE..."
        )
        raise DataError(f"is not part of the repository {repository.top}", where=str(directory), do=do)
    commit = repository.merge_base(base)
    files = repository.changed(commit)
    what = f"{_counted(files)} committed since {commit[:12]}, the merge base with {base}"
    always = (repository.top / WORKFLOWS, *_named_and_real(used))
    with tempfile.TemporaryDirectory(prefix="kwok-harness-") as temporary:
        now = State(catalog, profiles)
        try:
            before = _restored(repository, commit, now, Path(temporary).resolve()) if files else now
        except HarnessError as error:
            reason = f"the recipe data at {commit[:12]} cannot be read: {first_line(error.what)}"
            return Change(what, tuple(sorted(files)), dict.fromkeys(catalog.testable(), reason))
        return Change(what, tuple(sorted(files)), touched(now, files, before, always=always))


def named(files: Iterable[str], catalog: Catalog, profiles: Profiles, *, used: Collection[Path]) -> Change:
    """What the files of these names touch, relative to the current directory. A deleted one touches every recipe."""
    paths = {(path := Path(file).absolute()).parent.resolve() / path.name for file in files}
    always = (catalog.root.resolve() / WORKFLOWS, *_named_and_real(used))
    found = touched(State(catalog, profiles), paths, None, always=always)
    return Change(f"{_counted(paths)} named", tuple(sorted(paths)), found)


def _restored(repository: Repository, commit: str, now: State, into: Path) -> State:
    """The recipe data at `commit`, below a root of its own. Raises HarnessError where it cannot be had or read."""
    root = into / "before"
    scope = now.root if now.root.is_relative_to(repository.top) else repository.top
    if not now.directory.is_relative_to(now.root):
        raise DataError("the recipes directory is a symbolic link", where=str(now.catalog.directory))
    repository.restore(commit, scope, root / scope.relative_to(now.root))
    catalog = Catalog.load(root / now.directory.relative_to(now.root))
    return State(catalog, replace(now.profiles, beside=root / now.profiles.beside.name))


def _named_and_real(files: Collection[Path]) -> set[Path]:
    """As git names them: of a symbolic link both the link and what it leads to."""
    return {path for file in files for path in (file.absolute().parent.resolve() / file.name, file.resolve())}


def _counted(files: Collection[Path]) -> str:
    return f"{len(files)} {'file' if len(files) == 1 else 'files'}"
