"""What git knows: which files a branch has changed since it left another one, and what was there before.

Only plumbing commands, which no configuration of a user bends. The index and the working tree are left alone.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness.errors import DataError, ToolError, UsageError
from harness.processes.commands import CommandMissing, Completed, run

TIMEOUT = 120.0  # seconds for one command: a large checkout on a slow disk
# Set within a hook, they mean the repository of the hook, whatever directory git is told to work in.
_LOCAL = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX")


@dataclass(frozen=True)
class Repository:
    """A repository by the top of its working tree, with its whole history."""

    top: Path

    @classmethod
    def around(cls, directory: Path) -> Self:
        """The repository that `directory` is in. DataError (10) if there is none, or one whose history is cut off."""
        answer = _git(directory, "rev-parse", "--show-toplevel", "--is-shallow-repository", check=False)
        if answer.returncode:
            what = f"is not in a git repository: {answer.stderr.strip()}"
            do = "run this in the checkout of the recipes, or name the changed files instead: --changed FILE..."
            raise DataError(what, where=str(directory), do=do)
        top, shallow = answer.stdout.splitlines()
        if shallow == "true":
            do = "git fetch --unshallow; in GitHub Actions, actions/checkout with fetch-depth: 0"
            raise DataError("is a shallow clone: the changes of a branch cannot be determined", where=top, do=do)
        return cls(Path(top))

    def merge_base(self, base: str) -> str:
        """The commit at which HEAD left `base`. Raises UsageError (64) for a name that git does not know."""
        known = self._git("rev-parse", "--verify", "--quiet", f"{base}^{{commit}}", check=False).returncode == 0
        if not known or base.startswith("-"):
            do = f"git fetch origin {base.removeprefix('origin/')}, or actions/checkout with fetch-depth: 0"
            raise UsageError(f"unknown commit {base!r}", where="--base", do=do)
        common = self._git("merge-base", base, "HEAD", check=False)
        if common.returncode:
            raise UsageError(f"HEAD and {base!r} have no commit in common", where="--base")
        return common.stdout.strip()

    def changed(self, commit: str) -> frozenset[Path]:
        """The files that differ between `commit` and HEAD: absolute; of a renamed one both names, deleted ones too."""
        names = self._git("diff-tree", "-r", "-z", "--name-only", "--no-renames", commit, "HEAD").stdout
        return frozenset(self.top / name for name in names.split("\0") if name)

    def holds(self, file: Path) -> bool:
        """Whether the file is part of HEAD."""
        if not file.is_relative_to(self.top):
            return False
        name = f"HEAD:{file.relative_to(self.top).as_posix()}"
        return self._git("cat-file", "-e", name, check=False).returncode == 0

    def restore(self, commit: str, directory: Path, to: Path) -> None:
        """Write what `directory` held at `commit` below `to`. Raises CommandFailed if there was no such directory."""
        to.mkdir(parents=True)
        index = {"GIT_INDEX_FILE": str(to / ".git-index")}
        below = directory.relative_to(self.top).as_posix()
        self._git("read-tree", f"{commit}:{'' if below == '.' else below}", variables=index)
        self._git("checkout-index", "--all", f"--prefix={to}/", variables=index)

    def _git(self, *words: str, check: bool = True, variables: Mapping[str, str] | None = None) -> Completed:
        return _git(self.top, *words, check=check, variables=variables)


def _git(directory: Path, *words: str, check: bool, variables: Mapping[str, str] | None = None) -> Completed:
    environment = {name: value for name, value in os.environ.items() if name not in _LOCAL} | dict(variables or {})
    try:
        return run(["git", "-C", directory, *words], timeout=TIMEOUT, env=environment, check=check)
    except CommandMissing as missing:
        raise ToolError(missing.what, do="install git, or name the changed files: --changed FILE...") from missing
