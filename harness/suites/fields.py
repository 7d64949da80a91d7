"""Fields of a suite's files, read strictly: every problem of every file is collected, with file and line.

A field that nobody asked for is unknown; so what a reader asks for is the format, and no list of names is kept beside.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.assertions.go import duration
from harness.errors import DataError, did_you_mean
from harness.formats.documents import Document
from harness.suites.model import Place
from harness.suites.problems import Problems

Path_ = tuple[str | int, ...]


def documents(file: Path, problems: Problems) -> tuple[Document, ...]:
    """The documents of a file; none where it cannot be read, or holds none, which is a problem."""
    found: tuple[Document, ...] = ()
    with problems.caught():
        found = Document.read_all(file)
        if not found:
            raise DataError("contains no document", where=str(file))
    return found


class Fields:
    """A mapping of a document. Each method reads one field; what is wrong with it is a problem, and its value absent.

    `done` reports the fields that were not asked for; it is called last.
    """

    def __init__(self, document: Document, problems: Problems, path: Path_ = (), data: Any = None) -> None:
        self._document = document
        self.problems = problems
        self._path = path
        self._asked: set[str] = set()
        value = document.data if not path else data
        if not isinstance(value, dict):
            self.wrong(f"expected a mapping, got {named(value)}")
            value = {}
        self.data: dict[str, Any] = value

    def place(self, *path: str | int) -> Place:
        """The line of this mapping, or of what is below it."""
        full = (*self._path, *path)
        while full and full not in self._document.lines:
            full = full[:-1]
        return Place(Path(self._document.file), self._document.lines.get(full, 1))

    def wrong(self, what: str, *path: str | int, do: str = "") -> None:
        self.problems.error(what, str(self.place(*path)), do)

    def has(self, key: str) -> bool:
        """Whether the field is there, and not null."""
        self._asked.add(key)
        return self.data.get(key) is not None

    def text(self, key: str, *, required: bool = False, choices: tuple[str, ...] = ()) -> str:
        value = self._typed(key, str, "text", required=required)
        if value and choices and value not in choices:
            self.wrong(f"{key}: {value!r} is not valid", key, do=did_you_mean(value, choices))
            return ""
        return value or ""

    def flag(self, key: str) -> bool | None:
        value: bool | None = self._typed(key, bool, "true or false")
        return value

    def integer(self, key: str, *, least: int = 0) -> int | None:
        value: int | None = self._typed(key, int, "a whole number")
        if value is not None and value < least:
            self.wrong(f"{key}: must be at least {least}, not {value}", key)
            return None
        return value

    def seconds(self, key: str, *, required: bool = False) -> float | None:
        """A duration as Go writes it, in seconds."""
        text = self.text(key, required=required)
        if not text:
            return None
        try:
            value = duration.parse(text)
        except ValueError:
            self.wrong(f"{key}: {text!r} is not a duration", key, do="write a number with a unit, such as 30s or 1m30s")
            return None
        if value < 0:
            self.wrong(f"{key}: must not be negative", key)
            return None
        return value / 1e9

    def texts(self, key: str) -> tuple[str, ...]:
        items = self._items(key)
        for index, item in enumerate(items):
            if not isinstance(item, str):
                self.wrong(f"{key}[{index}]: expected text, got {named(item)}", key, index, do="write it in quotes")
        return tuple(item for item in items if isinstance(item, str))

    def text_map(self, key: str) -> dict[str, str]:
        below = self._typed(key, dict, "a mapping") or {}
        for name, value in below.items():
            if not isinstance(value, str):
                self.wrong(f"{key}.{name}: expected text, got {named(value)}", key, name, do="write it in quotes")
        return {name: value for name, value in below.items() if isinstance(value, str)}

    def anything(self, key: str, *, required: bool = False) -> Any:
        """A value of any type."""
        self._asked.add(key)
        if required and key not in self.data:
            self.wrong(f"{key} is missing")
        return self.data.get(key)

    def mapping(self, key: str) -> dict[str, Any]:
        """A mapping that is taken as it is."""
        return self._typed(key, dict, "a mapping") or {}

    def below(self, key: str) -> "Fields | None":
        """The mapping of a field; None where it is absent or null."""
        if not self.has(key):
            return None
        return Fields(self._document, self.problems, (*self._path, key), self.data[key])

    def each(self, key: str) -> "list[Fields]":
        """The mappings of a list."""
        return [
            Fields(self._document, self.problems, (*self._path, key, index), item)
            for index, item in enumerate(self._items(key))
        ]

    def named(self, key: str) -> "dict[str, Fields]":
        """The mappings of a mapping."""
        return {
            name: Fields(self._document, self.problems, (*self._path, key, name), item)
            for name, item in self.mapping(key).items()
        }

    def done(self) -> None:
        """Report the fields that nobody asked for."""
        for key in self.data:
            if key not in self._asked:
                self.problems.unread(f"unknown field {key!r}", str(self.place(key)), did_you_mean(key, self._asked))

    def _items(self, key: str) -> list[Any]:
        return self._typed(key, list, "a list") or []

    def _typed(self, key: str, kind: type, wanted: str, *, required: bool = False) -> Any:
        self._asked.add(key)
        value = self.data.get(key)
        if value is None:
            if required:
                self.wrong(f"{key} is missing")
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            do = f'write {key}: "{value}"' if kind is str and isinstance(value, int | float) else ""
            self.wrong(f"{key}: expected {wanted}, got {named(value)}", key, do=do)
            return None
        if required and value == "":
            self.wrong(f"{key} is empty", key)
        return value


def named(value: Any) -> str:
    """What a value is, for a message."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            return "text"
        case int() | float():
            return f"the number {value}"
        case list():
            return "a list"
        case Mapping():
            return "a mapping"
    return type(value).__name__
