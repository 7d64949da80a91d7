"""The catalog: every overlay, mixin and registry entry of a data directory, read and checked before anything runs.

One broken file refuses the whole directory: a sweep that quietly skips what it cannot read is green by accident.
What only a resolved recipe can show (conflicts of mixins, missing dependencies) is checked by `resolve`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from harness.errors import DataError, UsageError, did_you_mean
from harness.formats.documents import Block, Document, read_values
from harness.formats.files import inside
from harness.names import API_VERSION
from harness.recipes import overlays as reader
from harness.recipes.format import CURRENT, Reading
from harness.recipes.local_charts import local_chart
from harness.recipes.model import BASE, ComponentRef, Mixin, Overlay
from harness.recipes.model import RegistryEntry as Entry
from harness.recipes.registry import load_registry

_Item = TypeVar("_Item", Overlay, Mixin)


@dataclass(frozen=True)
class Catalog:
    """All recipe data below `directory` (a `recipes` directory; its parent is the data root).

    `version` is that of the format, by the registry; `notes` tell what a lenient reading has left out.
    """

    directory: Path
    overlays: Mapping[str, Overlay]
    mixins: Mapping[str, Mixin]
    registry: Mapping[str, Entry]
    version: str = API_VERSION
    notes: tuple[str, ...] = ()

    @classmethod
    def load(cls, directory: Path, *, lenient: bool = False) -> Self:
        """Read and check everything. Raises DataError (exit 10) with file and line at the first fault.

        What no known version of the format has is such a fault, unless `lenient`: then it is left out, with a note.
        """
        if not directory.is_dir():
            raise DataError("is not a recipes directory", where=str(directory), do="see `recipes` in the settings")
        reading = Reading(lenient)
        version, registry = load_registry(directory, reading)
        overlays = dict(_files(directory, "overlays", reader.overlay, reading))
        mixins = dict(_files(directory, "mixins", reader.mixin, reading))
        version = version if version == API_VERSION else CURRENT
        catalog = cls(directory, overlays, mixins, registry, version, tuple(reading.notes))
        catalog._check()
        return catalog

    @property
    def root(self) -> Path:
        """The data root: local charts (`file://charts`) and node profiles are below it."""
        return self.directory.parent

    def names(self) -> tuple[str, ...]:
        """Every overlay, `base` included, sorted."""
        return tuple(sorted(self.overlays))

    def overlay(self, name: str) -> Overlay:
        """Raises UsageError (exit 64) that lists near names."""
        if name not in self.overlays:
            raise UsageError(f"unknown recipe {name!r}", do=did_you_mean(name, self.overlays))
        return self.overlays[name]

    def testable(self) -> tuple[str, ...]:
        """The recipes that a run can be made of: those for a particular service."""
        return tuple(name for name in self.names() if self._given(name, "service"))

    def generic(self) -> tuple[str, ...]:
        """The testable recipes for any accelerator: tier 1."""
        return tuple(name for name in self.testable() if not self._given(name, "accelerator"))

    def chain(self, name: str) -> tuple[str, ...]:
        """`name` and what it is based on, root first. Raises DataError that shows the chain for a cycle."""
        chain = [name]
        while base := self.overlays[chain[-1]].base:
            overlay = self.overlays[chain[-1]]
            shown = " → ".join([*chain, base])
            if base in chain:
                raise DataError(f"the base chain runs in a circle: {shown}", where=str(overlay.file))
            if base not in self.overlays:
                do = did_you_mean(base, self.overlays)
                raise DataError(f"unknown base {base!r} (chain {shown})", where=str(overlay.file), do=do)
            chain.append(base)
        return tuple(reversed(chain))

    def _given(self, name: str, criterion: str) -> bool:
        criteria = self.overlays[name].criteria
        return criteria is not None and criterion in criteria.specific

    def _check(self) -> None:
        if BASE not in self.overlays:
            raise DataError(
                f"{BASE}.yaml is missing: every recipe is based on it", where=str(self.directory / "overlays")
            )
        for overlay in self.overlays.values():
            self.chain(overlay.name)
            for mixin in overlay.mixins:
                if mixin not in self.mixins:
                    do = did_you_mean(mixin, self.mixins)
                    raise DataError(f"unknown mixin {mixin!r}", where=str(overlay.file), do=do)
        for entry in self.registry.values():
            local_chart(entry.repository, entry.chart, self.root, where=entry.where)
            for relative in entry.manifest_files:
                _is_file(self.directory, relative, entry.where)
        sources: list[Overlay | Mixin] = [*self.overlays.values(), *self.mixins.values()]
        for source in sources:
            for component in source.components:
                self._check_component(component)

    def _check_component(self, component: ComponentRef) -> None:
        if component.name not in self.registry:
            do = f"known: {', '.join(sorted(self.registry))}"
            raise DataError(f"unknown component {component.name!r}", where=component.place("name"), do=do)
        for field in ("values_file", "patches", "manifest_files", "pre_manifest_files"):
            value = getattr(component, field)
            for relative in (value,) if isinstance(value, str) else value:
                if relative:
                    _is_file(self.directory, relative, component.place(field))
        for file in values_files(self.directory, component.name, component.values_file):
            read_values(inside(self.directory, file, component.place("values_file")))


def values_files(directory: Path, component: str, values_file: str) -> tuple[str, ...]:
    """The files that a component's values come from, in merge order, relative to `directory`.

    `components/<name>/values.yaml` is the ground for every other values file of that component. A component that names
    none has no values but its overrides (so does the reference), even where that file exists.
    """
    base = f"components/{component}/values.yaml"
    if values_file in ("", base) or not (directory / base).exists():
        return (values_file,) if values_file else ()
    return (base, values_file)


def _is_file(directory: Path, relative: str, where: str) -> None:
    if not inside(directory, relative, where).is_file():
        raise DataError(f"{relative} is not a file", where=where)


def _files(
    directory: Path, folder: str, read: Callable[[Block, Path, Reading], _Item], reading: Reading
) -> Iterator[tuple[str, _Item]]:
    parent = directory / folder
    for file in sorted(parent.iterdir()) if parent.exists() else ():
        if file.name.startswith(".") or file.suffix == ".md":
            continue
        if file.suffix != ".yaml" or not file.is_file():
            raise DataError("is not a recipe file: only <name>.yaml is allowed here", where=str(file))
        inside(directory, f"{folder}/{file.name}", str(file))
        block = Document.read(file, reading).root().closed("apiVersion", "kind", "metadata", "spec")
        item = read(block, file, reading)
        if item.name != file.stem:
            where = block.where("metadata", "name")
            raise DataError(f"metadata.name is {item.name!r}, but the file is {file.name}", where=where)
        yield item.name, item
