"""The waiting loop on a real API server: TLS, custom resources, paging, a server that is killed and comes back."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.errors import ClusterError
from harness.objects import CONFIGMAPS, DAEMONSETS, DEPLOYMENTS, EVENTS, JOBS, NODES, PODS, Kind, Objects
from harness.progress import Silent
from harness.runtime import RunningCluster
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import Cancelled, wait
from kwok import record as records
from kwok.host import launch
from kwok.host.runtime import HostRuntime

pytestmark = pytest.mark.e2e

DEFINITIONS = Kind("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
WIDGETS = Kind("waiting.example/v1", "widgets", "Widget")
KINDS = (WIDGETS, PODS, NODES, CONFIGMAPS, DEPLOYMENTS, DAEMONSETS, JOBS, EVENTS)
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.waiting.example"},
    "spec": {
        "group": "waiting.example",
        "names": {"plural": "widgets", "kind": "Widget"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def widget(turns: int) -> dict[str, Any]:
    return {
        "apiVersion": WIDGETS.api_version,
        "kind": WIDGETS.kind,
        "metadata": {"namespace": "default", "name": "w"},
        "turns": turns,
    }


def established(objects: Objects) -> Verdict:
    found = objects.get(DEFINITIONS, "", "widgets.waiting.example") or {}
    conditions = found.get("status", {}).get("conditions") or []
    if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
        return Passed("established")
    return Waiting("not established")


def turned(turns: int) -> Callable[[Objects], Verdict]:
    def gate(objects: Objects) -> Verdict:
        found = objects.get(WIDGETS, "default", "w")
        return Passed("turned") if found and found["turns"] == turns else Waiting("not turned", "Widget default/w")

    return gate


@pytest.fixture
def running(runtime: HostRuntime) -> RunningCluster:
    return runtime.up("waiting", Silent())


@pytest.fixture
def cluster(running: RunningCluster) -> Cluster:
    cluster = Cluster(running.kubeconfig)
    cluster.apply(DEFINITIONS, DEFINITION)
    wait(cluster, [DEFINITIONS], established, Deadline.after(20))
    cluster.apply(WIDGETS, widget(0))
    return cluster


def test_waiting_on_a_real_server(
    cluster: Cluster, running: RunningCluster, tools: Callable[[str], Path], state: Path
) -> None:
    """Pages are followed, verdicts follow their events, a cancelled wait lets go, a killed server is waited for."""
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda n: cluster.create(CONFIGMAPS, {"metadata": {"namespace": "default", "name": f"c{n}"}}),
                range(520),
            )
        )
    assert len(cluster.list(CONFIGMAPS, namespace="default").items) >= 520

    took: list[float] = []
    for turn in range(1, 6):
        at: list[float] = []

        def complete(turn: int = turn, at: list[float] = at) -> None:
            at.append(time.monotonic())
            cluster.apply(WIDGETS, widget(turn))

        threading.Timer(0.3, complete).start()
        wait(cluster, KINDS, turned(turn), Deadline.after(20))
        took.append(time.monotonic() - at[0])
    print(f"verdict after event: {min(took) * 1000:.0f} to {max(took) * 1000:.0f} ms")
    assert min(took) < 0.1

    cancelled = threading.Event()
    threading.Timer(0.5, cancelled.set).start()
    with pytest.raises(Cancelled):
        wait(cluster, KINDS, turned(99), Deadline.after(20), cancelled=cancelled)
    until = time.monotonic() + 2
    while any(t.name.startswith("watch ") for t in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.02)
    assert [t.name for t in threading.enumerate() if t.name.startswith("watch ")] == []

    def kill_and_revive() -> None:
        record = records.read(running.directory)
        assert record is not None
        os.kill(record.components["kube-apiserver"].pid, signal.SIGKILL)
        time.sleep(1)
        launch.start_again(tools("kwokctl"), state, running.name, "kube-apiserver")
        again = Cluster(running.kubeconfig)
        while True:
            try:
                again.apply(WIDGETS, widget(6))
                return
            except ClusterError:  # a server that has just started does not know its custom resources yet
                time.sleep(0.2)

    threading.Timer(0.5, kill_and_revive).start()
    assert wait(cluster, KINDS, turned(6), Deadline.after(60)) == Passed("turned")
