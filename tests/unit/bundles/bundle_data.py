"""The small recipe whose bundle is committed beside it, and where the reference bundles stand."""

from pathlib import Path

import pytest

from harness.recipes.load import Catalog
from harness.recipes.model import Recipe
from harness.recipes.resolve import resolve
from harness.settings import ROOT

GOLDEN = ROOT / "tests" / "golden" / "bundles"
NAME = "eks-training-kubeflow"
REFERENCES = ROOT.parent / "shared" / "aicr-bundles"
REAL = ROOT.parent / "shared" / "aicr-recipes" / "recipes"
needs_references = pytest.mark.skipif(
    not (REFERENCES.is_dir() and REAL.is_dir()), reason="the reference bundles (../shared) are not beside this clone"
)


def small(root: Path = GOLDEN / "data") -> Recipe:
    return resolve(Catalog.load(root / "recipes"), NAME)


def tree(directory: Path) -> dict[str, bytes]:
    """Every file below `directory` by its path."""
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}
