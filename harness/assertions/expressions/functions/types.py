"""Functions that ask for a type, or change it."""

import math
import re
from typing import Any

from harness.assertions.expressions.functions.signature import Call, Table
from harness.assertions.expressions.values import ListOfMaps, is_number, kind_of, to_float
from harness.assertions.go.printing import as_json

TABLE = Table()
function = TABLE.function

_TYPES = {"invalid": "null", "bool": "boolean", "string": "string", "slice": "array", "map": "object"}
_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity)|nan", re.IGNORECASE | re.ASCII
)
_HEXADECIMAL = re.compile(r"[+-]?0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)p[+-]?[0-9]{1,5}", re.IGNORECASE | re.ASCII)


@function("type", "any")
def type_of(call: Call, value: Any) -> str:
    if isinstance(value, float) or (is_number(value) and not call.scope.strict):
        return "number"
    kind = kind_of(value)
    if kind not in _TYPES or (isinstance(value, ListOfMaps) and call.scope.strict):
        raise call.refuse(f"unknown type {kind}")
    return _TYPES[kind]


@function("to_number", "any")
def to_number(call: Call, value: Any) -> float | None:
    if is_number(value):
        return to_float(value)
    if isinstance(value, str):
        return _read(value)
    if value is None or isinstance(value, bool | dict | list):
        return None
    raise call.refuse("unknown type")


def _read(text: str) -> float | None:
    if _NUMBER.fullmatch(text):
        number = float(text)
        return None if math.isinf(number) and not text.strip("+-")[:1].isalpha() else number
    if _HEXADECIMAL.fullmatch(text):
        try:
            return float.fromhex(text)
        except OverflowError:
            return None
    return None


@function("to_string", "any")
def to_string(_call: Call, value: Any) -> str:
    return value if isinstance(value, str) else as_json(value)


@function("to_array", "any")
def to_array(_call: Call, value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@function("to_boolean", "string")
def to_boolean(call: Call, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise call.refuse(f"must be 'true' or 'false', not {text[:60]!r}")
    return text.lower() == "true"


@function("as_string", "any")
def as_string(_call: Call, value: Any) -> str | None:
    return value if isinstance(value, str) else None
