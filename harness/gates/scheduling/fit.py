"""Which nodes do for a pod by name, labels and taints: what kube-scheduler and the DaemonSet controller ask first.

After Kubernetes 1.34 (component-helpers/scheduling/corev1): spec.nodeName, nodeSelector, required node affinity, taints
and cordons. Preferences never keep a pod away and are left out.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.objects import Object

_UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_CONDITION_TAINTS = "node.kubernetes.io/"  # set by the node controllers, and taken away when the node recovers
_INTEGER = re.compile(r"[+-]?[0-9]+")

Taint = tuple[str, str, str]  # key, value, effect


@dataclass(frozen=True)
class Obstacle:
    """Why a node does not do. `key` is equal for equal reasons on different nodes; `text` goes on from "node x"."""

    key: str
    text: str

    def __str__(self) -> str:
        return self.text


def tolerates(toleration: Mapping[str, Any], taint: Taint) -> bool:
    """Whether one toleration covers a taint. Source: Toleration.ToleratesTaint in k8s.io/api/core/v1."""
    key, value, effect = taint
    if toleration.get("effect") not in (None, "", effect):
        return False
    if toleration.get("key") not in (None, "", key):
        return False
    operator = toleration.get("operator") or "Equal"
    return operator == "Exists" or (operator == "Equal" and (toleration.get("value") or "") == value)


def taints_of(node: Object) -> tuple[Taint, ...]:
    """The taints that keep pods away (NoSchedule, NoExecute); a cordon counts as the taint that stands for it."""
    spec = node.get("spec") or {}
    taints = [(t["key"], t.get("value") or "", t.get("effect") or "") for t in spec.get("taints") or ()]
    cordon = (_UNSCHEDULABLE, "", "NoSchedule")
    if spec.get("unschedulable") and cordon not in taints:
        taints.append(cordon)
    return tuple(taint for taint in taints if taint[2] in ("NoSchedule", "NoExecute"))


def daemon(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A DaemonSet's pod spec with the tolerations that its controller adds (AddOrUpdateDaemonPodTolerations)."""
    added = [("not-ready", "NoExecute"), ("unreachable", "NoExecute")]
    added += [(c, "NoSchedule") for c in ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")]
    if spec.get("hostNetwork"):
        added.append(("network-unavailable", "NoSchedule"))
    extra = [{"key": _CONDITION_TAINTS + name, "operator": "Exists", "effect": effect} for name, effect in added]
    return {**spec, "tolerations": [*(spec.get("tolerations") or ()), *extra]}


def patient(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A pod spec that also tolerates what node controllers set for a while: where it would fit, were all nodes well."""
    keys = ("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "network-unavailable")
    extra = [{"key": _CONDITION_TAINTS + name, "operator": "Exists"} for name in keys]
    return {**spec, "tolerations": [*(spec.get("tolerations") or ()), *extra]}


def afflicted(node: Object) -> list[str]:
    """The taints by which the node controllers keep pods off: not ready, unreachable, under pressure, cordoned."""
    return [key for key, _, _ in taints_of(node) if key.startswith(_CONDITION_TAINTS)]


class Fit:
    """What a pod asks of a node, apart from room. Answers are remembered per (labels asked for, taints)."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._name: str = spec.get("nodeName") or ""
        self._selector: Mapping[str, str] = spec.get("nodeSelector") or {}
        self._tolerations: Sequence[Mapping[str, Any]] = spec.get("tolerations") or ()
        affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
            "requiredDuringSchedulingIgnoredDuringExecution"
        )
        self._terms = None if affinity is None else [t for t in affinity.get("nodeSelectorTerms") or () if _full(t)]
        expressions = [e for term in self._terms or () for e in term.get("matchExpressions") or ()]
        self._keys = sorted({*self._selector, *(e["key"] for e in expressions)})
        self._by_name = bool(self._name) or any(term.get("matchFields") for term in self._terms or ())
        self._memory: dict[object, tuple[Obstacle, ...]] = {}

    def obstacles(self, node: Object) -> tuple[Obstacle, ...]:
        """Why the node does not do; empty when it does."""
        labels = node["metadata"].get("labels") or {}
        taints = taints_of(node)
        name = node["metadata"]["name"] if self._by_name else ""
        seen = (tuple(labels.get(key) for key in self._keys), taints, name)
        if seen not in self._memory:
            self._memory[seen] = tuple(self._obstacles(name, labels, taints))
        return self._memory[seen]

    def _obstacles(self, name: str, labels: Mapping[str, str], taints: Iterable[Taint]) -> Iterable[Obstacle]:
        if self._name and self._name != name:
            yield Obstacle("name", f"is not {self._name}, which the pod names")
        for key, value in sorted(self._selector.items()):
            if labels.get(key) != value:
                yield Obstacle(f"label {key}", f"lacks label {key}={value}{_has(labels, key)}")
        if self._terms is not None:
            yield from self._affinity(name, labels)
        for taint in taints:
            if not any(tolerates(toleration, taint) for toleration in self._tolerations):
                yield Obstacle(f"taint {taint}", _refused(taint))

    def _affinity(self, name: str, labels: Mapping[str, str]) -> list[Obstacle]:
        """Of the terms, any of which would do, the one that is nearest to being met."""
        missed = [_unmet(term, name, labels) for term in self._terms or ()]
        if not missed:
            return [Obstacle("affinity", "cannot match: the required node affinity has no term")]
        return min(missed, key=len)


def matches(node: Object, spec: Mapping[str, Any]) -> list[Obstacle]:
    """Why a node does not do for a pod spec, whatever else runs there; empty when it does."""
    return list(Fit(spec).obstacles(node))


def _full(term: Mapping[str, Any]) -> bool:
    """Terms without requirements match no node."""
    return bool(term.get("matchExpressions") or term.get("matchFields"))


def _unmet(term: Mapping[str, Any], name: str, labels: Mapping[str, str]) -> list[Obstacle]:
    """The requirements of one node selector term that are not met."""
    wanted = [(e, labels) for e in term.get("matchExpressions") or ()]
    wanted += [(e, {"metadata.name": name}) for e in term.get("matchFields") or ()]
    return [
        Obstacle(f"affinity {_requirement(e)}", f"does not meet affinity {_requirement(e)}{_has(values, e['key'])}")
        for e, values in wanted
        if not _meets(e, values)
    ]


def _meets(requirement: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """One requirement, after labels.Requirement.Matches; an unknown operator is never met."""
    have, values = labels.get(requirement["key"]), requirement.get("values") or []
    match requirement.get("operator"):
        case "In":
            return have in values
        case "NotIn":
            return have not in values
        case "Exists":
            return have is not None
        case "DoesNotExist":
            return have is None
        case "Gt" | "Lt" as operator:
            if have is None or len(values) != 1 or not all(_INTEGER.fullmatch(str(x)) for x in (have, values[0])):
                return False
            return int(have) > int(values[0]) if operator == "Gt" else int(have) < int(values[0])
    return False


def _requirement(requirement: Mapping[str, Any]) -> str:
    values = ",".join(str(value) for value in requirement.get("values") or ())
    return " ".join(filter(None, (requirement["key"], requirement.get("operator", ""), values)))


def _has(labels: Mapping[str, str], key: str) -> str:
    return f" (has {labels[key]})" if key in labels else ""


def _refused(taint: Taint) -> str:
    key, value, effect = taint
    if key == _UNSCHEDULABLE:
        return "is cordoned"
    return f"has taint {key}{'=' + value if value else ''}:{effect} that is not tolerated"
