"""What is not as intended, and how one verdict is made of many findings.

All that is wrong is told at once (up to a screenful), the worst first. While something is doomed it decides the
subject, since the waiting loop counts its patience by subject.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from harness.gates.explanation import explain
from harness.gates.ownership import Ownership, controller
from harness.gates.resources import Usage
from harness.outcome import CauseKind
from harness.snapshot import PODS, Object
from harness.verdict import Failed, Waiting

_SHOWN = 5


class Level(IntEnum):
    """How bad a finding is."""

    WAITING = 0  # it may come right
    DOOMED = 1  # it will not, unless something changes
    FAILED = 2  # it cannot


@dataclass(frozen=True)
class Finding:
    """`subject` is the object in question; `pod` is one to be explained, where there is one.

    `kind` says where the cause lies, where that is not what the gate is about.
    """

    level: Level
    subject: str
    text: str
    pod: Object | None = None
    kind: CauseKind | None = None

    def blamed(self, otherwise: CauseKind) -> CauseKind | None:
        """Where the cause lies. What may still come right has none, unless somebody said so."""
        return self.kind or (otherwise if self.level > Level.WAITING else None)


def worst_of(findings: Iterable[Finding], ownership: Ownership) -> Failed | Waiting:
    """One verdict of at least one finding: about pods that are nowhere or elsewhere, unless a finding says more."""
    ordered = sorted(findings, key=lambda finding: -finding.level)
    kind = ordered[0].blamed(CauseKind.SCHEDULE)
    failed = [finding for finding in ordered if finding.level is Level.FAILED]
    if failed:
        return Failed(_told(failed, ownership), failed[0].subject, kind=kind)
    doomed = [finding for finding in ordered if finding.level is Level.DOOMED]
    return Waiting(_told(ordered, ownership), ordered[0].subject, kind=kind, doomed=_told(doomed, ownership))


def _told(findings: list[Finding], ownership: Ownership) -> str:
    """The first finding without its subject, which the verdict carries, then the others with theirs."""
    usage = Usage.of(ownership.snapshot.all(PODS)) if any(finding.pod for finding in findings[:_SHOWN]) else Usage()
    lines: list[str] = []
    for finding in findings[:_SHOWN]:
        lines.append(f"{finding.subject}: {finding.text}" if lines else finding.text)
        if finding.pod is not None:
            why = explain(finding.pod, _candidates(finding.pod, ownership.nodes), usage)
            lines += [f"  {line}" for line in why.splitlines()]
    if len(findings) > _SHOWN:
        lines.append(f"and {len(findings) - _SHOWN} more")
    return "\n".join(lines)


def _candidates(pod: Object, nodes: Mapping[str, Object]) -> Iterable[Object]:
    """All nodes; for a pod of a DaemonSet the one that it is made for."""
    target = daemon_target(pod)
    return [nodes[target]] if target in nodes else nodes.values()


def daemon_target(pod: Object) -> str:
    """The node that the DaemonSet controller made a pod for ("" for other pods): bound to it, or by its affinity."""
    reference = controller(pod)
    if reference is None or reference["kind"] != "DaemonSet":
        return ""
    if name := pod["spec"].get("nodeName"):
        return str(name)
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    for term in (affinity or {}).get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field.get("key") == "metadata.name" and field.get("values"):
                return str(field["values"][0])
    return ""
