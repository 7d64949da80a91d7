"""The transport oci: an artifact in a registry, under a tag that says what is in it."""

from pathlib import Path

from harness.bundles.delivery import Target
from harness.bundles.shape import PulledShape
from harness.publishing.oci.address import Address
from harness.publishing.oci.artifact import Artifact, pack_chart, pack_directory, tag_for
from harness.publishing.transport import Transport


def _target(registry: Address, recipe: str, lane: str, content: str, shape: PulledShape) -> Target:
    tag = tag_for(lane, content, chart=shape.is_chart)
    return Target(registry.repository(recipe), tag, plain_http=registry.plain_http)


def pack(directory: Path, shape: PulledShape, target: Target) -> Artifact:
    """A bundle as an artifact: a chart, or one layer."""
    return pack_chart(directory, version=target.tag) if shape.is_chart else pack_directory(directory)


OCI = Transport(name="oci", target=_target, pack=pack)
