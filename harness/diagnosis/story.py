"""What happened in a run, in order, as plain data: the turns that each object took, and what became of it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.evidence.recorder import verdict_data
from harness.evidence.replay import Step, Wait
from harness.gates.argocd import application
from harness.gates.findings import named
from harness.gates.flux import releases
from harness.objects import PODS, Key, Kind, Object, condition, phase
from harness.verdict import Verdict

_DELIVERY = frozenset((*application.KINDS, *releases.KINDS))  # of these every object tells, of others the named ones
_NAMES = re.compile(r"(?=\b([A-Za-z]+) ([a-z0-9][\w./-]*))")  # "HelmRelease flux-system/x", "pod x"
_CONDITIONS = ("Stalled", "Ready", "Failed", "Complete", "Available")


@dataclass
class Fate:
    """What became of one object within a wait: seconds of its first appearance and of its last transition."""

    subject: str
    appeared: float
    changed: float
    state: str


def fates(wait: Wait) -> list[Fate]:
    """The objects that mattered, in the order in which they appeared: what delivers, and what a verdict speaks of."""
    texts = {text for step in wait.steps for text in verdict_data(step.verdict).values()}
    spoken = {(kind.lower(), name.rstrip("./")) for text in texts for kind, name in _NAMES.findall(text)}
    found: dict[tuple[Kind, Key], Fate] = {}
    for step in wait.steps:
        for move in step.moves:
            names = {move.key[1], "/".join(filter(None, move.key))}
            if move.kind not in _DELIVERY and not any((move.kind.kind.lower(), name) in spoken for name in names):
                continue
            now = "gone" if move.item is None else state(move.kind, move.item)
            fate = found.get((move.kind, move.key))
            if fate is None:
                subject = named(move.kind, move.key)
                found[move.kind, move.key] = Fate(subject, step.seconds, step.seconds, now)
            elif fate.state != now:
                fate.changed, fate.state = step.seconds, now
    return list(found.values())


def state(kind: Kind, item: Object) -> str:
    """In a few words, what a person looks for in an object of this kind."""
    status: Mapping[str, Any] = item.get("status") or {}
    if kind == application.APPLICATIONS:
        parts = (status.get("sync"), status.get("health"), status.get("operationState"))
        sync, health, operation = (part or {} for part in parts)
        words = (sync.get("status"), health.get("status"), operation.get("phase"))
        return ", ".join(word for word in words if word) or "not compared yet"
    if kind == PODS:
        where = (item.get("spec") or {}).get("nodeName")
        return f"{phase(item) or 'no phase'}, {f'on {where}' if where else 'not scheduled'}"
    for name in _CONDITIONS:
        if (found := condition(item, name)) and (name == "Ready" or found.get("status") == "True"):
            return f"{name}={found.get('status')} {found.get('reason', '')}".rstrip()
    return "there"


def turns(wait: Wait) -> Iterator[Step]:
    """The steps at which the verdict became another."""
    last: Verdict | None = None
    for step in wait.steps:
        if step.verdict != last:
            yield step
        last = step.verdict
