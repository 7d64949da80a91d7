"""From a recipe to the artifact that a controller will pull: made, packed, and held against its contract.

All of it before any cluster is touched. The tag says what is in the artifact, so it is never used for anything else:
it comes from the content of the reference bundle (the helm shape, which every shape is another form of), because a
bundle names its own tag and cannot contain a digest of itself.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from harness.bundles.contract import ContractBroken, check
from harness.bundles.delivery import Delivery, Target, read_delivery
from harness.bundles.model import Bundle, Bundler
from harness.oci import Artifact, content_digest, pack_chart, pack_directory, tag_for
from harness.recipes.model import Recipe

NAMESPACE = "aicr"  # of every recipe's repository: the prefix for which Argo CD has credentials
CHART = "argocd-helm"  # the shape that is a Helm chart; the others are plain directories


@dataclass(frozen=True)
class Publication:
    """An artifact that is ready to be pushed to `registry` ("localhost:5500"), and what it must lead to."""

    registry: str
    repository: str
    target: Target
    artifact: Artifact
    delivery: Delivery
    directory: Path


def publication(
    bundler: Bundler, recipe: Recipe, shape: str, lane: str, reference: Bundle, registry: str, directory: Path
) -> Publication:
    """Make the bundle of `shape` at `directory` and pack it. Raises ContractBroken where its consumer would refuse it.

    `reference` is the same recipe's bundle of the helm shape.
    """
    repository = f"{NAMESPACE}/{recipe.name}"
    tag = tag_for(lane, content_of(reference.directory), chart=shape == CHART)
    target = Target(f"{registry}/{repository}", tag, plain_http=True)
    bundler.make(recipe, shape, directory, target)
    artifact = pack_chart(directory, version=tag) if shape == CHART else pack_directory(directory)
    broken = check(directory, shape, json.loads(artifact.manifest), target, layer=artifact.layer)
    if broken:
        raise ContractBroken(broken, where=f"{target.url}:{tag}")
    return Publication(registry, repository, target, artifact, read_delivery(directory, shape), directory)


def content_of(directory: Path) -> str:
    """The digest of a bundle's files: the same for the same bundle, wherever and whenever it was made."""
    return content_digest(_files(directory))


def _files(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }
