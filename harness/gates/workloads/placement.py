"""Whether pods are on the right nodes, and the table of where they are.

On simulated nodes (label type=kwok) only, and by what the component declares in the registry, first row that applies:

| pod                                                          | nodes on which it may be         |
|--------------------------------------------------------------|----------------------------------|
| requests nvidia.com/gpu                                      | accelerated                      |
| component declares accelerated node selectors only           | accelerated, DaemonSets too      |
| of a DaemonSet                                               | those that its template matches  |
| component declares both, template asks for accelerated nodes | accelerated                      |
| component declares system node selectors                     | system                           |
| component declares no node selectors, or is not of a release | any                              |

Tolerations alone say where a pod may go, not where it belongs: nfd's worker and the EBS node agent have them for both
types, no selector for either, and run everywhere. A DaemonSet of a component with system selectors follows its own
template because agents for GPU nodes come with controllers for system nodes (nvsentinel declares only the latter).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from harness.formats import quantity
from harness.gates.scheduling.fit import Fit
from harness.gates.scheduling.resources import allocatable, requests
from harness.gates.workloads.manifest import Expected, ExpectedWorkload
from harness.gates.workloads.ownership import Owner, Ownership
from harness.names import ACCELERATED, GPU_RESOURCE, KWOK_NODE_LABEL, NODE_TYPE_LABEL, SYSTEM
from harness.objects import CRONJOBS, DAEMONSETS, Object, phase


def node_type(node: Object) -> str:
    """system, accelerated, or "" where the label is absent."""
    return str((node["metadata"].get("labels") or {}).get(NODE_TYPE_LABEL, ""))


def simulated(node: Object) -> bool:
    key, value = KWOK_NODE_LABEL
    return bool((node["metadata"].get("labels") or {}).get(key) == value)


def gpus(spec: Mapping[str, Any]) -> Fraction:
    """The GPUs that a pod requests."""
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        resources = container.get("resources") or {}
        if GPU_RESOURCE in (resources.get("requests") or {}) or GPU_RESOURCE in (resources.get("limits") or {}):
            return requests(spec).get(GPU_RESOURCE, Fraction())
    return Fraction()


def intended(workload: ExpectedWorkload | None, spec: Mapping[str, Any]) -> tuple[str, str]:
    """The node type that a pod belongs on ("" for any), and why."""
    if gpus(spec):
        return ACCELERATED, f"it requests {GPU_RESOURCE}"
    if workload is None:
        return "", ""
    declared = workload.declared
    if declared.accelerated and not declared.system:
        return ACCELERATED, "its component declares node selectors for accelerated nodes only"
    if workload.kind == DAEMONSETS:
        return "", ""
    if declared.system and declared.accelerated and _asked(workload.spec) == ACCELERATED:
        return ACCELERATED, "its template asks for accelerated nodes"
    if declared.system:
        asked = _asked(workload.spec) or "none"
        return SYSTEM, f"its component declares node selectors for system nodes (node type in its template: {asked})"
    return "", ""


def misplaced(pod: Object, owner: Owner, node: Object, workload: ExpectedWorkload | None) -> str:
    """What is wrong with a bound pod's node; empty when nothing is."""
    name, where = pod["metadata"]["name"], node["metadata"]["name"]
    pod_name = "it" if owner.identity[0] == "Pod" else f"pod {name}"
    if not simulated(node):
        return f"{pod_name} is on the real node {where}: a simulated one was wanted, and real nodes must be fenced off"
    wanted, why = intended(workload, pod["spec"])
    if wanted and node_type(node) != wanted:
        return f"{pod_name} is on {node_type(node) or 'untyped'} node {where} and belongs on {wanted} nodes: {why}"
    return ""


def over_capacity(ownership: Ownership) -> Iterator[tuple[str, str]]:
    """Nodes with more GPUs requested than they have: subject and what is wrong."""
    for name, used in _gpus_by_node(ownership).items():
        total = allocatable(ownership.nodes[name]).get(GPU_RESOURCE, Fraction()) if name in ownership.nodes else used
        if used > total:
            yield (
                f"Node {name}",
                f"its pods request {GPU_RESOURCE} {quantity.show(GPU_RESOURCE, used)}, "
                f"it has {quantity.show(GPU_RESOURCE, total)}",
            )


def by_chance(ownership: Ownership, expected: Expected) -> Iterator[str]:
    """Workloads that belong on one type of node but whose template would let them onto another as well."""
    nodes = [node for node in ownership.nodes.values() if simulated(node)]
    for workload in expected.workloads:
        wanted, why = intended(workload, workload.spec)
        if wanted and workload.kind not in (DAEMONSETS, CRONJOBS) and not gpus(workload.spec):
            fit = Fit(workload.spec)
            if any(node_type(node) != wanted and not fit.obstacles(node) for node in nodes):
                yield f"{workload}: only chance keeps its pods on {wanted} nodes; {why}"


def table(ownership: Ownership, expected: Expected) -> dict[str, Any]:
    """Where everything is, as JSON-ready data: pods by simulated node and workload, GPUs, totals. For reports, not
    decisions. What runs on a real node is infrastructure, and left out.
    """
    nodes = {name: node for name, node in sorted(ownership.nodes.items()) if simulated(node)}
    placed: dict[str, Counter[str]] = defaultdict(Counter)
    totals: Counter[str] = Counter()
    for pod in ownership.pods:
        owner = ownership.owner(pod)
        counted = owner.identity in expected.by_identity
        if not counted and pod["spec"].get("nodeName") in ownership.nodes.keys() - nodes.keys():
            continue
        totals["pods"] += counted
        totals["other"] += not counted
        if node := pod["spec"].get("nodeName"):
            totals["scheduled"] += counted
            totals["running"] += counted and phase(pod) == "Running"
            placed[node][str(owner)] += 1
    used = _gpus_by_node(ownership)
    rows = [_row(node, placed[name], used.get(name, Fraction())) for name, node in nodes.items()]
    totals["gpus"], totals["gpusUsed"] = sum(row["gpus"] for row in rows), sum(row["gpusUsed"] for row in rows)
    return {"totals": {"workloads": len(expected.workloads), **totals}, "nodes": rows}


def _row(node: Object, pods: Counter[str], used: Fraction) -> dict[str, Any]:
    total = allocatable(node).get(GPU_RESOURCE, Fraction())
    return {
        "name": node["metadata"]["name"],
        "type": node_type(node),
        "pods": sum(pods.values()),
        "workloads": dict(sorted(pods.items())),
        "gpus": int(total),
        "gpusUsed": int(used),
        "gpusFree": int(total - used),
    }


def _asked(spec: Mapping[str, Any]) -> str:
    return str((spec.get("nodeSelector") or {}).get(NODE_TYPE_LABEL, ""))


def _gpus_by_node(ownership: Ownership) -> Mapping[str, Fraction]:
    """GPUs requested by unfinished pods, by node name."""
    used: dict[str, Fraction] = defaultdict(Fraction)
    for pod in ownership.pods:
        if (wanted := gpus(pod["spec"])) and phase(pod) not in ("Succeeded", "Failed") and pod["spec"].get("nodeName"):
            used[pod["spec"]["nodeName"]] += wanted
    return used
