"""The objects and trees that operations name by file: read from YAML, lists taken apart, patterns followed."""

import glob
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.suites.fields import documents as documents_of
from harness.suites.fields import named
from harness.suites.model import Document, Place
from harness.suites.problems import Problems

WRITTEN_AS_URL = ("http://", "https://")


def read(file: Path, problems: Problems, *, objects: bool) -> tuple[Document, ...]:
    """The documents of a file, those of a List one by one; `objects`: each needs a kind and an API version."""
    documents: list[Document] = []
    for yaml in documents_of(file, problems):
        documents += expanded(yaml.data, Place(file, yaml.lines[()]), problems, objects=objects)
    return tuple(documents)


def expanded(value: Any, place: Place, problems: Problems, *, objects: bool) -> list[Document]:
    """An object as it is, a List as its items."""
    if not isinstance(value, dict):
        problems.error(f"expected a mapping, got {named(value)}", str(place))
        return []
    items = value.get("items")
    if isinstance(items, list) and value.get("kind") and value.get("apiVersion"):
        if not items:
            problems.error("the list has no items", str(place))
        return [document for item in items for document in expanded(item, place, problems, objects=objects)]
    for field in ("apiVersion", "kind") if objects else ():
        if not isinstance(value.get(field), str) or not value[field]:
            problems.error(f"the object has no {field}", str(place))
            return []
    return [Document(value, place)]


def matching(folder: Path, name: str) -> list[Path]:
    """The files that a path or a pattern names, relative to `folder`, sorted. DataError where there is none."""
    path = folder / name
    if path.is_file() or not glob.has_magic(name):
        found = [path] if path.exists() else []
    else:
        found = [Path(each) for each in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 - absolute ones too
    if not found:
        raise DataError(f"{name}: file not found in {folder}")
    return [file for each in found for file in (_of_folder(each) if each.is_dir() else [each])]


def _of_folder(folder: Path) -> list[Path]:
    files = sorted(each for each in folder.iterdir() if each.suffix in (".yaml", ".yml") and each.is_file())
    if not files:
        raise DataError("contains no .yaml file", where=str(folder))
    return files
