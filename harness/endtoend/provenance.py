"""Who wrote what an assert looks at, by managedFields: a status proves something only if a controller wrote it.

KWOK writes what nothing did, and the suite itself (the harness, kubectl) may write anything. What was there before the
case began says nothing of the case, unless it is a state of what the set-up made.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness.assertions.proof import claims_of
from harness.assertions.proof_fields import API
from harness.suites.running.witness import Objection

Object = Mapping[str, Any]

# Field managers: kwok and kwok-controller, kwok-harness, kubectl and what begins like it.
_NO_CONTROLLERS = ("kwok", "kubectl")
_FRESH = "observedGeneration"  # says which spec a status is of, and nothing else: it may be older than the case


@dataclass(frozen=True)
class Written:
    """One writer of a field, and when it last wrote (seconds since 1970, whole ones; None where that is not told)."""

    manager: str
    time: float | None


@dataclass(frozen=True)
class Begun:
    """When the set-up, the first case and this case began, in seconds since 1970."""

    set_up: float
    cases: float
    case: float

    def of(self, item: Object) -> tuple[float, str]:
        """Since when the status of an object counts, and what that was the begin of.

        What the set-up made may have come to its state before any case: that it is in it is a proof. A status of what
        the cases make says nothing of a case that began after it.
        """
        made = seconds(str((item.get("metadata") or {}).get("creationTimestamp") or ""))
        return (self.set_up, "set-up") if made is not None and made < int(self.cases) else (self.case, "case")


def objection(document: Mapping[str, Any], items: Iterable[Object], begun: Begun, *, engine: str) -> Objection | None:
    """Why none of the objects that fulfil an assert is a proof."""
    fields = [claim.path for claim in claims_of(document, engine=engine) if claim.proof is not API]
    paths = [path for path in map(_path, fields) if path[:1] == ("status",) and path[-1] != _FRESH]
    if not paths:
        return None
    found = [_of_item(item, paths, begun) for item in items]
    if not found or None in found:
        return None
    objections = [each for each in found if each is not None]
    return next((each for each in objections if each.may_change), objections[0])


def _of_item(item: Object, paths: Iterable[tuple[str, ...]], begun: Begun) -> Objection | None:
    since, of_what = begun.of(item)
    for path in paths:
        writers = list(writers_of(item, path))
        if not writers:
            continue
        last = max(writers, key=lambda each: each.time or 0.0)
        name, field = _name(item), ".".join(path)
        if last.manager.startswith(_NO_CONTROLLERS):
            return Objection(f"{name}: {field} was written by {last.manager}, which is no controller of it", True)
        if last.time is not None and last.time < int(since):
            ago = since - last.time
            what = f"{name}: {field} was last written by {last.manager} {ago:.0f} s before the {of_what} began"
            return Objection(f"{what}: it says nothing of this {of_what}", True)
    return None


def writers_of(item: Object, path: tuple[str, ...]) -> Iterator[Written]:
    """Those who own a field, or the whole that it is part of."""
    for entry in (item.get("metadata") or {}).get("managedFields") or ():
        if _owns(entry.get("fieldsV1") or {}, path):
            yield Written(str(entry.get("manager") or ""), seconds(str(entry.get("time") or "")))


def _owns(fields: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Whether a set of fields has the path, or what lies below it, or ends above it (an atomic list or map)."""
    here = fields
    for part in path:
        below = _below(here, part)
        if below is None:
            return here is not fields and not [key for key in here if key != "."]
        here = below
    return True


def _below(fields: Mapping[str, Any], part: str) -> Mapping[str, Any] | None:
    if part.startswith("["):  # an entry of a list by its type
        wanted = f'"type":"{part.strip("[]")}"'
        found = [value for key, value in fields.items() if key.startswith("k:") and wanted in key]
        return found[0] if found else None
    value = fields.get(f"f:{part}")
    return value if isinstance(value, dict) else None


def _path(text: str) -> tuple[str, ...]:
    """A claim's path in parts; entries of conditions are written in brackets, whose names may have dots."""
    parts: list[str] = []
    for part in text.split("."):
        if parts and parts[-1].startswith("[") and not parts[-1].endswith("]"):
            parts[-1] += f".{part}"
        else:
            parts.append(part)
    return tuple(parts)


def seconds(text: str) -> float | None:
    """A time as the API writes it, in seconds since 1970; None where it is none."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).timestamp()
    except ValueError:
        return None


def _name(item: Object) -> str:
    metadata = item["metadata"]
    return f"{item.get('kind')} {'/'.join(filter(None, (metadata.get('namespace'), metadata.get('name'))))}"
