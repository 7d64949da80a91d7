"""What people see of an object that does not match: the lines of chainsaw, and a unified diff of what was expected."""

import difflib
import json
from collections.abc import Mapping
from typing import Any

from harness.assertions.errors import EvaluationFailed
from harness.assertions.go.printing import as_json
from harness.assertions.outcome import NotYet
from harness.formats import go_yaml

Object = Mapping[str, Any]

# The comparison of texts grows with the square of their lines.
MOST_LINES = 4_000
MOST_MISMATCHES = 200  # lines of one object


def reference(item: Object) -> str:
    """apiVersion/Kind/namespace/name, without the namespace where there is none."""
    metadata = item.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    namespace, name = _text(metadata.get("namespace")), _text(metadata.get("name")) or "*"
    return "/".join([_text(item.get("apiVersion")), _text(item.get("kind")), *([namespace] if namespace else []), name])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def block(expected: Object, actual: Object, outcome: NotYet, note: str = "") -> str:
    """One candidate: reference between dashes, sorted mismatches, a diff. `note`: why the diff shows expressions."""
    header = reference(actual)
    dashes = "-" * len(header)
    lines = [dashes, header, dashes, *(f"* {line}" for line in told(outcome.lines()))]
    if note:
        lines.append(f"* ERROR: failed to compute expected template: {note}")
    return "\n".join([*lines, "", diff(expected, actual)])


def told(lines: list[str]) -> list[str]:
    """As many as anybody reads, and how many more there are."""
    more = len(lines) - MOST_MISMATCHES
    return lines if more <= 0 else [*lines[:MOST_MISMATCHES], f"and {more:,} more mismatches"]


def diff(expected: Object, actual: Object) -> str:
    """A unified diff, the actual object cut down to what is expected of it."""
    return unified(expected, _pruned(expected, actual, ("apiVersion", "kind")), "expected", "actual")


def unified(expected: Object, actual: Object, expected_name: str, actual_name: str) -> str:
    """A unified diff of two objects as Go writes their YAML, with three lines of context."""
    try:
        before, after = (
            # Through JSON: shared parts are written twice, what JSON cannot hold is refused.
            [*go_yaml.as_go(json.loads(as_json(item))).splitlines(keepends=True), "\n"]
            for item in (expected, actual)
        )
    except (EvaluationFailed, RecursionError, UnicodeEncodeError):
        return "(no diff: the objects are too large or too deep)"
    if max(len(before), len(after)) > MOST_LINES:
        return f"(no diff: more than {MOST_LINES:,} lines)"
    return "".join(difflib.unified_diff(before, after, expected_name, actual_name))


def _pruned(expected: Any, actual: Object, kept: tuple[str, ...]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in actual.items():
        wanted = expected.get(key) if isinstance(expected, dict) else None
        if key in kept:
            result[key] = value
        elif wanted is not None:
            below = ("ownerReferences", "name") if kept == ("apiVersion", "kind") and key == "metadata" else ()
            result[key] = (
                _pruned(wanted, value, below) if isinstance(value, dict) and isinstance(wanted, dict) else value
            )
    return result
