"""Whether a live object is what a manifest says: field by field, with what the API server and deployers may add.

An object is equal when the API server holds all that the reference says. The server only adds to that, so more is fine
where defaults are possible, and a difference where an addition would have a meaning of its own (`CLOSED`).

| what                                        | how it is compared                                                     |
|---------------------------------------------|------------------------------------------------------------------------|
| null                                        | asks for nothing: as if the field were absent                          |
| {}, [], "", 0 and false                     | as if absent, where the live object has nothing                        |
| lists of named things                       | by their name (`MERGE_KEYS`), other lists by position; nothing may be  |
|                                             | lost or added                                                          |
| quantities of built-in kinds                | by value: 1000m is 1                                                   |
| Secret.stringData                           | as the data that the server makes of it                                |
| newlines at the end of a text               | not at all: a block at the end of a template has none where Helm's     |
|                                             | post-renderer reads it (Flux), one where plain helm writes it          |
| the labels helm.sh/chart and chart          | may end in the digest that Flux appends to a local chart's version     |
| annotations checksum/...                    | where a label has that digest: by length, as they may follow from it   |
| replicas under a HorizontalPodAutoscaler    | anything between its bounds                                            |
| nodeSelector type: kwok of DaemonSets and   | may be there besides: the fence of Kind clusters adds it               |
| Pods                                        |                                                                        |
| conversion of a CRD, schedulerName of a Pod | not where the cluster's own policies changed it (kwok/admission.py)    |
| hooks: Jobs and Pods, those that a delete   | need not be there; the report names standing ones that are not         |
| policy removes, those made after install    |                                                                        |
| status, uid, managedFields and the like     | not at all: the server's own                                           |

What differs still may be the server's own doing (defaults, admission, another notation): `harness.parity.check` asks.
"""

import base64
import re
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.errors import DataError
from harness.expected.objects import Expected, Path
from harness.formats.quantity import parse
from harness.names import CONVERSION_ANNOTATION, KWOK_NODE_LABEL, SCHEDULER_ANNOTATION
from harness.objects import Kind, Object, Reference


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


ABSENT = _Absent()


@dataclass(frozen=True)
class Difference:
    """One field that differs; `expected` or `actual` is ABSENT where there is nothing."""

    reference: Reference
    path: Path
    expected: Any
    actual: Any

    def __str__(self) -> str:
        if self.reference.resource == "secrets":
            shown = [_length(value) for value in (self.expected, self.actual)]
        else:
            shown = _beside(repr(self.expected), repr(self.actual))
        return f"{self.reference}\n    {dotted(self.path)}\n    - {shown[0]}\n    + {shown[1]}"


_SHOWN, _BEFORE = 197, 40  # characters of a value, and of what is the same before the first difference
MERGE_KEYS: Mapping[str, Callable[[Any], Hashable]] = {
    **dict.fromkeys(
        ("containers", "initContainers", "env", "volumes", "imagePullSecrets", "webhooks", "versions"),
        lambda item: item["name"],
    ),
    "volumeMounts": lambda item: item["mountPath"],
    "ports": lambda item: (item.get("containerPort") or item["port"], item.get("protocol") or "TCP"),
    "tolerations": lambda item: ",".join(f"{key}={item[key]}" for key in sorted(item) if item[key] not in ("", None)),
}
# Fields of built-in kinds that the API server does not fill in: what is there was said by somebody.
CLOSED = frozenset(
    {
        *(
            "containers",
            "initContainers",
            "command",
            "args",
            "env",
            "envFrom",
            "volumes",
            "volumeMounts",
            "hostAliases",
        ),
        *(
            "imagePullSecrets",
            "hostAliases",
            "tolerations",
            "nodeSelector",
            "matchLabels",
            "data",
            "binaryData",
            "limits",
        ),
    }
)
_QUANTITIES = frozenset(
    {
        *("limits", "requests", "capacity", "hard", "overhead"),
        *("min", "max", "default", "defaultRequest", "maxLimitRequestRatio"),
    }
)
_QUANTITY = frozenset({"sizeLimit", "divisor"})
_SERVER_OWNED = {
    (): frozenset({"status", "stringData"}),
    ("metadata",): frozenset(
        ["uid", "resourceVersion", "managedFields", "creationTimestamp", "generation", "selfLink", "namespace"]
    ),
}
_ADDED_TO_PODS = re.compile(
    r"kube-api-access-\w+|/var/run/secrets/kubernetes\.io/serviceaccount|.*node\.kubernetes\.io/.*"
)
_DIGEST = re.compile(r"_[0-9a-f]{12}")  # helm-controller appends +DIGEST to the version; charts make a + a _
_LABEL = 63  # characters of a label, to which charts cut
_CHART_LABELS = frozenset({"helm.sh/chart", "chart"})


