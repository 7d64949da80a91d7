"""Recipe data in a git repository made for the test: ours and the real ones, and branches of them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.matrix import changes
from harness.matrix.changes import Change
from harness.recipes.load import Catalog
from harness.recipes.profiles import Profiles
from harness.settings import DEFAULT_FILE, ROOT

OURS = ROOT / "kwok"
REAL = ROOT.parent / "shared" / "aicr-recipes"
needs_real_data = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real recipe data (../shared) is not beside this clone"
)
LANES = ("helm", "argocd-oci", "argocd-helm-oci", "flux-oci")


class History:
    """A repository whose branch main holds the data; `branch` starts from it, edits and commits as it is told."""

    def __init__(self, top: Path, source: Path) -> None:
        self.top = top
        self._catalogs: dict[str, Catalog] = {}
        for name in ("recipes", "charts", "profiles"):
            if (source / name).is_dir():
                shutil.copytree(source / name, top / name)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("data")

    def git(self, *words: str) -> str:
        identity = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.com")
        quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        done = subprocess.run(
            ["git", "-C", self.top, *identity, *words],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **quiet},
        )
        return done.stdout.strip()

    def branch(self, name: str = "work", start: str = "main") -> "History":
        self.git("checkout", "--quiet", "--force", "-B", name, start)
        self.git("clean", "-fdxq")
        return self

    def commit(self, message: str = "change") -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def touch(self, *paths: str) -> None:
        """Change files, or make them: a line more, which in YAML is a comment."""
        for path in paths:
            file = self.top / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text((file.read_text() if file.exists() else "") + "\n# changed\n")
        self.commit()

    def replace(self, path: str, old: str, new: str) -> None:
        file = self.top / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    @property
    def catalog(self) -> Catalog:
        """As it is in the working tree; read again only after a commit or another branch, since reading takes long."""
        head = self.git("rev-parse", "HEAD")
        if head not in self._catalogs:
            self._catalogs = {head: Catalog.load(self.top / "recipes")}
        return self._catalogs[head]

    @property
    def profiles(self) -> Profiles:
        return Profiles(self.top / "profiles", OURS / "profiles")

    def since(self, base: str = "main") -> Change:
        return changes.since(base, self.catalog, self.profiles, used=(DEFAULT_FILE,), checkout=self.top)
