"""Values for `$values`: files that are merged, then single ones as Helm's --set and --set-string write them."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.errors import DataError, UsageError
from harness.formats.documents import Document as Yaml
from harness.suites.fields import named
from harness.suites.merging import merged
from harness.suites.problems import Problems

_INDEX = re.compile(r"(.*?)((?:\[\d+\])*)", re.DOTALL)
MOST_ITEMS = 65_536


def read(
    files: Iterable[Path], problems: Problems, *, set_: Iterable[str] = (), set_string: Iterable[str] = ()
) -> dict[str, Any]:
    """What later files say wins, and single values over files. UsageError for a text that --set does not take."""
    values: dict[str, Any] = {}
    for file in files:
        with problems.caught():
            for document in Yaml.read_all(file):
                if not isinstance(document.data, dict):
                    raise DataError(f"expected a mapping, got {named(document.data)}", where=str(file))
                values = merged(values, document.data)
    for texts, typed in ((set_, True), (set_string, False)):
        for text in texts:
            for part in _split(text, ","):
                _assign(values, part, typed=typed)
    return values


def _split(text: str, separator: str) -> list[str]:
    """At each separator that is not escaped by a backslash, nor within braces; escapes stay."""
    parts, current, depth, position = [], "", 0, 0
    while position < len(text):
        character = text[position]
        if character == "\\" and position + 1 < len(text):
            current += text[position : position + 2]
            position += 2
            continue
        depth += (character == "{") - (character == "}")
        if character == separator and depth <= 0:
            parts.append(current)
            current = ""
        else:
            current += character
        position += 1
    return [*parts, current]


def _assign(values: dict[str, Any], text: str, *, typed: bool) -> None:
    name, *rest = _split(text, "=")
    if not rest or not name:
        raise UsageError(f"{text!r} is not NAME=VALUE", where="--set" if typed else "--set-string")
    value = _value("=".join(rest), typed=typed)
    place: Any = values
    keys: list[str | int] = []
    for part in _split(name, "."):
        found = _INDEX.fullmatch(part)
        key, indexes = (found[1], re.findall(r"\d+", found[2])) if found else (part, [])
        keys += [*([_plain(key)] if key else []), *map(int, indexes)]
    for key_, following in zip(keys, [*keys[1:], None], strict=True):
        fresh: Any = value if following is None else [] if isinstance(following, int) else {}
        if isinstance(key_, int):
            if key_ > MOST_ITEMS or not isinstance(place, list):
                raise UsageError(f"{text!r}: [{key_}] is not an index of a list here", where="--set")
            place += [None] * (key_ + 1 - len(place))
        known = place[key_] if isinstance(key_, int) else place.get(key_)
        if following is None or known is None:
            place[key_] = fresh
        elif not isinstance(known, type(fresh)):
            raise UsageError(f"{text!r}: {key_} is {named(known)} already", where="--set")
        place = place[key_]


def _value(text: str, *, typed: bool) -> Any:
    if text.startswith("{") and text.endswith("}"):
        inner = text[1:-1]
        return [_value(item, typed=typed) for item in _split(inner, ",")] if inner else []
    text = _plain(text)
    if not typed:
        return text
    match text:
        case "true" | "false":
            return text == "true"
        case "null":
            return None
        case "0":
            return 0
    # A number with a leading zero stays text, as in Helm.
    return int(text) if re.fullmatch(r"-?[1-9][0-9]*", text) and len(text) < 19 else text


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
