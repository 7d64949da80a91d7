"""Simulated nodes: what they look like, and making a cluster have exactly these, with their provider's StorageClasses.

A node is made without the condition Ready. KWOK sets that, so a Ready node proves that the simulation works; a node
that claimed it from the start would prove only that the API server can store it. (Ready=False would be worse: the
controller manager answers it with a NoExecute taint that it takes away only at its next round.)
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.formats.quantity import parse
from harness.isolation.nodes import DIGEST_ANNOTATION
from harness.names import (
    ACCELERATED,
    GPU_RESOURCE,
    KWOK_NODE_ANNOTATION,
    KWOK_NODE_LABEL,
    KWOK_TAINT,
    NODE_TYPE_LABEL,
    SYSTEM,
)
from harness.objects import Object
from harness.recipes.profiles import Gpu, NodeProfile, Selection
from harness.settings import Nodes

_PODS = {SYSTEM: 110, ACCELERATED: 250}
_PREFIX = {SYSTEM: "system", ACCELERATED: "gpu"}
_ZONES = "abc"  # as many as a region of AWS, Azure or Google Cloud has for a cluster to be spread over


@dataclass(frozen=True)
class NodePlan:
    """How many nodes of which profile, and what they have in common."""

    profiles: Selection
    system: int
    accelerated: int
    region: str
    kubelet_version: str

    @classmethod
    def of(cls, profiles: Selection, settings: Nodes) -> "NodePlan":
        return cls(profiles, settings.system, settings.accelerated, settings.region, settings.kubelet_version)

    def __str__(self) -> str:
        return f"{self.system} × {self.profiles.system} + {self.accelerated} × {self.profiles.accelerated}"


def simulated_objects(plan: NodePlan) -> list[Object]:
    """What a cluster is to have: the nodes of a plan, and the StorageClasses of their provider."""
    return [*node_objects(plan), *plan.profiles.storage_classes]


def node_objects(plan: NodePlan) -> list[dict[str, Any]]:
    """The Node objects system-0, …, gpu-0, … of a plan: its function and nothing else's."""
    wanted = ((plan.profiles.system, plan.system), (plan.profiles.accelerated, plan.accelerated))
    return [_node(plan, profile, index) for profile, count in wanted for index in range(count)]


def _node(plan: NodePlan, profile: NodeProfile, index: int) -> dict[str, Any]:
    spec, gpu = profile.spec, profile.spec.gpu
    name = f"{_PREFIX[profile.node_type]}-{index}"
    resources = {
        "cpu": spec.resources.cpu,
        "memory": spec.resources.memory,
        "ephemeral-storage": spec.resources.storage,
        "pods": str(_PODS[profile.node_type]),
        **spec.resources.further,
    }
    zone = plan.region + _ZONES[index % len(_ZONES)]
    labels = {
        **(spec.labels or {}),
        **dict.fromkeys(spec.zoneLabels or (), zone),
        KWOK_NODE_LABEL[0]: KWOK_NODE_LABEL[1],
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": spec.arch,
        "node.kubernetes.io/instance-type": spec.instanceType,
        "topology.kubernetes.io/region": plan.region,
        "topology.kubernetes.io/zone": zone,
        NODE_TYPE_LABEL: profile.node_type,
        # What the controller manager would add by itself, at the price of a write per node.
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": spec.arch,
    }
    annotations = {KWOK_NODE_ANNOTATION: "fake"}
    if profile.node_type == SYSTEM:
        labels["node-role.kubernetes.io/control-plane"] = ""  # some operators insist on it
    if gpu is not None:
        resources[gpu.resource] = str(gpu.count)
        if gpu.resource == GPU_RESOURCE:  # these are NVIDIA's own; what another vendor's tools add is for spec.labels
            labels |= _gpu_labels(gpu)
            annotations["nvidia.com/gpu.driver.version"] = gpu.driver
    node: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
        "spec": {"taints": [dict(KWOK_TAINT), *spec.all_taints]},
        "status": {
            "capacity": resources,
            "allocatable": _allocatable(resources),
            "nodeInfo": {
                "architecture": spec.arch,
                "bootID": "",
                "containerRuntimeVersion": "containerd://1.7.0",
                "kernelVersion": "6.1.0-fake",
                "kubeProxyVersion": plan.kubelet_version,
                "kubeletVersion": plan.kubelet_version,
                "machineID": "",
                "operatingSystem": "linux",
                "osImage": spec.osImage,
                "systemUUID": "",
            },
            "conditions": [
                _healthy("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                _healthy("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                _healthy("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ],
            "addresses": [{"type": "Hostname", "address": name}],
        },
    }
    annotations[DIGEST_ANNOTATION] = hashlib.sha256(json.dumps(node, sort_keys=True).encode()).hexdigest()[:16]
    return node


def _allocatable(capacity: Mapping[str, str]) -> dict[str, str]:
    """Everything; but what is set aside as huge pages is no longer there as memory (the kubelet's own rule)."""
    pages = [parse(amount) for name, amount in capacity.items() if name.startswith("hugepages-")]
    if not pages:
        return dict(capacity)
    return {**capacity, "memory": f"{int(parse(capacity['memory']) - sum(pages)) // 1024}Ki"}


def _gpu_labels(gpu: Gpu) -> dict[str, str]:
    return {
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.product": gpu.product,
        "nvidia.com/gpu.count": str(gpu.count),
        "nvidia.com/gpu.memory": str(gpu.memory),
        "nvidia.com/cuda.driver.major": gpu.driverMajor,
        "nvidia.com/cuda.driver.minor": gpu.driverMinor,
    }


def _healthy(condition: str, reason: str, message: str) -> dict[str, str]:
    return {"type": condition, "status": "False", "reason": reason, "message": message}
