"""A real scheduler looks again at a pod that it has refused for its claim, once it is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.deadline import Deadline
from harness.gates.combining import Step
from harness.objects import NODES, PODS, Objects, condition
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.claims import LOOK_AGAIN
from harness.waiting.loop import Expired, wait
from harness.waiting.nudges import hastening
from tests.e2e.failing import Plane
from tests.e2e.kinds import CLAIMS

pytestmark = pytest.mark.e2e

NAMED = {"name": "huge", "namespace": "default"}


def refused_by(nodes: int) -> Step:
    """The scheduler has refused the pod when there were so many nodes."""

    def gate(objects: Objects) -> Verdict:
        pod = objects.get(PODS, "default", "huge")
        said = str(condition(pod or {}, "PodScheduled").get("message"))
        refused = f"0/{nodes} nodes are available: pod has unbound immediate PersistentVolumeClaims"
        return Passed(said) if refused in said else Waiting(said)

    return gate


def test_a_refused_claim_is_looked_at_again(tools: Callable[[str], Path], tmp_path: Path) -> None:
    """A node that goes is no reason for the scheduler to look again, and shows whether it has."""
    with Plane.up(tools, tmp_path) as plane:
        cluster = plane.cluster
        # Of a class that is not there: nobody makes a volume, and the scheduler takes it for one that binds at once.
        size: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Ti"}}}
        size["storageClassName"] = "nobody-has-it"
        volume = {"name": "data", "persistentVolumeClaim": {"claimName": "huge"}}
        spec = {"containers": [{"name": "main", "image": "x"}], "volumes": [volume]}
        cluster.apply(CLAIMS, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": NAMED, "spec": size})
        cluster.apply(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": NAMED, "spec": spec})
        nodes = cluster.list(NODES).items
        wait(cluster, [PODS], refused_by(len(nodes)), Deadline.after(30), settle=2)
        cluster.delete(NODES, "", nodes[0]["metadata"]["name"])

        told: list[str] = []
        left = refused_by(len(nodes) - 1)
        with pytest.raises(Expired):
            wait(cluster, [PODS], left, Deadline.after(5))
        with hastening([LOOK_AGAIN], cluster, lambda kind, key, why, problem: told.append(why + problem)) as look:
            wait(cluster, [PODS], left, Deadline.after(30), observe=look)
        assert set(told) == {"refused for unbound claims: default/huge"}
