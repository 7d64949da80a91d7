"""Reads a bundle from disk, by either bundler, and what it must lead to."""

from pathlib import Path

from harness.bundles.delivery import REMAKE, Delivery
from harness.bundles.folders import read_folders, recipe_document
from harness.bundles.model import Bundle
from harness.bundles.shapes import find, pulled
from harness.bundles.shapes.helm import HELM
from harness.errors import DataError
from harness.formats.documents import Document
from harness.recipes.model import switched_off


def read(directory: Path, shape: str = HELM.name) -> Bundle:
    """The bundle at `directory`. Raises DataError naming the folder or file that is wrong."""
    if find(shape) is HELM:
        return read_folders(directory)
    read_delivery(directory, shape)
    return Bundle(directory, shape, (), recipe_document(directory / "recipe.yaml"))


def read_delivery(directory: Path, shape: str) -> Delivery:
    """What the bundle at `directory` must lead to, by either bundler. DataError with file and line where it is wrong.

    Where the bundle has its recipe.yaml, each component of it has to be delivered.
    """
    delivery = pulled(shape).read(directory)
    found = delivery.names
    if not found:
        raise DataError("delivers nothing", where=str(directory), do=REMAKE)
    names = (delivery.root, *found)
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"delivers {name} twice", where=str(directory), do=REMAKE)
    lost = _components(directory) - set(found)
    if lost:
        raise DataError(
            f"does not deliver {', '.join(sorted(lost))}, which its recipe.yaml names", where=str(directory)
        )
    return delivery


def _components(directory: Path) -> set[str]:
    """The components of the bundle's recipe.yaml; empty where it has none."""
    file = directory / "recipe.yaml"
    if not file.is_file():
        return set()
    root = Document.read(file).root()
    version = root.text("apiVersion")
    refs = root.blocks("componentRefs")
    return {ref.text("name", required=True) for ref in refs if not switched_off(ref.mapping("overrides"), version)}
