"""The Applications that a bundle for Argo CD holds, by either bundler.

- argocd: app-of-apps.yaml is the root Application, and includes the application.yaml of each folder.
- argocd-helm: a chart whose templates are the root and the children; a folder NNN-<child> for each child.
"""

import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path

from harness.bundles.delivery import REMAKE, Delivery
from harness.bundles.objects import name_of
from harness.errors import DataError
from harness.formats.documents import Block, Document

APP_OF_APPS = "app-of-apps.yaml"
ROOT = "nvidia-stack"  # the root Application, by the aicr command line's name
WRAPPER_ROOT = "aicr-stack"  # likewise, of a wrapper chart

_FOLDER = re.compile(r"\d{3,}-(.+)")


def argocd_delivery(directory: Path) -> Delivery:
    root, children = root_application(directory), [name_of(child) for child in applications(directory)]
    return Delivery("argocd", name_of(root), tuple(children))


def wrapper_delivery(directory: Path) -> Delivery:
    return Delivery("argocd-helm", _wrapper_root(directory), tuple(folders(directory)))


def root_application(directory: Path) -> Block:
    """The root Application of an argocd bundle: what the lane applies."""
    root = Document.read(directory / APP_OF_APPS).root()
    if root.text("kind") != "Application":
        raise DataError("is not an Application", where=root.where("kind"), do=REMAKE)
    return root


def included(directory: Path) -> list[Path]:
    """The files that Argo CD takes for the root's manifests, in order.

    Its pattern knows no separators: the `*` of */application.yaml also stands for a/b/c.
    """
    source = root_application(directory).block("spec").block("source").block("directory")
    below = directory.rglob("*") if source.flag("recurse") else directory.iterdir()
    pattern = source.text("include") or "*"
    return sorted(
        file
        for file in below
        if file.is_file()
        and file.suffix in (".yaml", ".yml", ".json", ".jsonnet")
        and fnmatch.fnmatchcase(file.relative_to(directory).as_posix(), pattern)
    )


def applications(directory: Path) -> Iterator[Block]:
    """The children of an argocd bundle: those of the root's manifests that are in a folder of their own."""
    for file in included(directory):
        if file.parent.parent == directory:
            yield Document.read(file).root()


def folders(directory: Path) -> list[str]:
    """The children of a wrapper chart, by its folders."""
    names = sorted(path.name for path in directory.iterdir() if path.is_dir())
    return [match[1] for name in names if (match := _FOLDER.fullmatch(name))]


def _wrapper_root(directory: Path) -> str:
    """The wrapper chart's templates name the root after a value; what the lane does not set is as the chart has it."""
    values = Document.read(directory / "values.yaml")
    return (values.root().text("appName") if values.data else "") or WRAPPER_ROOT