def differences(reference: Reference, one: Expected, live: Object) -> Iterator[Difference]:
    """Every field in which `live` does not hold what the reference says, whatever the reason."""
    fenced = one.kind.kind in ("DaemonSet", "Pod")
    comparison = _Comparison(_built_in(one.kind), one.kind.kind == "Pod", fenced)
    for path, expected, actual in comparison.maps((), normalised(one.kind, one.item), live):
        if path == ("spec", "replicas") and one.scaled and isinstance(actual, int):
            least, most = one.scaled
            if least <= actual <= most:
                continue
        if reference.resource == "secrets" and path[0] == "data" and _same_text(_decoded(expected), _decoded(actual)):
            continue
        if not any(path[: len(each)] == each for each in simulated(live)):
            yield Difference(reference, path, expected, actual)


def simulated(live: Object) -> tuple[Path, ...]:
    """The fields that the simulated cluster itself changed as the object was made, by the annotations that say so."""
    annotations = live["metadata"].get("annotations") or {}
    changed = {CONVERSION_ANNOTATION: ("spec", "conversion"), SCHEDULER_ANNOTATION: ("spec", "schedulerName")}
    return tuple(path for annotation, path in changed.items() if annotation in annotations)


def normalised(kind: Kind, item: Object) -> dict[str, Any]:
    """Without what is null, and a Secret with the data that the server makes of its stringData."""
    found: dict[str, Any] = _without_nulls(item)
    texts = found.get("stringData")
    if kind.kind == "Secret" and not kind.group and isinstance(texts, Mapping):
        del found["stringData"]
        encoded = {
            key: base64.b64encode(value.encode()).decode() for key, value in texts.items() if isinstance(value, str)
        }
        data = found.get("data")
        found["data"] = {**(data if isinstance(data, Mapping) else {}), **encoded}
    return found


def _without_nulls(value: Any) -> Any:
    """Items of lists stay, also as null: it is by them that the others are counted."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [_without_nulls(entry) for entry in value]
    return value


def variations(path: Path, one: Any, other: Any) -> Iterator[Path]:
    """Where two values differ, whatever the difference means."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        pairs = {key: (one.get(key, ABSENT), other.get(key, ABSENT)) for key in [*one, *(other.keys() - one.keys())]}
        for key, (ours, theirs) in pairs.items():
            yield from variations((*path, str(key)), ours, theirs)
    elif isinstance(one, list) and isinstance(other, list):
        keyed, others = (_keyed(path, items) if path else None for items in (one, other))
        if keyed is None or others is None:
            keyed, others = dict(enumerate(one)), dict(enumerate(other))
        for key in [*keyed, *(others.keys() - keyed.keys())]:
            label = (*path, f"[{_label(key)}]")
            yield from variations(label, keyed.get(key, ABSENT), others.get(key, ABSENT))
    elif type(one) is not type(other) or one != other:
        yield path


def touches(path: Path, others: Collection[Path]) -> bool:
    """Whether `path` is one of `others`, within one of them, or around one."""
    return any(path[: len(each)] == each[: len(path)] for each in others)


@dataclass(frozen=True)
class _Comparison:
    built_in: bool
    pod: bool
    fenced: bool

    def values(self, path: Path, expected: Any, actual: Any) -> Iterator[tuple[Path, Any, Any]]:
        if isinstance(expected, Mapping) and isinstance(actual, Mapping):
            yield from self.maps(path, expected, actual)
        elif isinstance(expected, list) and isinstance(actual, list):
            yield from self.lists(path, expected, actual)
        elif not (_empty(expected) and (actual is ABSENT or _empty(actual))) and not self._same(path, expected, actual):
            yield path, expected, actual

    def maps(
        self, path: Path, expected: Mapping[str, Any], actual: Mapping[str, Any]
    ) -> Iterator[tuple[Path, Any, Any]]:
        owned: Collection[str] = _SERVER_OWNED.get(path, ())
        for key, value in expected.items():
            if key not in owned:
                yield from self.values((*path, key), value, actual.get(key, ABSENT))
        closed = self.built_in and bool(path) and path[-1] in CLOSED
        for key in sorted(actual.keys() - expected.keys()):
            value = actual[key]
            if self.fenced and (path[-1:], (key, value)) == (("nodeSelector",), KWOK_NODE_LABEL):
                continue
            if closed:
                yield (*path, key), ABSENT, value
            elif self.built_in and key in CLOSED and isinstance(value, dict | list):
                yield from self.values((*path, key), type(value)(), value)

    def lists(self, path: Path, expected: list[Any], actual: list[Any]) -> Iterator[tuple[Path, Any, Any]]:
        ours, theirs = _keyed(path, expected), _keyed(path, actual)
        if ours is None or theirs is None:
            ours, theirs = dict(enumerate(expected)), dict(enumerate(actual))
        for key, value in ours.items():
            yield from self.values((*path, f"[{_label(key)}]"), value, theirs.get(key, ABSENT))
        open_ended = not expected and not (self.built_in and path[-1] in CLOSED)
        for key, value in theirs.items():
            if key not in ours and not open_ended and not (self.pod and _ADDED_TO_PODS.fullmatch(_label(key))):
                yield (*path, f"[{_label(key)}]"), ABSENT, value

    def _same(self, path: Path, expected: Any, actual: Any) -> bool:
        if actual is ABSENT or isinstance(expected, bool) != isinstance(actual, bool):
            return False
        if expected == actual or _same_text(expected, actual):
            return True
        quantity = path[-1] in _QUANTITY or (len(path) > 1 and path[-2] in _QUANTITIES)
        if self.built_in and quantity and all(isinstance(each, str | int | float) for each in (expected, actual)):
            try:
                return parse(expected) == parse(actual)
            except DataError:
                return False
        return False


