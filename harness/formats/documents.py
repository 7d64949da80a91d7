"""Strict documents: each YAML file is either understood completely or refused with its file and line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from harness.errors import DataError, did_you_mean
from harness.formats.files import text_of_file
from harness.formats.yaml_nodes import plain, plain_documents


class Reading(Protocol):
    """What becomes of a field that nobody reads."""

    def unknown_field(self, key: str, known: Iterable[str], where: str) -> None:
        """Raises DataError, unless the field may be left out."""
        ...


@dataclass(frozen=True)
class Document:
    """One YAML file as plain data, and the line of every key and item by its path.

    `reading` says what becomes of unknown fields where the file is recipe data; elsewhere they are errors.
    """

    file: Path | str  # where it came from, as messages name it
    data: Any
    lines: Mapping[tuple[str | int, ...], int]
    reading: Reading | None = None

    @classmethod
    def read(cls, file: Path, reading: Reading | None = None) -> Self:
        """Read one document from `file` (an empty file is `None`). Raises DataError with file and line."""
        return cls.parse(text_of_file(file), file, reading)

    @classmethod
    def parse(cls, text: str, source: Path | str, reading: Reading | None = None) -> Self:
        """Read one document from `text`, which came from `source`. Raises DataError with that and the line."""
        return cls(source, *plain(text, source), reading)

    @classmethod
    def read_all(cls, file: Path, text: str | None = None) -> tuple[Self, ...]:
        """Every document of a stream that is not empty; `text` is what the file holds once it is rendered.

        `lines[()]` is the line on which a document begins. Raises DataError with file and line.
        """
        found = plain_documents(text_of_file(file) if text is None else text, file)
        return tuple(cls(file, data, lines) for data, lines in found if data is not None)

    def root(self) -> "Block":
        """The top-level mapping; an empty file or anything else is an error."""
        if not isinstance(self.data, dict):
            raise DataError("expected a YAML mapping", where=str(self.file))
        return Block(self, (), self.data)


def read_values(file: Path) -> dict[str, Any]:
    """A values file: a mapping, or nothing at all."""
    document = Document.read(file)
    return {} if document.data is None else document.root().data


@dataclass(frozen=True)
class Block:
    """A mapping within a document: reads typed fields, and says file and line when one is not what it should be."""

    document: Document
    path: tuple[str | int, ...]
    data: dict[str, Any]

    def where(self, *path: str | int) -> str:
        """`file:line` of the block, or of what is below it."""
        full = (*self.path, *path)
        while full and full not in self.document.lines:
            full = full[:-1]
        return f"{self.document.file}:{self.document.lines.get(full, 1)}"

    def closed(self, *known: str) -> Self:
        """Refuse every field that is not in `known`, unless the document's `reading` leaves it out."""
        for key in self.data:
            if key in known:
                continue
            if self.document.reading is None:
                raise DataError(f"unknown field {key!r}", where=self.where(key), do=did_you_mean(key, known))
            self.document.reading.unknown_field(key, known, self.where(key))
        return self

    def text(self, key: str, *, required: bool = False) -> str:
        """Text; "" when absent, null or empty."""
        value = self.data.get(key)
        if value is None or value == "":
            if required:
                raise DataError(f"{key} is missing", where=self.where(key))
            return ""
        if not isinstance(value, str):
            raise self._wrong(key, "text", value)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of text without duplicates; () when absent or null."""
        items = self._list(key)
        for position, item in enumerate(items):
            if not isinstance(item, str) or not item:
                raise DataError(f"{key} holds {item!r}, expected text", where=self.where(key, position))
            if item in items[:position]:
                raise DataError(f"{key} names {item!r} twice", where=self.where(key, position))
        return tuple(items)

    def integer(self, key: str) -> int:
        value = self.data.get(key)
        if value is None:
            return 0
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self._wrong(key, "a whole number from 0", value)
        return value

    def flag(self, key: str) -> bool:
        value = self.data.get(key)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return bool(value)

    def mapping(self, key: str) -> dict[str, Any]:
        """Free data below `key`; {} when absent or null."""
        return self.block(key).data

    def block(self, key: str) -> "Block":
        """The mapping below `key`; an empty block when absent or null."""
        value = self.data.get(key)
        if value is not None and not isinstance(value, dict):
            raise self._wrong(key, "a mapping", value)
        return Block(self.document, (*self.path, key), value or {})

    def blocks(self, key: str) -> tuple["Block", ...]:
        """A list of mappings; () when absent or null."""
        items = self._list(key)
        for position, item in enumerate(items):
            if not isinstance(item, dict):
                raise DataError(f"{key} holds {item!r}, expected a mapping", where=self.where(key, position))
        return tuple(Block(self.document, (*self.path, key, position), item) for position, item in enumerate(items))

    def _list(self, key: str) -> list[Any]:
        value = self.data.get(key)
        if value is not None and not isinstance(value, list):
            raise self._wrong(key, "a list", value)
        return value or []

    def _wrong(self, key: str, wanted: str, value: Any) -> DataError:
        remedy = f'write {key}: "{value}"' if wanted == "text" and isinstance(value, int | float) else ""
        return DataError(f"{key} must be {wanted}, not {value!r}", where=self.where(key), do=remedy)
