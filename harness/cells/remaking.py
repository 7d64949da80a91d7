"""What does not come to rest while the harness looks: objects that are made again and again, or changed by two hands.

A wait ends at a moment in which all is as intended. Where a deployer and somebody else undo each other's work such
moments come and go, so what was seen to change more often than an installation needs is told beside the verdict.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.gates.findings import listed, named
from harness.gates.workloads.ownership import controller
from harness.names import SYSTEM_NAMESPACES
from harness.objects import DAEMONSETS, DEPLOYMENTS, JOBS, STATEFULSETS, Key, Kind, Object
from harness.waiting.loop import Judged

_KINDS = (DAEMONSETS, DEPLOYMENTS, JOBS, STATEFULSETS)
_CHANGES = 4  # of one object's spec in one wait: installing it and scaling it takes fewer
_KUBERNETES = frozenset({"kube-controller-manager", "kube-scheduler", "kwok"})


@dataclass
class Restless:
    """Hears what waits see; `notes` says what did not come to rest."""

    _made: dict[tuple[Kind, Key], set[str]] = field(default_factory=dict)  # uids
    _first: dict[str, int] = field(default_factory=dict)  # by uid, the generation that was seen first
    _last: dict[str, tuple[Kind, Object]] = field(default_factory=dict)

    def seen(self, judged: Judged) -> None:
        for kind in _KINDS:
            for item in judged.objects.all(kind) if kind in judged.objects.kinds else ():
                metadata = item["metadata"]
                if controller(item) is None and metadata.get("namespace", "") not in SYSTEM_NAMESPACES:
                    uid = str(metadata.get("uid", ""))
                    self._made.setdefault((kind, (metadata.get("namespace", ""), metadata["name"])), set()).add(uid)
                    self._first.setdefault(uid, metadata.get("generation", 0))
                    self._last[uid] = (kind, item)

    def notes(self) -> Iterator[str]:
        for (kind, key), uids in sorted(self._made.items(), key=str):
            if len(uids) > 1:
                yield f"{named(kind, key)} was made {len(uids)} times while it was watched: it does not stay"
        for uid, (kind, item) in self._last.items():
            changes = item["metadata"].get("generation", 0) - self._first[uid]
            if changes >= _CHANGES:
                key = (item["metadata"].get("namespace", ""), item["metadata"]["name"])
                who = listed(_writers(item)) or "somebody"
                yield f"the spec of {named(kind, key)} was changed {changes} times while it was watched, by {who}"


def _writers(item: Object) -> set[str]:
    """Who has fields of the spec, by managedFields, without Kubernetes' own controllers unless they scale it."""
    found: set[str] = set()
    for each in item["metadata"].get("managedFields") or ():
        scales = each.get("subresource") == "scale"
        if scales or ("f:spec" in (each.get("fieldsV1") or {}) and each.get("manager") not in _KUBERNETES):
            found.add(f"{each.get('manager')}{' (scaling it)' if scales else ''}")
    return found
