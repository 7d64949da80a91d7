"""What a manifest's template may call: Go's own functions, those of the reference tool, and a few more of Helm's.

The reference tool knows toYaml, nindent, toString, default, replace, trunc, trimSuffix and quote, and takes them a
little differently than Helm: its `default` leaves false and 0 alone. Its ways are followed, since it renders them.
"""

import base64
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from harness.formats import go_yaml


class WrongArgument(Exception):
    """A function cannot do with its arguments what it is for."""


def text_of(value: Any) -> str:
    """A value as Go prints it (%v)."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case float():
            return _float(value)
        case list():
            return f"[{' '.join(map(text_of, value))}]"
        case Mapping():
            return f"map[{' '.join(f'{key}:{text_of(value[key])}' for key in sorted(value))}]"
    return str(value)


def _float(value: float) -> str:
    if math.isnan(value) or math.isinf(value):
        return "NaN" if math.isnan(value) else f"{'+' if value > 0 else '-'}Inf"
    mantissa, _, exponent = f"{value:e}".partition("e") if value else ("", "", "0")
    shortest = repr(value)
    if not -4 <= int(exponent) < 21:
        digits = shortest.partition("e")[0] if "e" in shortest else mantissa.rstrip("0").rstrip(".")
        return f"{digits.removesuffix('.0')}e{int(exponent):+03d}"
    plain = f"{value:.25f}".rstrip("0") if "e-" in shortest else shortest
    return f"{int(value)}" if value == int(value) else plain


def truth(value: Any) -> bool:
    """Whether a value counts as true: neither zero, nor empty, nor nothing."""
    return bool(value)


def kind_of(value: Any) -> str:
    """What Go calls the kind of a value."""
    names = {bool: "bool", int: "int", float: "float64", str: "string", list: "[]interface {}", dict: "map"}
    return "nil" if value is None else names.get(type(value), type(value).__name__)


def to_yaml(value: Any) -> str:
    """A value as YAML with sorted keys, without the line break at its end."""
    if isinstance(value, Mapping):
        return go_yaml.dump(value).decode().removesuffix("\n") if value else "{}"
    if not isinstance(value, list):
        return go_yaml.dump({"k": value}).decode().removesuffix("\n")[3:]
    return yaml.dump(value, Dumper=go_yaml.Dumper, sort_keys=True, allow_unicode=True, width=10**9).removesuffix("\n")


def _indent(spaces: int, text: str) -> str:
    return "\n".join(" " * spaces + line if line else line for line in text.split("\n"))


def _default(otherwise: Any, value: Any) -> Any:
    return otherwise if value is None or value == "" else value


def _truncated(count: int, text: str) -> str:
    return text[count:] if count < 0 else text[:count]


def _quoted(value: Any) -> str:
    """Go's %q."""
    named = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b", "\f": "\\f"}
    named["\v"] = "\\v"
    return '"' + "".join(named.get(c) or (c if c.isprintable() else _escaped(c)) for c in text_of(value)) + '"'


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _int(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _required(message: str, value: Any) -> Any:
    if value is None or value == "":
        raise WrongArgument(message)
    return value


def _index(item: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(item, Mapping) and isinstance(key, str):
            item = item.get(key)
        elif isinstance(item, list | str) and isinstance(key, int) and not isinstance(key, bool):
            if not 0 <= key < len(item):
                raise WrongArgument(f"index out of range: {key}")
            item = item[key] if isinstance(item, list) else item.encode()[key]
        else:
            raise WrongArgument(f"cannot index {kind_of(item)} with {kind_of(key)}")
    return item


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise WrongArgument("missing argument for comparison")
    return any(_same(first, other) for other in others)


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    if kind_of(one) != kind_of(other):
        raise WrongArgument(f"incompatible types for comparison: {kind_of(one)} and {kind_of(other)}")
    if isinstance(one, list | Mapping):
        raise WrongArgument(f"non-comparable type {kind_of(one)}")
    return bool(one == other)


def _less(one: Any, other: Any) -> bool:
    if kind_of(one) != kind_of(other) or not isinstance(one, int | float | str) or isinstance(one, bool):
        raise WrongArgument(f"incompatible types for comparison: {kind_of(one)} and {kind_of(other)}")
    return bool(one < other)


def _length(value: Any) -> int:
    if not isinstance(value, list | Mapping | str):
        raise WrongArgument(f"len of {kind_of(value)}")
    return len(value.encode()) if isinstance(value, str) else len(value)


def _printed(*values: Any) -> str:
    """Go's Sprint: a space between two operands where neither is text."""
    parts: list[str] = []
    for position, value in enumerate(values):
        if position and not isinstance(value, str) and not isinstance(values[position - 1], str):
            parts.append(" ")
        parts.append(text_of(value))
    return "".join(parts)


_VERB = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\d*)(?:\.(?P<precision>\d+))?(?P<verb>[A-Za-z%])")


def _formatted(pattern: str, *values: Any) -> str:
    left = list(values)

    def one(match: re.Match[str]) -> str:
        verb = match["verb"]
        if verb == "%":
            return "%"
        if not left:
            return f"%!{verb}(MISSING)"
        text = _verb(verb, left.pop(0), match["precision"])
        width, flags = int(match["width"] or 0), match["flags"]
        if "+" in flags and verb == "d" and not text.startswith("-"):
            text = f"+{text}"
        filled = text.zfill(width) if "0" in flags and "-" not in flags else text.rjust(width)
        return text.ljust(width) if "-" in flags else filled

    text = _VERB.sub(one, pattern)
    extra = ", ".join(f"{kind_of(value)}={text_of(value)}" for value in left)
    return f"{text}%!(EXTRA {extra})" if left else text


def _verb(verb: str, value: Any, precision: str | None) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if (
        verb == "v"
        or (verb == "s" and isinstance(value, str | list | Mapping))
        or (verb == "t" and value in (True, False))
    ):
        text = text_of(value)
        return text[: int(precision)] if precision and verb == "s" else text
    if verb == "q" and isinstance(value, str):
        return _quoted(value)
    if whole and verb in "dxXob":
        return format(value, verb)
    if isinstance(value, float) and verb in "feEgG":
        return text_of(value) if verb == "g" and precision is None else format(value, f".{precision or 6}{verb}")
    return f"%!{verb}({kind_of(value)}={text_of(value)})" if value is not None else f"%!{verb}(<nil>)"


ANY: Any = object  # an argument of any kind

# By name: what carries it out, the kinds of its arguments, and whether the last of these may come again or not at all.
FUNCTIONS: Mapping[str, tuple[Callable[..., Any], tuple[Any, ...], bool]] = {
    "eq": (_equal, (ANY, ANY), True),
    "ne": (lambda one, other: not _same(one, other), (ANY, ANY), False),
    "lt": (_less, (ANY, ANY), False),
    "le": (lambda one, other: _less(one, other) or _same(one, other), (ANY, ANY), False),
    "gt": (lambda one, other: _less(other, one), (ANY, ANY), False),
    "ge": (lambda one, other: not _less(one, other), (ANY, ANY), False),
    "not": (lambda value: not truth(value), (ANY,), False),
    "len": (_length, (ANY,), False),
    "index": (_index, (ANY, ANY), True),
    "print": (_printed, (ANY,), True),
    "println": (lambda *values: " ".join(map(text_of, values)) + "\n", (ANY,), True),
    "printf": (_formatted, (str, ANY), True),
    # The reference tool's.
    "toYaml": (to_yaml, (ANY,), False),
    "nindent": (lambda spaces, text: f"\n{_indent(spaces, text)}", (int, str), False),
    "toString": (text_of, (ANY,), False),
    "default": (_default, (ANY, ANY), False),
    "replace": (lambda old, new, text: text.replace(old, new), (str, str, str), False),
    "trunc": (_truncated, (int, str), False),
    "trimSuffix": (lambda suffix, text: text.removesuffix(suffix), (str, str), False),
    "quote": (lambda *values: " ".join(_quoted(value) for value in values if value is not None), (ANY,), True),
    # More of Helm's.
    "int": (_int, (ANY,), False),
    "toJson": (_json, (ANY,), False),
    "indent": (_indent, (int, str), False),
    "lower": (str.lower, (str,), False),
    "upper": (str.upper, (str,), False),
    "trim": (str.strip, (str,), False),
    "trimPrefix": (lambda prefix, text: text.removeprefix(prefix), (str, str), False),
    "b64enc": (lambda text: base64.b64encode(text.encode()).decode(), (str,), False),
    "required": (_required, (str, ANY), False),
}
