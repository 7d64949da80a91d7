"""The transport git: a commit on the branch of a repository, one for each recipe."""

from dataclasses import replace
from pathlib import Path

from harness.bundles.delivery import Target
from harness.bundles.shape import PulledShape
from harness.publishing.git.address import Repositories
from harness.publishing.git.client import commit_id
from harness.publishing.git.tree import Tree
from harness.publishing.transport import Transport


def _target(repositories: Repositories, recipe: str, lane: str, _content: str, _shape: PulledShape) -> Target:
    return repositories.target(recipe, lane)


def _pack(directory: Path, _shape: PulledShape, target: Target) -> Tree:
    """What cannot be committed is told here, before a cluster is touched."""
    tree = Tree(directory, f"Bundle of {target.name.removesuffix('.git')}\n")
    return replace(tree, digest=commit_id(tree))


GIT = Transport(name="git", target=_target, pack=_pack, goes_on=True)
