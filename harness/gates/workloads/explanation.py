"""Why a pod is not scheduled, in a few lines for the one who reads a red run.

Our own predicates say which nodes were close and what was missing. What they do not cover (pod affinity, topology
spread, volumes, resource claims) is in the scheduler's own message, which is always quoted.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from harness.excerpts import cut, some
from harness.gates.findings import SHOWN, Finding, Level
from harness.gates.scheduling.fit import Fit, Obstacle
from harness.gates.scheduling.resources import Usage, allocatable, host_ports, lacking, requests
from harness.gates.workloads.ownership import Ownership, controller
from harness.objects import PODS, Object, condition
from harness.verdict import CauseKind, Failed, Waiting

_GROUPS_SHOWN = 3
_NODES_SHOWN = 2


def explain(pod: Object, nodes: Iterable[Object], usage: Usage) -> str:
    """Why a pod is not scheduled, in a few lines: groups of nodes with equal obstacles, the nearest first.

    Of each group the node with the most room speaks. The scheduler's own message comes last, for what only it knows.
    """
    spec = pod["spec"]
    gates = [gate["name"] for gate in spec.get("schedulingGates") or ()]
    if gates:
        return f"held back by scheduling gate {', '.join(gates)}: the controller that would lift it does not run"
    scheduled = condition(pod, "PodScheduled")
    scheduler = spec.get("schedulerName") or "default-scheduler"
    if scheduler != "default-scheduler" and not scheduled:
        return f"asks for scheduler {scheduler}, which does not run on simulated nodes"
    lines = compare(spec, list(nodes), usage)
    if scheduled.get("message"):
        lines.append(f"the scheduler: {scheduled['message']}")
    return "\n".join(lines)


def worst_of(findings: Iterable[Finding], ownership: Ownership) -> Failed | Waiting:
    """One verdict of at least one finding: about pods that are nowhere or elsewhere, unless a finding says more."""
    ordered = sorted(findings, key=lambda finding: -finding.level)
    kind = ordered[0].blamed(CauseKind.SCHEDULE)
    failed = [finding for finding in ordered if finding.level is Level.FAILED]
    if failed:
        return Failed(_told(failed, ownership), failed[0].subject, kind=kind)
    doomed = [finding for finding in ordered if finding.level is not Level.WAITING]
    certain = ordered[0].level is Level.CERTAIN
    told = _told(doomed, ownership)
    return Waiting(_told(ordered, ownership), ordered[0].subject, kind=kind, doomed=told, certain=certain)


def _told(findings: list[Finding], ownership: Ownership) -> str:
    """The first finding without its subject, which the verdict carries, then the others with theirs."""
    usage = Usage.of(ownership.objects.all(PODS)) if any(finding.pod for finding in findings[:SHOWN]) else Usage()
    told = [finding.text if n == 0 else f"{finding.subject}: {finding.text}" for n, finding in enumerate(findings)]
    for place, finding in enumerate(findings[:SHOWN]):
        if finding.pod is not None:
            why = explain(finding.pod, _candidates(finding.pod, ownership.nodes), usage)
            told[place] += "".join(f"\n  {line}" for line in why.splitlines())
    return "\n".join(cut(told, SHOWN))


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


def nearest(spec: Mapping[str, Any], nodes: Iterable[Object]) -> str:
    """The node with the fewest obstacles and what they are, as a clause: "closest node gpu-0 lacks label a=b"."""
    fit = Fit(spec)
    found = [(len(fit.obstacles(node)), node["metadata"]["name"], fit.obstacles(node)) for node in nodes]
    if not found:
        return "there are no nodes"
    _, name, obstacles = min(found, key=lambda entry: entry[:2])
    return f"closest node {name} {_clause(obstacles)}"


def compare(spec: Mapping[str, Any], nodes: Sequence[Object], usage: Usage) -> list[str]:
    """How nodes fare with a pod spec: a line per group with the same kinds of obstacles, the nearest first."""
    if not nodes:
        return ["there are no nodes"]
    fit, wanted, ports = Fit(spec), requests(spec), host_ports(spec)
    groups: dict[tuple[str, ...], list[tuple[Object, list[Obstacle]]]] = defaultdict(list)
    for node in nodes:
        found = [*fit.obstacles(node), *lacking(node, wanted, ports, usage)]
        groups[tuple(obstacle.key for obstacle in found)].append((node, found))
    if () in groups:
        names = sorted(node["metadata"]["name"] for node, _ in groups[()])
        count = f"{len(names)} node{'' if len(names) == 1 else 's'}"
        return [f"labels, taints, resources and ports of {count} fit it ({some(names, _NODES_SHOWN)})"]
    lines = [f"none of {len(nodes)} nodes will do"] if len(nodes) > 1 else []
    ordered = sorted(groups.items(), key=lambda group: (len(group[0]), -len(group[1]), group[0]))
    for _, members in ordered[:_GROUPS_SHOWN]:
        node, found = min(members, key=lambda member: _room(member[0], member[1], usage))
        lines.append(f"{_nodes(len(members), node['metadata']['name'])} {_clause(found)}")
    if len(ordered) > _GROUPS_SHOWN:
        rest = sum(len(members) for _, members in ordered[_GROUPS_SHOWN:])
        lines.append(f"{rest} further nodes have more obstacles")
    return lines


def _room(node: Object, obstacles: Iterable[Obstacle], usage: Usage) -> tuple[list[Fraction], str]:
    """Orders the nodes of a group: most of what is short first, then by name."""
    short = [o.key.split()[1] for o in obstacles if o.key.startswith("resource ")]
    has, taken = allocatable(node), usage.requested.get(node["metadata"]["name"], {})
    return [taken.get(r, Fraction()) - has.get(r, Fraction()) for r in short], node["metadata"]["name"]


def _nodes(count: int, example: str) -> str:
    return f"node {example}" if count == 1 else f"{count} nodes like {example}:"


def _clause(obstacles: Iterable[Obstacle]) -> str:
    return ", ".join(obstacle.text for obstacle in obstacles)
