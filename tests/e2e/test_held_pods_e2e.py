"""Held pods on a real control plane: bound, Pending, and gone when deleted; and who writes what is simulated."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.isolation.nodes import apply_nodes
from harness.objects import JOBS, NODES, PODS, Objects
from harness.progress import Silent
from harness.recipes.profiles import select
from harness.settings import ROOT, load
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import Expired, wait
from kwok.host.runtime import HostRuntime
from kwok.nodes import NodePlan, node_objects
from tests.e2e.machine import all_taken_down

pytestmark = pytest.mark.e2e

Tools = Callable[[str], Path]
MANAGER = "kwok-controller"  # the name that KWOK leaves in managedFields: that of its program, as ADR 0028 says
SPEC = {
    "tolerations": [{"operator": "Exists"}],
    "containers": [{"name": "main", "image": "nowhere.example/nothing:1"}],
}
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "held", "namespace": "default"},
    "spec": SPEC,
}
JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "held", "namespace": "default"},
    "spec": {"template": {"spec": {**SPEC, "restartPolicy": "Never"}}},
}


@contextmanager
def cluster_with(tools: Tools, state: Path, pods: str) -> Iterator[Cluster]:
    """A cluster with one node that is Ready, a pod and a Job; both pods have been bound."""
    settings = load(environment={}, overrides={"pods": pods})
    profiles = select(ROOT / "kwok" / "profiles", "eks", "h100")
    with all_taken_down(HostRuntime(settings, tools, state)) as runtime:
        cluster = Cluster(runtime.up("one", Silent()).kubeconfig)
        apply_nodes(
            cluster, node_objects(NodePlan(profiles, 1, 0, "us-east-1", "v1.34.10")), Deadline.after(60), Silent()
        )
        cluster.create(PODS, POD)
        cluster.create(JOBS, JOB)
        wait(cluster, [PODS], bound, Deadline.after(60))
        yield cluster


def bound(objects: Objects) -> Verdict:
    pods = [pod for pod in objects.all(PODS) if pod["spec"].get("nodeName")]
    return Passed("both are bound") if len(pods) == 2 else Waiting(f"{len(pods)} of 2 pods are bound", "Pod")


def advanced(objects: Objects) -> Verdict:
    """Whether any pod has got further than Pending."""
    phases = sorted(pod["status"]["phase"] for pod in objects.all(PODS))
    return Waiting(f"{phases}", "Pod") if set(phases) == {"Pending"} else Passed(f"{phases}")


def gone(objects: Objects) -> Verdict:
    left = [pod["metadata"]["name"] for pod in objects.all(PODS)]
    return Waiting("not deleted yet", f"Pod {left}") if left else Passed("gone")


def writers(obj: Mapping[str, Any]) -> set[str]:
    """Who wrote the status of an object, by its managedFields."""
    return {each["manager"] for each in obj["metadata"]["managedFields"] if each.get("subresource") == "status"}


def test_held_pods_are_bound_and_stay_pending_until_they_are_deleted(tools: Tools, state: Path) -> None:
    """Nothing writes their status but the scheduler's condition, a Job does not complete, and deletion works."""
    with cluster_with(tools, state, "hold") as cluster:
        with pytest.raises(Expired):
            wait(cluster, [PODS], advanced, Deadline.after(5))
        for pod in cluster.list(PODS, namespace="default").items:
            conditions = {each["type"]: each["status"] for each in pod["status"]["conditions"]}
            assert conditions == {"PodScheduled": "True"}
            assert "podIP" not in pod["status"]
            assert "containerStatuses" not in pod["status"]
            assert MANAGER not in writers(pod)
        job = cluster.get(JOBS, "default", "held")
        assert job is not None
        assert not job["status"].get("succeeded")
        cluster.delete(JOBS, "default", "held")
        cluster.delete(PODS, "default", "held")
        wait(cluster, [PODS], gone, Deadline.after(20))


def test_simulated_pods_run_and_kwok_is_named_as_the_writer_of_their_status(tools: Tools, state: Path) -> None:
    """As ever; and whoever asks for the writer of a field learns that it was the simulation."""
    with cluster_with(tools, state, "simulate") as cluster:
        wait(cluster, [PODS], advanced, Deadline.after(30))
        found = cluster.get(PODS, "default", "held")
        assert found is not None
        assert MANAGER in writers(found), found["metadata"]["managedFields"]
        node = cluster.get(NODES, "", "system-0")
        assert node is not None
        assert MANAGER in writers(node), node["metadata"]["managedFields"]
