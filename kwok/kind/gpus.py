"""GPUs of the real node of a Kind cluster, for suites whose pods run there: numbers only, or those of the machine.

A simulated GPU is a number in the node's status. The kubelet keeps a resource that it does not know, and counts it as
allocatable at its next look, so no device plugin is needed: https://github.com/kubernetes/kubernetes/issues/53353. A
container that asks for one is placed by the scheduler, and sees no device.

It is lost when the kubelet starts anew, which sets what it does not know to zero.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.errors import ClusterError
from harness.formats.quantity import parse
from harness.objects import NODES
from harness.recipes.profiles import Gpu

ENGINE_RUNTIME = "nvidia"  # of the engine: https://github.com/NVIDIA/nvidia-container-toolkit registers it by this name
NEEDS_GPU = "needs-gpu"
_LOOK_SECONDS = 0.5

Asked = Literal["auto", "simulated", "real"]


@dataclass(frozen=True)
class Choice:
    """`kind` is empty where real GPUs were asked for and there are none: what needs them is skipped, by `why`."""

    kind: Literal["simulated", "real", ""]
    why: str


def choose(asked: Asked, engine_runtimes: Collection[str]) -> Choice:
    """Which GPUs the real node has. `engine_runtimes` are the names of the container runtimes that the engine knows."""
    there = ENGINE_RUNTIME in engine_runtimes
    if asked == "simulated":
        return Choice("simulated", "as asked for: containers see no device")
    if there:
        return Choice("real", f"the engine has the runtime {ENGINE_RUNTIME!r}")
    if asked == "real":
        return Choice("", f"{NEEDS_GPU}: the container engine does not have the runtime {ENGINE_RUNTIME!r}")
    return Choice("simulated", f"the engine does not have the runtime {ENGINE_RUNTIME!r}: containers see no device")


def advertise(cluster: Cluster, node: str, gpu: Gpu, deadline: Deadline) -> None:
    """Have the node offer the GPUs of a profile, and wait until pods can be given them. Raises ClusterError."""
    cluster.patch_merge(NODES, "", node, {"status": {"capacity": {gpu.resource: str(gpu.count)}}}, "status")
    while (found := _allocatable(cluster, node, gpu.resource)) != gpu.count:
        if deadline.expired:
            raise ClusterError(
                f"the kubelet does not offer {gpu.count} {gpu.resource} after {deadline.budget:g} s, but {found}",
                where=f"Node {node}",
                do="look for a device plugin of that resource, and at the kubelet's log",
            )
        time.sleep(_LOOK_SECONDS)


def _allocatable(cluster: Cluster, node: str, resource: str) -> int:
    found = cluster.get(NODES, "", node)
    status = (found or {}).get("status", {})
    return int(parse(status.get("allocatable", {}).get(resource, "0")))
