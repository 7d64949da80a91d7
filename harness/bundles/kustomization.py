"""What a bundle for Flux holds: kustomization.yaml lists HelmReleases, ArtifactGenerators and sources."""

import hashlib
from pathlib import Path

from harness.bundles.delivery import REMAKE, Delivery
from harness.bundles.objects import name_of, namespace_of
from harness.errors import DataError
from harness.formats.documents import Block, Document

KUSTOMIZATION = "kustomization.yaml"


def resources(directory: Path) -> tuple[str, ...]:
    """The files that make up a flux bundle, as its kustomization.yaml lists them."""
    root = Document.read(directory / KUSTOMIZATION).root()
    if root.text("kind") != "Kustomization":
        raise DataError("is not a Kustomization", where=root.where("kind"), do=REMAKE)
    return root.texts("resources")


def documents(directory: Path) -> list[Block]:
    """The objects that the kustomization lists; a file that does not exist is a rule's finding, and left out here."""
    files = (directory / path for path in resources(directory))
    return [Document.read(file).root() for file in files if file.is_file()]


def flux_delivery(directory: Path) -> Delivery:
    found: dict[str, list[Block]] = {}
    for path in resources(directory):
        item = Document.read(directory / path).root()
        found.setdefault(item.text("kind", required=True), []).append(item)
    releases, generators = found.pop("HelmRelease", []), found.pop("ArtifactGenerator", [])
    return Delivery(
        "flux",
        "",
        releases=tuple((namespace_of(item), name_of(item)) for item in releases),
        generators=tuple((namespace_of(item), name_of(item)) for item in generators),
        sources=tuple((kind, namespace_of(item), name_of(item)) for kind, items in found.items() for item in items),
        depends_on={
            name_of(item): tuple(other.text("name", required=True) for other in item.block("spec").blocks("dependsOn"))
            for item in releases
        },
        installed_as={
            name_of(item): item.block("spec").text("releaseName")
            or flux_name(item.block("spec").text("targetNamespace"), name_of(item))
            for item in releases
        },
    )


def flux_name(namespace: str, name: str) -> str:
    """What Flux calls the Helm release of a HelmRelease that does not say: cut off where Helm allows no more."""
    found = f"{namespace}-{name}" if namespace else name
    return found if len(found) <= 53 else f"{found[:40]}-{hashlib.sha256(found.encode()).hexdigest()[:12]}"
