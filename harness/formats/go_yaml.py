"""YAML as Helm and Kubernetes read it (go.yaml.in/yaml/v2), where PyYAML has other ideas about plain words.

Read by PyYAML, 22:22 is a number of base 60, 2026-01-01 a date, 1e3 a text, and a plain `=`, which the CRDs of the
Prometheus operator contain, an error. Written by PyYAML, the texts 1e3 and y are plain words, a number and true to Go.
Keys are text whatever they look like, because what is read becomes JSON (sigs.k8s.io/yaml).

A recipe's manifests are megabytes. libyaml parses them, but most of the time goes into what PyYAML does for each value
afterwards, so the most frequent kinds of values are made here.
"""

import re
from collections.abc import Mapping
from functools import cmp_to_key, lru_cache
from typing import Any

import yaml
from yaml.constructor import ConstructorError

_TAG = "tag:yaml.org,2002:"
_TEXT, _MAP, _LIST, _MERGE = f"{_TAG}str", f"{_TAG}map", f"{_TAG}seq", f"{_TAG}merge"


class _Loader(yaml.CSafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own way of declaring it)

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: Any) -> str:
        """The tag of a node that has none of its own."""
        if kind is yaml.ScalarNode:
            return _tag(value or "") if implicit[0] else _TEXT
        return _MAP if kind is yaml.MappingNode else _LIST

    def construct_document(self, node: yaml.Node) -> Any:
        return self._value(node, {})

    def _value(self, node: yaml.Node, made: dict[int, Any]) -> Any:
        """`made` are the lists and mappings of this document, by node: an alias is the same node again."""
        if node.tag == _TEXT and isinstance(node, yaml.ScalarNode):
            return node.value
        if isinstance(node, yaml.ScalarNode):
            return self.construct_object(node, deep=True)
        if id(node) in made:
            if made[id(node)] is None:
                raise ConstructorError(None, None, "found an alias within what it stands for", node.start_mark)
            return made[id(node)]
        made[id(node)] = None
        value: Any
        if node.tag == _MAP and isinstance(node, yaml.MappingNode):
            if any(key.tag == _MERGE for key, _ in node.value):
                self.flatten_mapping(node)
            value = {self._key(key): self._value(item, made) for key, item in node.value}
        elif node.tag == _LIST and isinstance(node, yaml.SequenceNode):
            value = [self._value(item, made) for item in node.value]
        else:
            value = self.construct_object(node, deep=True)
        made[id(node)] = value
        return value

    def _key(self, node: yaml.Node) -> str:
        if node.tag == _TEXT and isinstance(node, yaml.ScalarNode):
            return str(node.value)
        value = self.construct_object(node, deep=True) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float | str):
            return f"{value:g}" if isinstance(value, float) else str(value)
        raise ConstructorError("in a mapping", node.start_mark, "expected a text or a number as key", node.start_mark)


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (
        "bool",
        r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
        list("yYnNtTfFoO"),
    ),
    (
        "int",
        r"[-+]?(?:0b[01][01_]*|0x[0-9a-fA-F][0-9a-fA-F_]*|0o[0-7][0-7_]*|0[0-7_]*|[1-9][0-9_]*)",
        list("-+0123456789"),
    ),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
    ("merge", "<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"^(?:{_pattern})$"), _first)


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node)).replace("_", "")
    octal = re.fullmatch(r"([-+]?)0([0-7]+)", text)
    return int(f"{octal[1]}0o{octal[2]}" if octal else text, 0)


@lru_cache(maxsize=1 << 14)
def _tag(text: str) -> str:
    """What a plain word is."""
    resolvers = _Loader.yaml_implicit_resolvers.get(text[:1], ())
    return next((tag for tag, pattern in resolvers if pattern.match(text)), _TEXT)


_Loader.add_constructor(f"{_TAG}int", _integer)
# yaml.v2 knows y and n as words for true and false, PyYAML does not.
_Loader.bool_values = {**yaml.CSafeLoader.bool_values, "y": True, "n": False}


def load_all(text: str) -> list[Any]:
    """Every document of `text`, null for an empty one. Raises yaml.YAMLError."""
    return list(yaml.load_all(text, Loader=_Loader))


_DIGITS = re.compile(r"[0-9]{1,18}")


class Dumper(yaml.SafeDumper):
    """Quotes what PyYAML would read as something other than text, and what Go would."""

    word_quote = (
        "'"  # around texts that look like numbers and the like; what YAML's syntax asks to quote is not up to us
    )


# Texts that Go's encoder puts in quotes although its decoder would not: dates, and numbers of base 60.
_QUOTED_BY_GO = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}(?:[Tt ].*)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", re.ASCII
)


class _GoDumper(Dumper):
    """Words in double quotes, `=` as it is."""

    word_quote = '"'
    yaml_implicit_resolvers: dict[str, Any] = {  # noqa: RUF012 (PyYAML's own way of declaring it)
        first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in ("value", "timestamp")]
        for first, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }


def _plain_is_text(text: str) -> bool:
    """Whether Go reads `text`, unquoted, as that text."""
    return _tag(text) == _TEXT


def _text(dumper: Dumper, text: str) -> yaml.ScalarNode:
    word = not _plain_is_text(text) or (dumper.word_quote == '"' and _QUOTED_BY_GO.fullmatch(text))
    style = "|" if "\n" in text else dumper.word_quote if word else None
    return dumper.represent_scalar(_TEXT, text, style=style)


Dumper.add_representer(str, _text)
_GoDumper.add_representer(str, _text)


def dump(data: Mapping[str, Any]) -> bytes:
    """One document with sorted keys and unbroken lines: the same data gives the same bytes, a changed value one line.

    Written by PyYAML itself and not by libyaml, which breaks some lines elsewhere.
    """
    text: str = yaml.dump(data, Dumper=Dumper, sort_keys=True, allow_unicode=True, width=10**9)
    return text.encode()


def as_go(data: Mapping[str, Any]) -> str:
    """One document as sigs.k8s.io/yaml writes it: x9 before x10, words in double quotes, lines of 80 characters."""
    text: str = yaml.dump(_ordered(data), Dumper=_GoDumper, sort_keys=False, allow_unicode=True, width=80)
    return text


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value, key=cmp_to_key(_compared))}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def _compared(left: str, right: str) -> int:
    """The order of keys: numbers inside of them by value, letters after what is no letter."""
    after_digit = False
    for position, (a, b) in enumerate(zip(left, right, strict=False)):
        if a == b:
            after_digit = a.isdigit()
            continue
        if a.isalpha() and b.isalpha():
            return -1 if a < b else 1
        if a.isalpha() or b.isalpha():
            return -1 if a.isalpha() is after_digit else 1
        numbers = [int(found[0]) if (found := _DIGITS.match(key, position)) else 0 for key in (left, right)]
        return -1 if (numbers[0], a) < (numbers[1], b) else 1
    return len(left) - len(right)
