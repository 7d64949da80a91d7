"""kuttl's asserts and errors: an object is a subset of another, with the same types and no expressions."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.assertions.candidates import Judgement, Standing, Target, target_of
from harness.assertions.errors import EvaluationFailed, TreeInvalid
from harness.assertions.go.printing import plain
from harness.assertions.report import unified

Object = Mapping[str, Any]

_ELIDED_LINES = 10
_ELIDED = f"[... elided field over {_ELIDED_LINES} lines long ...]"
_TYPES: dict[type, str] = {
    bool: "bool",
    str: "string",
    int: "int64",
    float: "float64",
    dict: "map[string]interface {}",
    list: "[]interface {}",
    type(None): "<nil>",
}


def subset(expected: Any, actual: Any) -> str | None:
    """Why `actual` does not contain `expected`, None where it does. Raises EvaluationFailed for too deep objects.

    Types must be the same (3 is not 3.0), objects are subsets, lists are compared by index, null must be there as null.
    """
    try:
        found = _difference(expected, actual)
    except RecursionError:
        raise EvaluationFailed("the object is nested too deeply") from None
    if found is None:
        return None
    path, message = found
    return f"{''.join(f'.{key}' for key in path)}: {message}" if path else message


def _difference(expected: Any, actual: Any) -> tuple[list[str], str] | None:
    if type(expected) is not type(actual):
        return [], f"type mismatch: {_type(expected)} != {_type(actual)}"
    if isinstance(expected, list):
        if len(expected) != len(actual):
            return [], f"slice length mismatch: {len(expected)} != {len(actual)}"
        for wanted, found in zip(expected, actual, strict=True):
            if (difference := _difference(wanted, found)) is not None:
                return difference  # the index is not part of the path
        return None
    if isinstance(expected, dict):
        for key, wanted in expected.items():
            if key not in actual:
                return [str(key)], "key is missing from map"
            if (difference := _difference(wanted, actual[key])) is not None:
                return [str(key), *difference[0]], difference[1]
        return None
    return (
        None if expected == actual else ([], f"value mismatch, expected: {plain(expected)} != actual: {plain(actual)}")
    )


def _type(value: Any) -> str:
    return _TYPES.get(type(value), type(value).__name__)


def target(expected: Any) -> Target:
    """The objects that an expected object is about. Raises TreeInvalid where it has no apiVersion or kind."""
    found = target_of(expected) if isinstance(expected, dict) else None
    if found is None:
        raise TreeInvalid("apiVersion or kind is missing", path="<nil>", do="kuttl compares objects only")
    return found


def judge_assert(expected: Object, candidates: Sequence[Object]) -> Judgement:
    """Any match passes; the text has a diff and the first difference of each candidate."""
    about = target(expected)
    if not candidates:
        missing = f'{about.kind} "{about.name}" not found'
        group, _, version = about.api_version.rpartition("/")
        none = f"no resources matched of kind: {group}/{version}, Kind={about.kind}"
        return Judgement(Standing.NOT_YET, missing if about.name else none)
    texts: list[str] = []
    matched: list[Object] = []
    for item in candidates:
        why = subset(expected, item)
        if why is None:
            matched.append(item)
        else:
            texts += [
                unified(expected, elided(expected, item), _name(expected), _name(item)),
                f"resource {_name(expected)}: {why}",
            ]
    if matched:
        return Judgement(Standing.HOLDS, "", len(matched), len(candidates), matched[0])
    return Judgement(Standing.NOT_YET, "\n".join(texts), 0, len(candidates), candidates[0])


def judge_error(expected: Object, candidates: Sequence[Object]) -> Judgement:
    """Passes while nothing matches; `candidates` must be complete."""
    about = target(expected)
    matching = [item for item in candidates if subset(expected, item) is None]
    if not matching:
        vacuous = () if candidates else (f"there is no {about.kind} to look at",)
        return Judgement(Standing.HOLDS, candidates=len(candidates), vacuous=vacuous)
    group, _, version = about.api_version.rpartition("/")
    others = f" (and {len(matching) - 1} other resources)" if len(matching) > 1 else ""
    metadata = matching[0].get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    text = f"resource {group}/{version}, Kind={about.kind} {name}{others} matched error assertion"
    return Judgement(Standing.NOT_YET, text, len(matching), len(candidates), matching[0])


def _name(item: Object) -> str:
    metadata = item.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return f"{item.get('kind', '')}:{metadata.get('namespace', '')}/{metadata.get('name', '')}"


def elided(expected: Any, actual: Any) -> dict[str, Any]:
    """The actual object; what is not expected and takes ten lines or more is left out."""
    result: dict[str, Any] = {}
    for key, value in actual.items():
        if key in expected:
            both = isinstance(value, dict) and isinstance(expected[key], dict)
            result[key] = elided(expected[key], value) if both else value
        else:
            result[key] = _ELIDED if _lines(value) + isinstance(value, dict | list) >= _ELIDED_LINES else value
    return result


def _lines(value: Any) -> int:
    """How many lines of YAML a value takes, the one of its key apart where it is an object or a list."""
    if isinstance(value, dict) and value:
        return sum(
            _lines(item) + isinstance(item, dict | list) if item not in ({}, []) else 1 for item in value.values()
        )
    if isinstance(value, list) and value:
        return sum(max(1, _lines(item)) for item in value)
    if isinstance(value, str):
        return value.count("\n") + 1
    return 0 if isinstance(value, dict | list) else 1
