"""How long one verdict takes at scale.

    PYTHONPATH=.:tests/unit/gates python tests/benchmarks/verify_scale.py [nodes pods]

Prints milliseconds of one evaluation of the workloads gate, all well and with a tenth of the pods refused.
"""

import sys
import time
from typing import Any

from harness.gates.scheduling.fit import daemon
from harness.gates.workloads.manifest import Declared, Expected, ExpectedWorkload
from harness.gates.workloads.scheduled import ScheduledAsIntended
from harness.objects import DAEMONSETS, DEPLOYMENTS, Objects
from tests.fakes.objects import (
    TYPE,
    agent_pod,
    container,
    daemon_set,
    deployment,
    node,
    objects_of,
    owned_by,
    pod,
    spec,
)

REPLICAS = 50


def world(nodes: int, pods: int, refused: int) -> tuple[ScheduledAsIntended, Objects]:
    """Four fifths accelerated nodes; two DaemonSets on all of those, the rest Deployments of 50 pods."""
    machines = [node(f"{'gpu' if i % 5 else 'system'}-{i:05}") for i in range(nodes)]
    names = [machine["metadata"]["name"] for machine in machines]
    accelerated = [name for name in names if name.startswith("gpu")]
    asks = spec(nodeSelector={TYPE: "accelerated"})
    workloads, objects = [], []
    for name in ("plugin", "exporter"):
        workloads.append(ExpectedWorkload(DAEMONSETS, "apps", name, name, Declared(accelerated=True), daemon(asks)))
        objects += [daemon_set(name, desired=len(accelerated)), *(agent_pod(on, name=name) for on in accelerated)]
    small = {**spec(), "containers": [container(cpu="10m", memory="16Mi")]}
    for d in range(max(1, (pods - 2 * len(accelerated)) // REPLICAS)):
        workloads.append(ExpectedWorkload(DEPLOYMENTS, "apps", f"d{d}", "rel", Declared(), small, REPLICAS))
        objects += deployment(f"d{d}", REPLICAS)
        for i in range(REPLICAS):
            unbound = d < refused // REPLICAS
            where: dict[str, Any] = {"refused": "0 nodes"} if unbound else {"on": names[(d * REPLICAS + i) % nodes]}
            objects.append(pod(f"d{d}-{i}", owner=owned_by("ReplicaSet", f"d{d}-new"), of=small, **where))
    return ScheduledAsIntended(Expected(tuple(workloads))), objects_of(machines, objects)


def measure(nodes: int, pods: int, refused: int) -> None:
    gate, view = world(nodes, pods, refused)
    took = []
    for _ in range(5):
        begun = time.process_time()
        verdict = gate(view)
        took.append(time.process_time() - begun)
    print(f"{nodes} nodes, {pods} pods, {refused} refused: {min(took) * 1000:.0f} ms ({type(verdict).__name__})")


if __name__ == "__main__":
    NODES, PODS = (int(word) for word in (sys.argv[1:3] if len(sys.argv) > 2 else ("1000", "5000")))
    measure(NODES, PODS, 0)
    measure(NODES, PODS, PODS // 10)
