"""Strict YAML: each file is either understood completely or refused with its file and line.

A recipe file is input from a pull request. A duplicate key that silently wins, an alias that expands to gigabytes, a
number where text was meant or a key nobody reads would each make the harness test something that nobody wrote. So the
file is composed into nodes (which know their lines) and turned into plain data here, with no constructor of PyYAML.

Plain scalars follow YAML 1.2's core schema as the reference tool reads them: `yes`, `on` and dates are text, `1e3` is a
number, `0755` is octal. What Helm reads is read: a number or true as a key is that text, and a merge key (`<<`) adds
fields of other mappings where they are not written out. Other tags, and keys that are lists or null, are refused.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import yaml

from harness.errors import DataError, did_you_mean
from harness.regular_files import require_regular

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # PyYAML without libyaml: the same nodes, slower
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

NODES = 100_000  # per file, aliases counted where they are used: the largest real file has a few hundred
LARGEST = 5_000_000  # bytes of a file
DEPTH = 60  # also what ends an alias that contains itself

_SHOWN = 60  # characters of a scalar in a message
_TOO_DEEP = f"is nested deeper than {DEPTH} levels, or an alias contains itself"
_OCTAL = re.compile(r"[-+]?0o?[0-7]+")


class _Loader(_Base):
    """Composes nodes; only the scalars of the core schema get a tag other than text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own way of declaring it


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*|0o?[0-7]+)|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        None,
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


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
        root = _compose(source, text)
        lines: dict[tuple[str | int, ...], int] = {}
        data = None if root is None else _Plain(source, lines).of(root, ())
        return cls(source, data, lines, reading)

    @classmethod
    def read_all(cls, file: Path, text: str | None = None) -> tuple[Self, ...]:
        """Every document of a stream that is not empty; `text` is what the file holds once it is rendered.

        `lines[()]` is the line on which a document begins. Raises DataError with file and line.
        """
        found = []
        for root in _compose_all(file, text_of_file(file) if text is None else text):
            lines: dict[tuple[str | int, ...], int] = {(): root.start_mark.line + 1}
            data = _Plain(file, lines).of(root, ())
            if data is not None:
                found.append(cls(file, data, lines))
        return tuple(found)

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


def inside(directory: Path, relative: str, where: str) -> Path:
    """The existing `directory/relative`. Raises DataError if it leaves `directory`, by a symlink too."""
    path = directory / relative
    try:
        leaves = not path.resolve().is_relative_to(directory.resolve())
        missing = not path.exists()
    except (OSError, ValueError, RuntimeError) as error:  # a name too long, a NUL in it, symlinks in a circle
        raise DataError(f"{relative!r} is no path: {error}", where=where) from error
    if leaves:
        raise DataError(f"{relative} leaves {directory}", where=where, do="name a path below it")
    if missing:
        raise DataError(f"{relative} does not exist in {directory}", where=where)
    return path


def text_of_file(file: Path, *, most: int = LARGEST, do: str = "") -> str:
    """The text of a regular file of `most` bytes. Raises DataError, with the remedy `do` where it cannot be read."""
    try:
        require_regular(file)
        if file.stat().st_size > most:
            raise DataError(f"is larger than {most // 1_000_000} MB", where=str(file))
        raw = file.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(file), do=do) from error
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError("is not UTF-8", where=f"{file}:{line}", do="save it as UTF-8") from error


def _compose(file: Path | str, text: str) -> yaml.Node | None:
    with _yaml_errors(file, text):
        _check_depth(file, text)
        return yaml.compose(text, Loader=_Loader)


def _compose_all(file: Path, text: str) -> list[yaml.Node]:
    with _yaml_errors(file, text):
        _check_depth(file, text)
        return list(yaml.compose_all(text, Loader=_Loader))


@contextmanager
def _yaml_errors(file: Path | str, text: str) -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise DataError(f"is not valid YAML: {error.problem or error.context}", where=f"{file}:{line}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise DataError(f"is not valid YAML: {error.reason}", where=f"{file}:{line}") from error


def _check_depth(file: Path | str, text: str) -> None:
    """Composing recurses, in C until the stack is gone: a file of brackets must not get that far."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise DataError(_TOO_DEEP, where=f"{file}:{line}")


@dataclass
class _Plain:
    """Turns nodes into plain data. Every visit counts, so an alias costs what it expands to."""

    file: Path | str
    lines: dict[tuple[str | int, ...], int]
    visited: int = 0
    merging: tuple[yaml.Node, ...] = ()

    def of(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        self.visited += 1
        if self.visited > NODES:
            raise self._error(f"expands to more than {NODES} values: aliases of aliases?", node)
        if len(path) > DEPTH:
            raise self._error(_TOO_DEEP, node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self._item(position, item, path) for position, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self._mapping(node, path)
        raise self._error(f"tag {node.tag!r} is not part of the format", node)

    def _item(self, position: int, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        here = (*path, position)
        self.lines[here] = node.start_mark.line + 1
        return self.of(node, here)

    def _mapping(self, node: yaml.MappingNode, path: tuple[str | int, ...]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merge: yaml.Node | None = None
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key == "<<" and not key_node.style:
                if merge:
                    raise self._error("duplicate merge key (<<): give one of them a list", key_node)
                merge = value_node
                continue
            here = (*path, key)
            if key in result:
                first = self.lines[here]
                raise self._error(f"duplicate key {key!r}, first on line {first}", key_node)
            self.lines[here] = key_node.start_mark.line + 1
            result[key] = self.of(value_node, here)
        if merge:
            self._merge(merge, path, result)
        return result

    def _merge(self, node: yaml.Node, path: tuple[str | int, ...], result: dict[str, Any]) -> None:
        """Add the fields of a mapping, or of a list of them, that are not there: what is written out wins."""
        for each in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(each, yaml.MappingNode):
                raise self._error("a merge key (<<) takes a mapping or a list of mappings", each)
            if each in self.merging:
                raise self._error(_TOO_DEEP, each)
            other = _Plain(self.file, {}, self.visited, (*self.merging, each))
            result |= {key: value for key, value in other.of(each, path).items() if key not in result}
            self.visited = other.visited
            self.lines |= {place: line for place, line in other.lines.items() if place not in self.lines}

    def _key(self, node: yaml.Node) -> str:
        """A key as Helm has it: text, and numbers and booleans as the text that they are in JSON."""
        key = self._scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(key, str):
            return key
        if key is None:
            found = "a mapping" if isinstance(node, yaml.MappingNode) else "a list"
            told = repr(node.value) if isinstance(node, yaml.ScalarNode) else found
            raise self._error(f"key {told} is not text: quote it", node)
        return str(key) if isinstance(key, int) and not isinstance(key, bool) else str(node.value).lower()

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text: str = node.value
        match node.tag.removeprefix("tag:yaml.org,2002:"):
            case "str":
                return text
            case "null":
                return None
            case "bool" if text.lower() in {"true", "false"}:
                return text.lower() == "true"
            case "int" | "float" as kind:
                try:
                    return _number(text, kind)
                except ValueError:
                    raise self._error(f"{text[:_SHOWN]!r} is not a number", node) from None
        raise self._error(f"tag {node.tag!r} is not part of the format", node)

    def _error(self, what: str, node: yaml.Node) -> DataError:
        return DataError(what, where=f"{self.file}:{node.start_mark.line + 1}")


def _number(text: str, kind: str) -> int | float:
    if kind == "float":
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    if _OCTAL.fullmatch(text):
        return int(text.replace("o", ""), 8)
    return int(text, 16 if text.lower().startswith("0x") else 10)
