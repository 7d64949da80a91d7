"""YAML text as plain data with the line of each key: composed into nodes, which know their lines, by no constructor.

A recipe file is input from a pull request. A duplicate key that silently wins, an alias that expands to gigabytes, a
number where text was meant or a key nobody reads would each make the harness test something that nobody wrote.

Plain scalars follow YAML 1.2's core schema as the reference tool reads them: `yes`, `on` and dates are text, `1e3` is a
number, `0755` is octal. What Helm reads is read: a number or true as a key is that text, and a merge key (`<<`) adds
fields of other mappings where they are not written out. Other tags, and keys that are lists or null, are refused.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.errors import DataError

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # PyYAML without libyaml: the same nodes, slower
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

NODES = 100_000  # per file, aliases counted where they are used: the largest real file has a few hundred
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


Lines = dict[tuple[str | int, ...], int]  # the line of every key and item, by its path


def plain(text: str, source: Path | str) -> tuple[Any, Lines]:
    """The one document of `text`, None where it is empty. Raises DataError with `source` and the line."""
    root = _compose(source, text)
    lines: Lines = {}
    return None if root is None else _Plain(source, lines).of(root, ()), lines


def plain_documents(text: str, source: Path | str) -> Iterator[tuple[Any, Lines]]:
    """Every document of a stream; `lines[()]` is the line on which it begins."""
    for root in _compose_all(source, text):
        lines: Lines = {(): root.start_mark.line + 1}
        yield _Plain(source, lines).of(root, ()), lines


def _compose(file: Path | str, text: str) -> yaml.Node | None:
    with _yaml_errors(file, text):
        _check_depth(file, text)
        return yaml.compose(text, Loader=_Loader)


def _compose_all(file: Path | str, text: str) -> list[yaml.Node]:
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
    lines: Lines
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
