"""JSONPath as far as `kubectl wait --for=jsonpath` takes it: fields, indexes, `*`, and comparisons in filters."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.assertions.errors import EvaluationFailed
from harness.assertions.go.printing import plain

_PART = re.compile(
    r"""\.?(?:
        (?P<field>[A-Za-z_][\w-]*(?:\\\.[\w-]+)*)
      | \[(?P<index>-?\d+)\]
      | \['(?P<quoted>[^']*)'\]
      | (?P<all>\[\*\]|\*)
      | \[\?\(@(?P<path>(?:\.[\w-]+)+)\s*(?:(?P<operator>==|!=)\s*(?P<value>"[^"]*"|'[^']*'|[\w.-]+))?\)\]
    )""",
    re.VERBOSE,
)


def found(path: str, value: Any) -> list[Any]:
    """What a path such as `{.status.conditions[?(@.type=="Ready")].status}` finds. Raises EvaluationFailed."""
    text = path.strip()
    text = text[1:-1] if text.startswith("{") and text.endswith("}") else text
    text = text.removeprefix("$")
    values, position = [value], 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None or part.end() == position:
            raise EvaluationFailed(f"{path}: not understood from {text[position:]!r} on")
        values = [each for value_ in values for each in _below(value_, part)]
        position = part.end()
    return values


def text_of(value: Any) -> str:
    """A value as kubectl compares it."""
    return value if isinstance(value, str) else plain(value)


def _below(value: Any, part: re.Match[str]) -> Iterator[Any]:
    if name := part["field"] or part["quoted"]:
        name = name.replace("\\.", ".")
        if isinstance(value, Mapping) and name in value:
            yield value[name]
    elif part["index"] is not None:
        index = int(part["index"])
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]
    else:
        items = value if isinstance(value, list) else list(value.values()) if isinstance(value, Mapping) else []
        yield from (item for item in items if part["all"] or _fits(item, part))


def _fits(item: Any, part: re.Match[str]) -> bool:
    for name in part["path"].split(".")[1:]:
        if not isinstance(item, Mapping) or name not in item:
            return False
        item = item[name]
    if part["operator"] is None:
        return True
    return (text_of(item) == part["value"].strip("'\"")) is (part["operator"] == "==")
