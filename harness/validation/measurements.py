"""Snapshot documents: readings of one cluster, by type, subtype and key; what constraints are evaluated against.

Read strictly. A misspelt key, a null or a type that nobody knows would make a path lead nowhere, and a reader that
shrugs at that calls a cluster good of which it has seen nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from harness.assertions.go.printing import plain
from harness.errors import DataError, did_you_mean
from harness.formats.documents import Block, Document

TYPES = ("K8s", "GPU", "OS", "SystemD", "NodeTopology", "NetworkTopology")
KIND = "Snapshot"
API_VERSIONS = ("aicr.nvidia.com/v1alpha1", "aicr.run/v1alpha2")  # the first is the one that we write
SIMULATED = "simulated"  # the key of `metadata` by which a snapshot says that its cluster is a simulated one

Scalar = str | int | float | bool


@dataclass(frozen=True)
class Subtype:
    """A group of readings: `data` by key. `items` are further groups; no path of a constraint leads into them."""

    name: str
    data: Mapping[str, Scalar]
    context: Mapping[str, str] = field(default_factory=dict)
    items: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """`measurements` are the subtypes of each type by name; `metadata` is text by key, all of it optional.

    `source` says where it came from, for people.
    """

    measurements: Mapping[str, Mapping[str, Subtype]]
    metadata: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    @classmethod
    def parse(cls, text: str, source: Path | str) -> Self:
        """Read a YAML or JSON document. Raises DataError with `source` and the line of what is wrong.

        Numbers of JSON (a `source` that ends in .json) are floats, as those who write such files read them.
        """
        block = Document.parse(text, source).root().closed("apiVersion", "kind", "metadata", "measurements")
        _check_header(block)
        if not block.data.get("measurements"):
            do = "a snapshot is a mapping with a list `measurements`"
            raise DataError("has no measurements", where=block.where("measurements"), do=do)
        floats = str(source).endswith(".json")
        found: dict[str, Mapping[str, Subtype]] = {}
        for item in block.blocks("measurements"):
            name = item.closed("type", "subtypes").text("type", required=True)
            if name not in TYPES:
                raise DataError(f"unknown measurement type {name!r}", where=item.where("type"), do=_known(name))
            if name in found:
                raise DataError(f"measurement type {name} is given twice", where=item.where("type"))
            found[name] = _subtypes(item, name, floats)
        metadata = block.block("metadata")
        return cls(found, {key: metadata.text(key) for key in metadata.data}, str(source))

    @property
    def simulated(self) -> str:
        """What the snapshot says of its cluster being a simulated one; empty where it does not."""
        return self.metadata.get(SIMULATED, "")

    def document(self) -> dict[str, Any]:
        """The snapshot as plain data, in the order in which it was read or taken."""
        return {
            "kind": KIND,
            "apiVersion": API_VERSIONS[0],
            "metadata": dict(self.metadata),
            "measurements": [
                {"type": name, "subtypes": [_subtype_document(each) for each in subtypes.values()]}
                for name, subtypes in self.measurements.items()
            ],
        }


def text_of(reading: Scalar) -> str:
    """A reading as constraints compare it: text as it is, whole numbers whole, floats in their shortest form."""
    return plain(reading)


def _check_header(block: Block) -> None:
    kind, version = block.text("kind"), block.text("apiVersion")
    if kind and kind != KIND:
        raise DataError(f"kind is {kind!r}", where=block.where("kind"), do=f"it must be {KIND}")
    if version and version not in API_VERSIONS:
        do = f"it must be {' or '.join(API_VERSIONS)}"
        raise DataError(f"apiVersion is {version!r}", where=block.where("apiVersion"), do=do)


def _known(name: str) -> str:
    near = [each for each in TYPES if each.lower() == name.lower()]
    return f"did you mean {near[0]}?" if near else did_you_mean(name, TYPES)


def _subtypes(block: Block, measurement: str, floats: bool) -> Mapping[str, Subtype]:
    found: dict[str, Subtype] = {}
    for item in block.blocks("subtypes"):
        if "subtype" not in item.data:
            what = f"a subtype of {measurement} has no name"
            raise DataError(what, where=item.where(), do="the key of its name is `subtype`")
        name = item.closed("subtype", "data", "context", "items").text("subtype", required=True)
        if name in found:
            raise DataError(f"subtype {measurement}.{name} is given twice", where=item.where("subtype"))
        data = _data(item.block("data"), f"{measurement}.{name}", floats)
        rows = tuple(_item(each, f"{measurement}.{name}", floats) for each in item.blocks("items"))
        if not data and not rows:
            raise DataError(f"subtype {measurement}.{name} has neither data nor items", where=item.where())
        context = item.block("context")
        found[name] = Subtype(name, data, {key: context.text(key) for key in context.data}, rows)
    if not found:
        raise DataError(f"measurement {measurement} has no subtypes", where=block.where("subtypes"))
    return found


def _item(block: Block, subtype: str, floats: bool) -> Mapping[str, Any]:
    context = block.closed("context", "data").block("context")
    texts = {key: context.text(key) for key in context.data}
    return {"context": texts, "data": _data(block.block("data"), subtype, floats)}


def _data(block: Block, subtype: str, floats: bool) -> Mapping[str, Scalar]:
    for key, value in block.data.items():
        if not isinstance(value, Scalar):
            what = "null" if value is None else f"a {'mapping' if isinstance(value, dict) else 'list'}"
            raise DataError(f"{subtype}.{key} is {what}, expected one value", where=block.where(key))
    if not floats:
        return block.data
    whole = {key for key, value in block.data.items() if isinstance(value, int) and not isinstance(value, bool)}
    return {key: float(value) if key in whole else value for key, value in block.data.items()}


def _subtype_document(subtype: Subtype) -> dict[str, Any]:
    document = {
        "subtype": subtype.name,
        "data": dict(subtype.data),
        "context": dict(subtype.context),
        "items": [dict(item) for item in subtype.items],
    }
    return {key: value for key, value in document.items() if value}
