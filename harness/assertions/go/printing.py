"""Values as Go prints them: %v, %q, %#v and JSON. What messages of chainsaw and kuttl are made of."""

import json
import math
import re
import struct
from decimal import Decimal
from typing import Any

from harness.assertions.errors import EvaluationFailed

_INT64 = 1 << 63
_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}
_SPECIAL = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}
# encoding/json escapes these, so that its output can stand in HTML and in JavaScript.
_IN_JSON = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
_NO_UTF8 = re.compile("[\ud800-\udfff]")
MOST_TEXT = 1_000_000  # characters of one value in a message or of to_string()


def number(value: int | float, *, large: float = 1e6, small: float = 1e-4) -> str:
    """%v of a number: shortest digits, an exponent from `large` on and below `small`."""
    if isinstance(value, int):
        if -_INT64 <= value < _INT64:
            return str(int(value))
        value = math.inf if value > 1 << 1023 else -math.inf if value < -(1 << 1023) else float(value)
    if not math.isfinite(value):
        return _SPECIAL[repr(value)]
    decimal = Decimal(repr(value))
    if value == 0 or small <= abs(value) < large:
        text = f"{decimal:f}"
        return text.rstrip("0").removesuffix(".") if "." in text else text
    sign, digits, _ = decimal.normalize().as_tuple()
    first, rest = str(digits[0]), "".join(map(str, digits[1:]))
    power = decimal.adjusted()
    return f"{'-' if sign else ''}{first}{'.' if rest else ''}{rest}e{'-' if power < 0 else '+'}{abs(power):02d}"


def number32(value: float) -> str:
    """A number with as few digits as tell it from other 32-bit floats, and without exponent."""
    try:
        nearest = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        nearest = math.copysign(math.inf, value)
    if not math.isfinite(nearest):
        return _SPECIAL[repr(nearest)]
    shortest = next(
        (
            text
            for digits in range(1, 10)
            if struct.pack("f", float(text := f"{nearest:.{digits}g}")) == struct.pack("f", nearest)
        ),
        repr(nearest),
    )
    return number(float(shortest), large=math.inf, small=0)


def plain(value: Any) -> str:
    """%v of a scalar."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number(value)
    return value if isinstance(value, str) else syntax(value)


def quoted(text: str) -> str:
    """%q of a text."""
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else _escaped(c)) for c in text) + '"'


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as base64_decode() may give
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def syntax(value: Any) -> str:
    """%#v of a value."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        inside = ", ".join(f"{syntax(str(key))}:{_inner(value[key])}" for key in sorted(value, key=str))
        return f"map[string]interface {{}}{{{inside}}}"
    if isinstance(value, list):
        go_type = getattr(value, "go_type", "[]interface {}")
        return f"{go_type}{{{', '.join(map(_inner, value))}}}"
    if value is None or isinstance(value, bool | int | float):
        return plain(value)
    return f"({type(value).__name__})"


def _inner(value: Any) -> str:
    return "interface {}(nil)" if value is None else syntax(value)


def as_json(value: Any) -> str:
    """JSON as Go marshals it: sorted keys, no spaces. Raises EvaluationFailed for what JSON cannot hold."""
    parts: list[str] = []
    _write_json(value, parts, [MOST_TEXT])
    return "".join(parts)


def _write_json(value: Any, parts: list[str], room: list[int]) -> None:
    room[0] -= 1 + (len(value) if isinstance(value, str) else 0)
    if room[0] < 0:
        raise EvaluationFailed(f"the value has more than {MOST_TEXT:,} characters as JSON")
    if isinstance(value, dict):
        parts.append("{")
        for position, key in enumerate(sorted(value, key=str)):
            parts.append("," if position else "")
            _write_json(str(key), parts, room)
            parts.append(":")
            _write_json(value[key], parts, room)
        parts.append("}")
    elif isinstance(value, list):
        parts.append("[")
        for position, item in enumerate(value):
            parts.append("," if position else "")
            _write_json(item, parts, room)
        parts.append("]")
    elif isinstance(value, str):
        parts.append(_NO_UTF8.sub(r"\\ufffd", json.dumps(value, ensure_ascii=False).translate(_IN_JSON)))
    elif isinstance(value, bool) or value is None:
        parts.append(json.dumps(value))
    elif isinstance(value, int | float):
        text = number(value, large=1e21, small=1e-6)
        if text.lstrip("+-") in ("Inf", "NaN"):
            raise EvaluationFailed(f"json: unsupported value: {text}")
        parts.append(_short_exponent(text))
    else:
        raise EvaluationFailed(f"json: unsupported type: {type(value).__name__}")


def _short_exponent(text: str) -> str:
    """1e-07 is 1e-7 in JSON; 1e+21 stays."""
    mantissa, mark, exponent = text.partition("e-0")
    return f"{mantissa}e-{exponent}" if mark else text
