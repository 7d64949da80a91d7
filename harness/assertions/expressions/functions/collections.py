"""Functions of lists and objects. Objects have no order in Go: here keys are sorted."""

from typing import Any

from harness.assertions.expressions.functions.signature import Call, Table, integer
from harness.assertions.expressions.values import GoInt, ListOfMaps, Reference, equal, is_number
from harness.assertions.go.printing import number32

TABLE = Table()
function = TABLE.function

Map = dict[str, Any]


@function("contains", "array|string", "any")
def contains(call: Call, where: Any, what: Any) -> bool:
    if isinstance(where, str):
        return isinstance(what, str) and what in where
    call.reserve(len(where))
    return any(equal(what, item, call.scope.budget, strict=call.scope.strict) for item in where)


@function("length", "string|array|object")
def length(_call: Call, value: Any) -> float:
    return float(len(value))


@function("reverse", "array|string")
def reverse(_call: Call, value: Any) -> Any:
    return value[::-1]


@function("map", "expression", "array")
def mapped(call: Call, by: Reference, items: list[Any]) -> list[Any]:
    call.reserve(len(items))
    return [by.apply(item) for item in items]


@function("group_by", "array", "expression")
def group_by(call: Call, items: list[Any], by: Reference) -> Map | None:
    call.reserve(len(items))
    groups: dict[str, list[Any]] = {}
    for item in items:
        key = by.apply(item)
        if not isinstance(key, str):
            raise call.refuse("the expression must give a text for each element")
        groups.setdefault(key, []).append(item)
    return dict(groups) or None


@function("zip", "array", "*array")
def zipped(call: Call, *lists: list[Any]) -> list[Any]:
    call.reserve(min(map(len, lists)) * len(lists))
    return [list(items) for items in zip(*lists, strict=False)]


@function("at", "array", "number")
def at(call: Call, items: list[Any], index: float) -> Any:
    position = int(index) if abs(index) < len(items) + 1 else -1
    if not 0 <= position < len(items):
        raise call.refuse(f"index {number32(index)} is out of range, the list has {len(items)} elements")
    return items[position]


@function("lookup", "object|array", "string|number")
def lookup(call: Call, where: Any, key: Any) -> Any:
    if isinstance(where, dict):
        if not isinstance(key, str):
            raise call.refuse("the key of an object must be a text")
        return where.get(key)
    if isinstance(key, str):
        raise call.refuse("the index of a list must be a number")
    position = integer(call, key, "the index")
    if not -(1 << 63) <= position < 1 << 63:
        raise call.refuse("the index is out of range")
    return where[position] if 0 <= position < len(where) else None


@function("keys", "object")
def keys(_call: Call, value: Map) -> list[str]:
    return sorted(value, key=str)


@function("values", "object")
def values(_call: Call, value: Map) -> list[Any]:
    return [value[key] for key in sorted(value, key=str)]


@function("items", "object|array", "string", "string")
def items(call: Call, value: Any, key_name: str, value_name: str) -> list[Map]:
    """One object per entry, with its key (or index) and its value under the given names."""
    call.reserve(len(value))
    pairs = (
        [(key, value[key]) for key in sorted(value, key=str)]
        if isinstance(value, dict)
        else [(float(position), item) for position, item in enumerate(value)]
    )
    return ListOfMaps({key_name: key, value_name: item} for key, item in pairs)


@function("from_items", "array")
def from_items(call: Call, pairs: list[Any]) -> Map:
    result: Map = {}
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str):
            raise call.refuse("each element must be a list of two: a text and a value")
        result[pair[0]] = pair[1]
    return result


@function("object_from_lists", "array", "array")
def object_from_lists(call: Call, names: list[Any], found: list[Any]) -> Map:
    """A name without a value has null."""
    texts = [as_text(call, name) for name in names]
    return {text: found[position] if position < len(found) else None for position, text in enumerate(texts)}


def as_text(call: Call, value: Any) -> str:
    """A text, number or boolean as text; a number with the digits of a 32-bit float."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, GoInt):
        return str(int(value))
    if isinstance(value, float) or (is_number(value) and not call.scope.strict):
        return number32(value)
    raise call.refuse("a text or a number was expected")


@function("merge", "*object")
def merge(call: Call, *maps: Map) -> Map:
    call.reserve(sum(map(len, maps)))
    return {key: value for one in maps for key, value in one.items()}


@function("not_null", "*any")
def not_null(_call: Call, *values: Any) -> Any:
    return next((value for value in values if value is not None), None)


@function("label_match", "object", "object")
def label_match(call: Call, wanted: Map, labels: Map) -> bool:
    """Whether every label of the first is in the second."""
    for key, value in wanted.items():
        if isinstance(value, list | dict):
            raise call.refuse("labels must be texts")
        if key not in labels or not equal(labels[key], value, call.scope.budget, strict=call.scope.strict):
            return False
    return True
