"""What pods take of a node and what it has left: resource requests and host ports, counted as kube-scheduler does."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from harness.formats import quantity
from harness.gates.scheduling.fit import Obstacle
from harness.objects import Object

Port = tuple[str, str, int]  # host IP, protocol, port
_ANY = "0.0.0.0"  # noqa: S104 - a host port without an address; nothing is bound here


def requests(spec: Mapping[str, Any]) -> dict[str, Fraction]:
    """What a pod takes of its node, by resource. Source: PodRequests in k8s.io/component-helpers/resource.

    Requests default to limits. Init containers run one after another next to the sidecars (restartPolicy Always)
    that started before them, so the largest moment counts; sidecars go on beside the containers.
    """
    running: dict[str, Fraction] = defaultdict(Fraction)
    for container in spec.get("containers") or ():
        _add(running, _container(container))
    sidecars: dict[str, Fraction] = defaultdict(Fraction)
    largest: dict[str, Fraction] = defaultdict(Fraction)
    for container in spec.get("initContainers") or ():
        moment = dict(sidecars)
        own = _container(container)
        for resource, amount in own.items():
            moment[resource] = moment.get(resource, Fraction()) + amount
        if container.get("restartPolicy") == "Always":
            _add(sidecars, own)
            _add(running, own)
        for resource, amount in moment.items():
            largest[resource] = max(largest[resource], amount)
    total = {name: max(running[name], largest[name]) for name in {*running, *largest}}
    for resource, text in ((spec.get("resources") or {}).get("requests") or {}).items():
        if resource in ("cpu", "memory") or resource.startswith("hugepages-"):
            total[resource] = quantity.parse(text)  # pod-level requests replace the sum of the containers
    for resource, text in (spec.get("overhead") or {}).items():
        total[resource] = total.get(resource, Fraction()) + quantity.parse(text)
    return total


def host_ports(spec: Mapping[str, Any]) -> list[Port]:
    """The ports that a pod takes of its node; on the host network a container's port is one."""
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    found: list[Port] = []
    for container in (*sidecars, *(spec.get("containers") or ())):
        for port in container.get("ports") or ():
            number = port.get("hostPort") or (port.get("containerPort") if spec.get("hostNetwork") else 0)
            if number:
                found.append((port.get("hostIP") or _ANY, port.get("protocol") or "TCP", int(number)))
    return found


def allocatable(node: Object) -> dict[str, Fraction]:
    """What a node has to give, by resource."""
    return {name: quantity.parse(text) for name, text in (node["status"].get("allocatable") or {}).items()}


@dataclass
class Usage:
    """What bound, unfinished pods take of each node: by node name."""

    requested: dict[str, dict[str, Fraction]] = field(default_factory=dict)
    ports: dict[str, list[Port]] = field(default_factory=dict)

    @classmethod
    def of(cls, pods: Iterable[Object]) -> "Usage":
        usage = cls()
        for pod in pods:
            node = pod["spec"].get("nodeName")
            if node and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
                taken = usage.requested.setdefault(node, defaultdict(Fraction))
                _add(taken, requests(pod["spec"]))
                taken["pods"] += 1
                usage.ports.setdefault(node, []).extend(host_ports(pod["spec"]))
        return usage


def lacking(node: Object, wanted: Mapping[str, Fraction], ports: Sequence[Port], usage: Usage) -> list[Obstacle]:
    """The resources and host ports that a node has too few of. Nodes of different sizes do not count as alike."""
    has, name = allocatable(node), node["metadata"]["name"]
    taken = usage.requested.get(name, {})
    found: list[Obstacle] = []
    for resource, amount in sorted({**wanted, "pods": Fraction(1)}.items()):
        total = has.get(resource, Fraction())
        free = total - taken.get(resource, Fraction())
        if amount > max(free, Fraction()):
            need, whole, left = (quantity.show(resource, x) for x in (amount, total, free))
            room = f"has {whole} with {left} free" if total else "has none"
            found.append(Obstacle(f"resource {resource} {whole}", f"needs {resource} {need}, {room}"))
    for address, protocol, number in ports:
        if any(_clash((address, protocol, number), other) for other in usage.ports.get(name, ())):
            found.append(Obstacle(f"port {number}", f"has host port {number}/{protocol} in use"))
    return found


def _container(holder: Mapping[str, Any]) -> dict[str, Fraction]:
    """The requests of a container; a limit without a request is one."""
    resources = holder.get("resources") or {}
    merged = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: quantity.parse(text) for name, text in merged.items()}


def _add(total: dict[str, Fraction], more: Mapping[str, Fraction]) -> None:
    for resource, amount in more.items():
        total[resource] += amount


def _clash(one: Port, other: Port) -> bool:
    return one[1:] == other[1:] and (one[0] == other[0] or _ANY in (one[0], other[0]))
