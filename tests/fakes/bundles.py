"""The small recipe whose bundles are committed beside it, and where the reference bundles stand."""

from pathlib import Path

import pytest

from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.bundles.delivery import Target
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


# Where the committed bundles say that they are published; the lanes are those whose bundles are of the shape.
LANES = {"argocd": "argocd-oci", "argocd-helm": "argocd-helm-oci", "flux": "flux-oci"}
GIT_SHAPES = ("argocd-git", "flux-git")
TARGETS = {
    shape: Target(
        f"registry.example:5000/aicr/{NAME}", f"{'0.0.0-' if shape == 'argocd-helm' else ''}abc1234-{lane}", True
    )
    for shape, lane in LANES.items()
}
TARGETS |= {shape: Target(f"git.example/aicr/{NAME}.git", "main", False, scheme="https") for shape in GIT_SHAPES}


# What it consists of, in the order of installation.
RELEASES = ("certificates", "tuning", "gpu-operator-pre", "gpu-operator", "gpu-operator-post", "scheduler")


def make(shape: str, directory: Path, root: Path = GOLDEN / "data") -> Path:
    """The bundle of the small recipe in a shape that a controller pulls."""
    return BuiltinBundler().make(small(root), shape, directory, TARGETS[shape]).directory


def tree(directory: Path) -> dict[str, bytes]:
    """Every file below `directory` by its path."""
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}