def _same_text(one: Any, other: Any) -> bool:
    """Whether two texts differ in nothing but the newlines at their end."""
    return isinstance(one, str) and isinstance(other, str) and one.rstrip("\n") == other.rstrip("\n")


def _decoded(value: Any) -> str | None:
    """A value of a Secret as text, None where it is none."""
    try:
        return base64.b64decode(value, validate=True).decode()
    except (TypeError, ValueError):
        return None


def _built_in(kind: Kind) -> bool:
    return kind.kind != "CustomResourceDefinition" and ("." not in kind.group or kind.group.endswith(".k8s.io"))


def _empty(value: Any) -> bool:
    return value is None or value == "" or value == 0 or value == {} or value == []


def _keyed(path: Path, items: list[Any]) -> dict[Hashable, Any] | None:
    """The items by their merge key; None where there is none, or it does not tell them apart."""
    key = MERGE_KEYS.get(path[-1])
    try:
        found = {key(item): item for item in items} if key else {}
    except (KeyError, TypeError, AttributeError):
        return None
    return found if key and len(found) == len(items) else None


def _label(key: Hashable) -> str:
    return "/".join(str(part) for part in key) if isinstance(key, tuple) else str(key)


# Differences that mean nothing


@dataclass
class Judge:
    """Takes away the digest that Flux appends to the version of a chart, and what follows from it."""

    altered: set[str] = field(default_factory=set)  # releases

    def judge(self, found: Sequence[tuple[Expected, Difference]]) -> list[tuple[Expected, Difference]]:
        left = [(one, each) for one, each in found if not self._meaningless(one, each)]
        return [(one, each) for one, each in left if not (one.release in self.altered and _derived(each))]

    def _meaningless(self, one: Expected, each: Difference) -> bool:
        if not isinstance(each.expected, str) or not isinstance(each.actual, str):
            return False
        label = each.path[-2:-1] == ("labels",) and each.path[-1] in _CHART_LABELS
        if label and _digest_appended(each.expected, each.actual):
            self.altered.add(one.release)
            return True
        return False


def _digest_appended(expected: str, actual: str) -> bool:
    """Whether `actual` is `expected` with the digest behind it, all of it or as much as a label has room for."""
    rest = actual.removeprefix(expected)
    cut = len(actual) == _LABEL and re.fullmatch(r"_[0-9a-f]{1,12}", rest)
    return actual.startswith(expected) and bool(_DIGEST.fullmatch(rest) or cut)


def _derived(each: Difference) -> bool:
    """A checksum of something that has been judged already: of the same length, both hexadecimal."""
    annotation = each.path[-2:-1] == ("annotations",) and each.path[-1].startswith("checksum/")
    values = (each.expected, each.actual)
    return annotation and all(re.fullmatch(r"[0-9a-f]+", str(v)) for v in values) and len({len(v) for v in values}) == 1


def dotted(path: Path) -> str:
    return "".join(f".{part}" if not part.startswith("[") else part for part in path)[1:]


def _beside(one: str, other: str) -> list[str]:
    """Two texts, those that are long from shortly before where they differ."""
    same = next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    start = max(0, same - _BEFORE) if max(len(one), len(other)) > _SHOWN else 0
    return [_cut(text, start) for text in (one, other)]


def _cut(text: str, start: int) -> str:
    head = "..." if start else ""
    tail = "..." if len(text) - start > _SHOWN else ""
    return f"{head}{text[start : start + _SHOWN]}{tail}"


def _length(value: Any) -> str:
    """What may be said of a Secret."""
    return repr(value) if value is ABSENT else f"({len(str(value))} characters)"
