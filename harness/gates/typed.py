"""What the gates read of a manifest, and of which type each field is; what is of another type is left out.

A chart may render anything: a null where a value is empty, a text where a number belongs, a list for a mapping. null
asks for nothing. Everything else that is of the wrong type the API server refuses, in words of its own, when the
manifest is applied; until then it is as good as a field that is not there. Fields that no gate reads are kept as they
are. Types are those of Kubernetes' API reference; quantities are those of `harness.formats.quantity`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import DataError
from harness.formats.quantity import parse
from harness.objects import Object

_Type = Callable[[Any], Any]  # the value, or None where it is of another type


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> int | None:
    """A whole one; 3.0 is one too, as it is to Go's JSON."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    return int(value)


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _quantity(value: Any) -> str | int | float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        parse(value)
    except DataError:
        return None
    return value


@dataclass(frozen=True)
class _List:
    item: _Type

    def __call__(self, value: Any) -> list[Any] | None:
        if not isinstance(value, list):
            return None
        return [kept for kept in map(self.item, value) if kept is not None]


@dataclass(frozen=True)
class _Map:
    """A mapping with any keys and values of one type."""

    item: _Type

    def __call__(self, value: Any) -> dict[str, Any] | None:
        if not isinstance(value, Mapping):
            return None
        kept = {key: self.item(entry) for key, entry in value.items() if isinstance(key, str)}
        return {key: entry for key, entry in kept.items() if entry is not None}


class _Fields:
    """A mapping of known fields; without one of `needed` it is nothing. Other fields are kept, but for null."""

    def __init__(self, *needed: str, **types: _Type) -> None:
        self._needed, self._types = needed, types

    def __call__(self, value: Any) -> dict[str, Any] | None:
        if not isinstance(value, Mapping):
            return None
        kept = {key: self._types[key](entry) if key in self._types else entry for key, entry in value.items()}
        kept = {key: entry for key, entry in kept.items() if entry is not None}
        return kept if all(name in kept for name in self._needed) else None


_RESOURCES = _Fields(requests=_Map(_quantity), limits=_Map(_quantity))
_PORT = _Fields(hostPort=_number, containerPort=_number, hostIP=_text, protocol=_text)
_CONTAINER = _Fields(name=_text, restartPolicy=_text, resources=_RESOURCES, ports=_List(_PORT))
_TOLERATION = _Fields(key=_text, operator=_text, value=_text, effect=_text)
_REQUIREMENT = _Fields("key", key=_text, operator=_text, values=_List(_text))
_TERM = _Fields(matchExpressions=_List(_REQUIREMENT), matchFields=_List(_REQUIREMENT))
_NODE_AFFINITY = _Fields(requiredDuringSchedulingIgnoredDuringExecution=_Fields(nodeSelectorTerms=_List(_TERM)))
_POD_SPEC = _Fields(
    affinity=_Fields(nodeAffinity=_NODE_AFFINITY),
    containers=_List(_CONTAINER),
    hostNetwork=_flag,
    initContainers=_List(_CONTAINER),
    nodeName=_text,
    nodeSelector=_Map(_text),
    overhead=_Map(_quantity),
    resources=_RESOURCES,
    schedulerName=_text,
    schedulingGates=_List(_Fields()),
    tolerations=_List(_TOLERATION),
)
_TEMPLATE = _Fields(spec=_POD_SPEC)
_METADATA = _Fields(name=_text, namespace=_text, annotations=_Map(_text), labels=_Map(_text))
_JOB_SPEC = _Fields(
    completions=_number, parallelism=_number, suspend=_flag, template=_TEMPLATE, ttlSecondsAfterFinished=_number
)
_WORKLOAD_SPEC = _Fields(
    completions=_number,
    jobTemplate=_Fields(spec=_JOB_SPEC),
    minReadySeconds=_number,
    parallelism=_number,
    paused=_flag,
    podManagementPolicy=_text,
    replicas=_number,
    suspend=_flag,
    template=_TEMPLATE,
    ttlSecondsAfterFinished=_number,
    updateStrategy=_Fields(type=_text, rollingUpdate=_Fields(partition=_number)),
)
_SCALER_SPEC = _Fields(
    scaleTargetRef=_Fields("kind", "name", kind=_text, name=_text, apiVersion=_text),
    minReplicas=_number,
    maxReplicas=_number,
)


def metadata(item: Object) -> dict[str, Any]:
    """name, namespace, labels and annotations are texts, where they are there."""
    return _METADATA(item.get("metadata")) or {}


def annotations(item: Object) -> dict[str, str]:
    found: dict[str, str] = metadata(item).get("annotations") or {}
    return found


def workload_spec(item: Object) -> dict[str, Any]:
    """The spec of a workload, the pod specs in it included."""
    return _WORKLOAD_SPEC(item.get("spec")) or {}


def pod_spec(item: Object) -> dict[str, Any]:
    """The spec of a bare Pod."""
    return _POD_SPEC(item.get("spec")) or {}


def scaler_spec(item: Object) -> dict[str, Any]:
    """The spec of a HorizontalPodAutoscaler; without a kind and a name to scale there is no scaleTargetRef."""
    return _SCALER_SPEC(item.get("spec")) or {}
