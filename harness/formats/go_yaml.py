"""YAML as Helm and Kubernetes read it (go.yaml.in/yaml/v2), where PyYAML has other ideas about plain words.

Read by PyYAML, 22:22 is a number of base 60, 2026-01-01 a date, 1e3 a text, and a plain `=`, which the CRDs of the
Prometheus operator contain, an error. Written by PyYAML, the texts 1e3 and y are plain words, a number and true to Go.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml


class _Loader(yaml.CSafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own way of declaring it)


for _tag, _pattern, _first in (
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
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node)).replace("_", "")
    octal = re.fullmatch(r"([-+]?)0([0-7]+)", text)
    return int(f"{octal[1]}0o{octal[2]}" if octal else text, 0)


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
# yaml.v2 knows y and n as words for true and false, PyYAML does not.
_Loader.bool_values = {**yaml.CSafeLoader.bool_values, "y": True, "n": False}


def load_all(text: str) -> list[Any]:
    """Every document of `text`, null for an empty one. Raises yaml.YAMLError."""
    return list(yaml.load_all(text, Loader=_Loader))


class Dumper(yaml.SafeDumper):
    """Quotes what PyYAML would read as something other than text, and what Go would."""


def _plain_is_text(text: str) -> bool:
    """Whether Go reads `text`, unquoted, as that text."""
    return not any(pattern.match(text) for _, pattern in _Loader.yaml_implicit_resolvers.get(text[:1], ()))


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None if _plain_is_text(text) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Dumper.add_representer(str, _text)


def dump(data: Mapping[str, Any]) -> bytes:
    """One document with sorted keys and unbroken lines: the same data gives the same bytes, a changed value one line.

    Written by PyYAML itself and not by libyaml, which breaks some lines elsewhere.
    """
    text: str = yaml.dump(data, Dumper=Dumper, sort_keys=True, allow_unicode=True, width=10**9)
    return text.encode()
