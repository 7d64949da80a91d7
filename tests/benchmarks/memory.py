"""Memory of the process that waits, with many objects watched.

    python -m tests.benchmarks.memory [--objects 5000]

A server in another process serves pods of the size that real ones have (7 kB of JSON, with managedFields). Prints the
resident memory after the imports, while one wait watches them all, and while it also has the one before in a recording.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.evidence.recorder import Recorder
from harness.gates.assertions import Asserted
from harness.objects import PODS
from harness.waiting.loop import Judged, wait
from tests.fakes.api import FakeApi

TREE = {"apiVersion": "v1", "kind": "Pod", "status": {"phase": "Running"}}


def pod(number: int) -> dict[str, Any]:
    """One of a Deployment, as a server has it."""
    fields: dict[str, Any] = {f"f:field-{each}": {"f:value": {}, ".": {}} for each in range(60)}
    mounts = [{"name": f"volume-{each}", "mountPath": f"/var/lib/place/{each}"} for each in range(6)]
    containers = [
        {
            "name": name,
            "image": f"registry.example/{name}:v1.2.3",
            "env": [{"name": f"NAME_{each}", "value": f"value of {each}"} for each in range(8)],
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
            "volumeMounts": mounts,
        }
        for name in ("main", "sidecar")
    ]
    return {
        "metadata": {
            "labels": {"app": f"app-{number % 50}", "pod-template-hash": f"{number % 50:010}"},
            "annotations": {f"example.com/annotation-{each}": "x" * 60 for each in range(6)},
            "managedFields": [{"manager": name, "fieldsV1": fields} for name in ("kube-controller-manager", "kubelet")],
        },
        "spec": {"containers": containers, "nodeName": f"node-{number % 100}"},
        "status": {
            "phase": "Running",
            "conditions": [{"type": f"Condition{each}", "status": "True"} for each in range(5)],
            "containerStatuses": [{"name": each["name"], "ready": True, "restartCount": 0} for each in containers],
        },
    }


def serve(told: Connection, directory: Path, objects: int) -> None:
    with FakeApi() as api:
        for number in range(objects):
            api.put(PODS, pod(number), namespace=f"namespace-{number % 20}", name=f"pod-{number}")
        told.send(str(api.kubeconfig(directory)))
        told.recv()


def resident() -> float:
    """MB now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def watched(cluster: Cluster, objects: int, recorder: Recorder | None) -> float:
    """MB once all objects were judged."""
    gate = Asserted(TREE, kind=PODS)
    found = [0.0]

    def seen(judged: Judged) -> None:
        assert judged.objects.count(PODS) == objects
        found[0] = resident()

    deadline = Deadline.after(300)
    if recorder is None:
        wait(cluster, [PODS], gate, deadline, observe=seen)
    else:
        with recorder.wait([PODS], gate, within=300, observe=seen) as observe:
            wait(cluster, [PODS], gate, deadline, observe=observe)
    return found[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=5000)
    objects = parser.parse_args().objects
    size = len(json.dumps(pod(1)))
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as home:
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, Path(home), objects))
        server.start()
        cluster = Cluster(Path(ours.recv()))
        before = resident()
        during = watched(cluster, objects, None)
        recorder = Recorder(Path(home, "run.jsonl"), run_id="r", recipe="-", deployer="-", cluster="-")
        recorded = watched(cluster, objects, recorder)
        recorder.close()
        ours.send("over")
        server.join()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"{objects} objects of {size / 1000:.1f} kB: {objects * size / 1e6:.0f} MB of JSON")
    print(f"after the imports: {before:.0f} MB")
    print(f"while all are watched: {during:.0f} MB, {1000 * (during - before) / objects:.1f} kB for each")
    print(f"while a recording has them too: {recorded:.0f} MB; at most {peak:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
