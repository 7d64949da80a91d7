"""Functions that read JSON, YAML and base64, and write the last."""

import base64
import binascii
import json
import re
from typing import Any

import yaml

from harness.assertions.expressions.context import Budget
from harness.assertions.expressions.functions.signature import Call, Table
from harness.assertions.expressions.functions.texts import utf8
from harness.assertions.go.printing import plain
from harness.formats import go_yaml

TABLE = Table()
function = TABLE.function

_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
# The parser of YAML works level by level on the stack of the process.
_DEEPEST_YAML = 500
_LARGEST_INTEGER = 1 << 63


@function("base64_decode", "string")
def base64_decode(call: Call, text: str) -> str:
    """Bytes that are no UTF-8 are kept, and come back from base64_encode()."""
    packed = text.replace("\r", "").replace("\n", "")
    if not _BASE64.fullmatch(packed):
        raise call.refuse("not base64")
    try:
        return base64.b64decode(packed).decode("utf-8", "surrogateescape")
    except binascii.Error:
        raise call.refuse("not base64") from None


@function("base64_encode", "string")
def base64_encode(_call: Call, text: str) -> str:
    return base64.b64encode(utf8(text)).decode("ascii")


@function("json_parse", "string")
@function("parse_json", "string")
def parse_json(call: Call, text: str) -> Any:
    """Whole numbers stay integers, as those of objects."""
    call.reserve(len(text))
    try:
        return json.loads(text, parse_int=_whole, parse_float=_number, parse_constant=_refuse)
    except ValueError as error:
        raise call.refuse(f"not JSON: {error}") from error


def _whole(text: str) -> int | float:
    if len(text) < 21 and -_LARGEST_INTEGER <= (value := int(text)) < _LARGEST_INTEGER:
        return value
    return _number(text)


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is out of range")
    return value


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no number")


@function("parse_yaml", "string")
def parse_yaml(call: Call, text: str) -> Any:
    """The first document, as JSON can hold it: keys are texts, whole numbers integers."""
    call.reserve(len(text))
    if sum(text.count(opening) for opening in "[{") > _DEEPEST_YAML or _indented(text) > _DEEPEST_YAML:
        raise call.refuse(f"more than {_DEEPEST_YAML} levels")
    try:
        documents = go_yaml.load_all(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise call.refuse(f"not YAML: {str(error).splitlines()[0]}") from error
    return _as_json(call, documents[0] if documents else None, call.scope.budget)


def _indented(text: str) -> int:
    """At most how many levels the block structure of `text` can have."""
    return max((len(line) - len(line.lstrip(" -?:")) for line in text.splitlines()), default=0)


def _as_json(call: Call, value: Any, budget: Budget) -> Any:
    budget.spend(1)
    if isinstance(value, dict):
        return {_key(call, key): _as_json(call, item, budget) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(call, item, budget) for item in value]
    if isinstance(value, float) and value == value and abs(value) < _LARGEST_INTEGER and value == int(value):
        return int(value)
    if isinstance(value, float) and not abs(value) < float("inf"):
        raise call.refuse(f"{plain(value)} has no place in JSON")
    if value is None or isinstance(value, str | int | float):
        return value
    raise call.refuse(f"a {type(value).__name__} has no place in JSON")


def _key(call: Call, key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bool | int | float):
        return plain(key)
    raise call.refuse(f"a key must be a text, not a {type(key).__name__}")
