"""From a recipe to the bundle that a controller will pull: made, pushed, and held against its contract.

How it is packed and pushed is its shape's transport's business, everything else is here. What the built-in bundler
makes is packed and checked before any cluster is touched. The aicr command line makes the
shapes of a registry only while it pushes (with a directory for output it writes those for Git), so there the check is
of what the registry holds afterwards, before a controller is told of it: docs/adr/0009-aicr-pushes.md.

The tag says what is in the artifact, so it is never used for anything else: it comes from the content of the reference
bundle (the helm shape, which every shape is another form of), because a bundle names its own tag and cannot contain a
digest of itself.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from harness.bundles.contract.check import ContractBroken, check
from harness.bundles.delivery import Delivery, Target
from harness.bundles.mirrors.tree import mirror_tree
from harness.bundles.model import Bundle, Bundler, PushingBundler
from harness.bundles.read import read_delivery
from harness.bundles.shapes import pulled
from harness.errors import DataError, HarnessError
from harness.formats.addresses import on_this_machine
from harness.publishing.git.transport import GIT
from harness.publishing.oci.artifact import unpack
from harness.publishing.oci.registry import Published as Artifact
from harness.publishing.oci.registry import Registry, TagTaken, content_digest
from harness.publishing.oci.transport import OCI, pack
from harness.publishing.transport import Client, Parcel, Place, Published, Transport
from harness.recipes.model import Recipe

TRANSPORTS: Mapping[str, Transport] = {each.name: each for each in (OCI, GIT)}

AS_MADE = "as-made"  # what was pushed with the addresses of the internet in it; no controller looks there


@dataclass(frozen=True)
class Pushed:
    """A bundle where controllers pull it: its identity there, and what it must lead to. `directory` holds its files."""

    published: Published
    target: Target
    delivery: Delivery
    directory: Path


class Publication(Protocol):
    """A bundle on its way to `target`. What it leads to (`delivery`) is known when it was pushed.

    `push` raises ContractBroken, at the latest, where its consumer would refuse it.
    """

    @property
    def target(self) -> Target: ...

    @property
    def delivery(self) -> Delivery: ...

    def push(self, client: Client) -> Pushed: ...


@dataclass(frozen=True)
class Packed:
    """A Publication that is ready, and was found to keep its contract."""

    target: Target
    artifact: Parcel
    delivery: Delivery
    directory: Path

    def push(self, client: Client) -> Pushed:
        published = client.deliver(self.artifact, self.target)
        return Pushed(published, self.target, self.delivery, self.directory)


@dataclass
class Ordered:
    """A Publication by a bundler that pushes by itself; `directory` will hold what the registry has afterwards.

    `releases` are those of the reference bundle, with what they are called when installed. With mirrors the bundler
    pushes elsewhere, and what it made goes to the target with its charts' addresses rewritten: a tag is never moved.
    """

    bundler: PushingBundler
    recipe: Recipe
    shape: str
    target: Target
    directory: Path
    releases: Mapping[str, str]
    _delivery: Delivery | None = field(default=None, init=False)

    @property
    def delivery(self) -> Delivery:
        if self._delivery is None:
            raise ValueError("nothing was pushed")
        return self._delivery

    def push(self, client: Client) -> Pushed:
        if not isinstance(client, Registry):
            raise TypeError("this bundler pushes to registries only")
        registry = client
        asked = self.target.at(registry.host)
        if self.bundler.mirrors:
            asked = replace(asked, repository=f"{asked.parent.removeprefix('oci://')}/{AS_MADE}/{asked.name}")
        before = registry.resolve(asked.path, asked.tag)
        self.bundler.push(self.recipe, self.shape, asked, self.target)
        made = _there(registry, asked, before)
        published: Published = made
        manifest, layer = _read_back(registry, made, self.shape)
        unpack(layer, self.directory)
        directory = self.directory / self.target.name if pulled(self.shape).is_chart else self.directory
        if self.bundler.mirrors:
            mirror_tree(directory, self.shape, self.bundler.mirrors)
            artifact = pack(directory, pulled(self.shape), self.target)
            published = registry.deliver(artifact, self.target)
            manifest, layer = json.loads(artifact.manifest), artifact.layer or b""
        delivery = _checked(directory, self.shape, self.target, manifest, layer, self.releases)
        self._delivery = delivery
        return Pushed(published, self.target, delivery, directory)


def publication(
    bundler: Bundler,
    recipe: Recipe,
    shape: str,
    lane: str,
    reference: Bundle,
    place: Place,
    directory: Path,
    name: str = "",
) -> Publication:
    """The bundle of `shape` on its way to `place`, as controllers call it; packed where its bundler does not push.

    `reference` is the same recipe's bundle of the helm shape; `directory` is where the files will be. `name` is
    what the deployment is called, in an upgrade after the recipe that comes last.
    """
    if isinstance(bundler, PushingBundler) and pulled(shape).transport == OCI.name:
        target = _target(recipe, shape, lane, reference, place, name)
        return Ordered(bundler, recipe, shape, target, directory, _installed_as(bundler, shape, reference))
    return packed(bundler, recipe, shape, lane, reference, place, directory, name)


def packed(
    bundler: Bundler,
    recipe: Recipe,
    shape: str,
    lane: str,
    reference: Bundle,
    place: Place,
    directory: Path,
    name: str = "",
) -> Packed:
    """The bundle of `shape` made at `directory`, packed and checked; arguments are those of `publication`.

    Raises ContractBroken where its consumer would refuse it, UsageError where the bundler only pushes it.
    """
    form = pulled(shape)
    target = _target(recipe, shape, lane, reference, place, name)
    bundler.make(recipe, shape, directory, target)
    artifact = TRANSPORTS[form.transport].pack(directory, form, target)
    manifest, releases = json.loads(artifact.manifest), _installed_as(bundler, shape, reference)
    delivery = _checked(directory, shape, target, manifest, artifact.layer, releases)
    return Packed(target, artifact, delivery, directory)


def _installed_as(bundler: Bundler, shape: str, reference: Bundle) -> dict[str, str]:
    """By release, what it is called when it is installed: the same, where its bundler says nothing else."""
    if not isinstance(bundler, PushingBundler):
        return {folder.release: folder.release for folder in reference.folders}
    return {folder.release: bundler.installed_as(folder, shape) for folder in reference.folders}


def require_reachable(recipe: Recipe) -> None:
    """For controllers that do not run on this machine: raise DataError where a chart is at one of its addresses."""
    for component in recipe.components:
        if on_this_machine(component.source):
            raise DataError(
                f"the chart of {component.name} is at {component.source}, an address of this machine that pods in the"
                " cluster do not reach",
                where=recipe.name,
                do="name a mirror that they reach (`mirrors`), or use RUNTIME=host",
            )


def _target(recipe: Recipe, shape: str, lane: str, reference: Bundle, place: Place, name: str) -> Target:
    form = pulled(shape)
    transport = TRANSPORTS[form.transport]
    called = name if name and transport.goes_on else recipe.name
    return transport.target(place, called, lane, content_of(reference.directory), form)


def _checked(
    directory: Path,
    shape: str,
    target: Target,
    manifest: Mapping[str, Any],
    layer: bytes | None,
    releases: Mapping[str, str],
) -> Delivery:
    """What the bundle leads to, if it keeps its contract and delivers the reference's releases and no others, each
    under the name that is expected.
    """
    where = f"{target.url}:{target.tag}"
    broken = check(directory, shape, manifest, target, layer=layer)
    if broken:
        raise ContractBroken(broken, where=where)
    delivery = read_delivery(directory, shape)
    found = set(delivery.names)
    if found != set(releases):
        apart = (releases.keys() - found, found - releases.keys())
        lost, more = (", ".join(sorted(names)) or "none" for names in apart)
        raise DataError(f"delivers other releases than the helm shape: missing {lost}, besides {more}", where=where)
    for name, called in delivery.installed_as.items():
        if called != releases[name]:
            raise DataError(
                f"Flux calls release {name} {called}, and objects are expected under {releases[name]}", where=where
            )
    return delivery


def _there(registry: Registry, target: Target, before: str | None) -> Artifact:
    """What somebody else has pushed to `target`, where `before` was."""
    where = f"{target.repository}:{target.tag}"
    if registry.resolve(target.path, target.tag) is None:
        raise HarnessError("the bundler succeeded, but the registry contains no artifact", where=where)
    published = registry.published(target.path, target.tag)
    if before not in (None, published.digest):
        raise TagTaken(
            f"the tag stood for {before}, and the bundler has moved it to {published.digest}",
            where=where,
            do="take a new cluster: consumers that have seen a tag do not look again",
        )
    return published


def _read_back(registry: Registry, published: Artifact, shape: str) -> tuple[dict[str, Any], bytes]:
    """The manifest by its digest, and the layer that the shape's consumer takes: both are what the digests say."""
    manifest, _ = registry.manifest(published.repository, published.digest)
    layers = manifest["layers"]
    chosen = next(
        (layer for layer in layers if layer["mediaType"] == pulled(shape).layer), layers[0] if layers else None
    )
    if chosen is None:
        raise DataError("has no layer", where=str(published))
    return manifest, registry.blob(published.repository, chosen["digest"])


def content_of(directory: Path) -> str:
    """The digest of a bundle's files: the same for the same bundle, wherever and whenever it was made."""
    return content_digest(_files(directory))


def _files(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }
