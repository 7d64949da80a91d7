"""The host runtime on real processes: up and down, reuse, stale clusters, interrupts, and what a cluster can do."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.cluster.api import ApiError, Cluster
from harness.cluster.ownership import require_ours
from harness.deadline import Deadline
from harness.errors import ClusterError, NotOurs
from harness.gates.nodes import NodesReady
from harness.installers.manifests import SECRETS, SERVICES
from harness.isolation.nodes import apply_nodes, delete_nodes
from harness.names import OWNER_MARKER
from harness.objects import CONFIGMAPS, DAEMONSETS, JOBS, NODES, PODS, Kind, Objects
from harness.processes import daemons as pids
from harness.processes.ports import free_ports
from harness.progress import Silent
from harness.recipes.profiles import load_storage_classes, select
from harness.runtime import RunningCluster
from harness.settings import ROOT, load
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import wait
from kwok import record as records
from kwok.host.components import PORTS, PROGRAMS
from kwok.host.runtime import HostRuntime
from kwok.nodes import NodePlan, node_objects
from tests.e2e.kinds import CLAIMS, ENDPOINTS, WEBHOOKS

pytestmark = pytest.mark.e2e

Tools = Callable[[str], Path]

API_SERVICES = Kind("apiregistration.k8s.io/v1", "apiservices", "APIService", namespaced=False)
PROCESSES = len(PROGRAMS) + 1  # and the simulated cloud
POD = {
    "tolerations": [{"operator": "Exists"}],
    "containers": [{"name": "main", "image": "nowhere.example/nothing:1"}],
}

# `up` in a process of its own: tools and state by argument, the cluster's identity on stdout.
UP = """
import json, sys
from pathlib import Path
from harness.processes import signals
from harness.progress import Silent
from harness.settings import load
from kwok.host.runtime import HostRuntime
signals.install()  # as the command does: SIGINT may have been ignored where the tests were started
print("begun", flush=True)
tools = json.loads(sys.argv[1])
runtime = HostRuntime(load(environment={}), lambda name: Path(tools[name]), Path(sys.argv[2]))
print(runtime.up(sys.argv[3], Silent()).identity)
"""


def up_elsewhere(tools: Tools, state: Path, name: str) -> "subprocess.Popen[str]":
    paths = {tool: str(tools(tool)) for tool in HostRuntime.tools}
    return subprocess.Popen(
        [sys.executable, "-c", UP, json.dumps(paths), str(state), name],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def record_of(running: RunningCluster) -> records.Record:
    record = records.read(running.directory)
    assert record is not None
    return record


def processes_below(state: Path) -> list[tuple[str, ...]]:
    return [pids.command_line(each.pid) for each in pids.mentioning(state)]


# --- up and down ---


def test_up_is_private_and_down_leaves_nothing(
    runtime: HostRuntime, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All on loopback, keys for their owner, the user's kubeconfig untouched; then no process, no file."""
    theirs = tmp_path / "theirs"
    theirs.write_text("apiVersion: v1\nkind: Config\n")
    monkeypatch.setenv("KUBECONFIG", str(theirs))
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))

    running = runtime.up("one", Silent())
    record = record_of(running)
    pids = [identity.pid for identity in record.components.values()]
    listening = [
        (connection.laddr.ip, connection.laddr.port)
        for pid in pids
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {address for address, _ in listening} == {"127.0.0.1"}
    assert {port for _, port in listening} == set(record.ports.values())
    assert running.directory.stat().st_mode & 0o777 == 0o700
    for secret in ("kubeconfig.yaml", "cluster.json", "pki/admin.key", "pki/ca.key"):
        assert (running.directory / secret).stat().st_mode & 0o777 == 0o600, secret
    assert theirs.read_text() == "apiVersion: v1\nkind: Config\n"
    assert not (tmp_path / "nobody").exists()
    assert set(runtime.logs(running)) == {*PROGRAMS, "simulated-cloud"}

    runtime.down("one")
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids)
    assert processes_below(state) == []
    assert sorted(path.name for path in state.rglob("*") if path.is_file()) == ["ports.lock"]
    runtime.down("one")


def test_the_second_up_finds_the_first(runtime: HostRuntime) -> None:
    """The same processes, without a tool being asked for; also for another runtime object."""
    first = runtime.up("one", Silent())
    before = record_of(first)
    assert runtime.up("one", Silent()) == first == runtime.get("one")
    assert record_of(first) == before
    assert runtime.names() == ["one"]


def test_a_cluster_with_a_killed_process_is_made_anew(runtime: HostRuntime, state: Path) -> None:
    """Whatever is left of the former one is ended first."""
    first = runtime.up("one", Silent())
    former = record_of(first).components
    os.kill(former["kube-scheduler"].pid, signal.SIGKILL)
    while pids.alive(former["kube-scheduler"]):
        time.sleep(0.01)
    assert runtime.get("one") is None

    second = runtime.up("one", Silent())
    assert second.identity != first.identity
    assert not any(pids.alive(identity) for identity in former.values())
    assert len(processes_below(state)) == PROCESSES


def test_a_recorded_pid_that_is_a_strangers_now_is_left_alone(runtime: HostRuntime) -> None:
    """As after a reboot: the pid lives, the process is another one. Ours is still found by its program."""
    first = runtime.up("one", Silent())
    record = record_of(first)
    stranger = subprocess.Popen(["sleep", "120"])
    try:
        identity = pids.identify(stranger.pid)
        assert identity is not None
        claimed = {**record.components, "etcd": replace(identity, start_ticks=identity.start_ticks - 1)}
        records.write(first.directory, replace(record, components=claimed))
        assert runtime.get("one") is None

        second = runtime.up("one", Silent())
        assert second.identity != first.identity
        assert stranger.poll() is None
        assert not pids.alive(record.components["etcd"])
    finally:
        stranger.kill()
        stranger.wait()


def test_ups_at_once_make_one_cluster_per_name(runtime: HostRuntime, tools: Tools, state: Path) -> None:
    """Two processes and two threads want one, another thread wants a second: two clusters, nobody fails."""
    elsewhere = [up_elsewhere(tools, state, "one") for _ in range(2)]
    with ThreadPoolExecutor(3) as pool:
        here = list(pool.map(lambda name: runtime.up(name, Silent()), ["one", "one", "two"]))
    there = [child.communicate(timeout=120)[0].split()[-1] for child in elsewhere]
    one, two = here[0], here[2]
    assert here[1] == one
    assert there == [one.identity] * 2
    assert two.identity != one.identity
    assert len(processes_below(state)) == 2 * PROCESSES
    assert not set(record_of(one).ports.values()) & set(record_of(two).ports.values())


# --- when it goes wrong ---


@pytest.mark.parametrize("seconds", [0.6, 1.2, 3.0])
def test_an_interrupted_up_leaves_nothing(tools: Tools, state: Path, seconds: float) -> None:
    """Ctrl-C while kwokctl works, while the API server starts, while the controllers start."""
    child = up_elsewhere(tools, state, "one")
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    until = time.monotonic() + seconds
    while time.monotonic() < until and child.poll() is None:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=30)[0]
    assert said == ""
    assert child.returncode != 0
    assert processes_below(state) == []
    assert not any((state / "clusters").iterdir()) if (state / "clusters").exists() else True


def test_what_a_killed_up_left_is_cleared_by_the_next(runtime: HostRuntime, tools: Tools, state: Path) -> None:
    """Also where the record itself is gone: processes are found by their program's path."""
    child = up_elsewhere(tools, state, "one")
    while not (state / "clusters" / "one" / "pids" / "kwok-controller.pid").exists():
        assert child.poll() is None, "it has ended before its time"
        time.sleep(0.01)
    child.kill()
    child.communicate()
    (state / "clusters" / "one" / records.FILE).unlink()
    left = processes_below(state)
    assert left
    assert runtime.get("one") is None

    runtime.up("one", Silent())
    assert len(processes_below(state)) == PROCESSES


def stand_in(tmp_path: Path, tools: Tools, broken: str, *lines: str) -> Tools:
    """Tools of which one is a shell script; it says its version as kwokctl wants it."""
    script = tmp_path / broken
    script.write_text("\n".join(["#!/bin/sh", '[ "$1" = --version ] && { echo v1.34.10; exit; }', *lines]) + "\n")
    script.chmod(0o700)
    return lambda name: script if name == broken else tools(name)


@pytest.mark.parametrize("component", ["etcd", "kube-apiserver"])
def test_a_component_that_dies_at_start_is_named_with_its_last_words(
    tools: Tools, state: Path, tmp_path: Path, component: str
) -> None:
    """At once, not after the deadline; and nothing of the attempt remains."""
    broken = stand_in(tmp_path, tools, component, "echo cannot read my own flags >&2", "sleep 0.3", "exit 1")
    runtime = HostRuntime(load(environment={}), broken, state)
    began = time.monotonic()
    with pytest.raises(ClusterError, match=f"{component} ended at start.*\n.*cannot read my own flags"):
        runtime.up("one", Silent())
    assert time.monotonic() - began < 30
    assert runtime.names() == []
    assert processes_below(state) == []


def test_a_controller_manager_that_gave_up_waiting_is_started_again(tools: Tools, state: Path, tmp_path: Path) -> None:
    """It ends by itself when the API server takes more than ten seconds."""
    real, mark = tools("kube-controller-manager"), tmp_path / "gave-up"
    once = stand_in(
        tmp_path, tools, "kube-controller-manager", f'[ -e {mark} ] && exec {real} "$@"', f": > {mark}", "exit 1"
    )
    runtime = HostRuntime(load(environment={}), once, state)
    try:
        running = runtime.up("one", Silent())
        assert mark.exists()
        assert runtime.get("one") == running
    finally:
        runtime.down("one")


@pytest.mark.parametrize("option", ["etcdPeerPort", "kubeApiserverPort", "kwokControllerPort"])
def test_a_port_that_was_taken_meanwhile_costs_one_more_attempt(tools: Tools, state: Path, option: str) -> None:
    """Whichever it is. The race is lost by choosing a port on which this test listens."""
    chosen: list[list[int]] = []

    def choose(count: int, reserved: set[int]) -> list[int]:
        ports = free_ports(count, reserved)
        if not chosen:
            ports[list(PORTS).index(option)] = listener.getsockname()[1]
        chosen.append(ports)
        return ports

    with socket.create_server(("127.0.0.1", 0)) as listener:
        runtime = HostRuntime(load(environment={}), tools, state, choose_ports=choose)
        try:
            running = runtime.up("one", Silent())
            assert list(record_of(running).ports.values()) == chosen[1]
            assert len(processes_below(state)) == PROCESSES
        finally:
            runtime.down("one")


def test_a_port_that_stays_taken_is_told(tools: Tools, state: Path) -> None:
    """With the component that wanted it; the second attempt is the last."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]

        def choose(count: int, reserved: set[int]) -> list[int]:
            ports = free_ports(count, reserved)
            ports[list(PORTS).index("kubeApiserverPort")] = taken
            return ports

        runtime = HostRuntime(load(environment={}), tools, state, choose_ports=choose)
        with pytest.raises(ClusterError, match="kube-apiserver ended at start") as told:
            runtime.up("one", Silent())
    assert "address already in use" in told.value.what
    assert runtime.names() == []
    assert processes_below(state) == []


# --- what a cluster can do ---


@pytest.fixture(scope="module")
def shared(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """One control plane that calls webhooks (and is refused), for the tests that only use it."""
    settings = load(environment={}, overrides={"webhooks": "refuse"})
    runtime = HostRuntime(settings, tools, tmp_path_factory.mktemp("shared"))
    yield runtime.up("shared", Silent())
    runtime.down("shared")


@pytest.fixture
def cluster(shared: RunningCluster) -> Cluster:
    return Cluster(shared.kubeconfig)


def plan(system: int, accelerated: int, accelerator: str = "h100") -> list[dict[str, Any]]:
    profiles = select(ROOT / "kwok" / "profiles", "eks", accelerator)
    return node_objects(NodePlan(profiles, system, accelerated, "us-east-1", "v1.34.10"))


def named(kind: Kind, name: str, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": "default"} if kind.namespaced else {})}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **fields}


def refuse_secrets(cluster: Cluster) -> None:
    """A webhook of a chart whose Service has an address, at which nothing listens."""
    cluster.apply(SERVICES, named(SERVICES, "hook", spec={"ports": [{"port": 443}]}))
    cluster.apply(
        ENDPOINTS,
        named(ENDPOINTS, "hook", subsets=[{"addresses": [{"ip": "198.19.0.99"}], "ports": [{"port": 443}]}]),
    )
    hook = {
        "name": "secrets.hook.example",
        "clientConfig": {"service": {"name": "hook", "namespace": "default"}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"]}],
    }
    cluster.apply(WEBHOOKS, named(WEBHOOKS, "hook", webhooks=[hook]))


def until(cluster: Cluster, kind: Kind, name: str, done: Callable[[Any], bool]) -> None:
    """Wait until one object in namespace default is as it should be."""

    def gate(objects: Objects) -> Verdict:
        found = objects.get(kind, "default", name)
        return Passed("it is") if found is not None and done(found.get("status") or {}) else Waiting("not yet")

    wait(cluster, [kind], gate, Deadline.after(60))


def test_pods_run_and_jobs_succeed(cluster: Cluster) -> None:
    """On nodes of both types; a Job on all GPUs of one; addresses are of a range that leads nowhere."""
    apply_nodes(cluster, plan(2, 2), Deadline.after(60), Silent())
    labels = {"app": "everywhere"}
    template = {"metadata": {"labels": labels}, "spec": POD}
    cluster.apply(
        DAEMONSETS, named(DAEMONSETS, "all", spec={"selector": {"matchLabels": labels}, "template": template})
    )
    gpu = {"resources": {"limits": {"nvidia.com/gpu": "8"}}}
    job = {**POD, "restartPolicy": "Never", "containers": [{**POD["containers"][0], **gpu}]}
    cluster.apply(JOBS, named(JOBS, "train", spec={"template": {"spec": job}}))

    until(cluster, DAEMONSETS, "all", lambda status: status.get("numberReady") == 4)
    until(cluster, JOBS, "train", lambda status: status.get("succeeded") == 1)
    pods = cluster.list(PODS, namespace="default").items
    assert {pod["status"]["phase"] for pod in pods} == {"Running", "Succeeded"}
    assert all(pod["status"]["podIP"].startswith("198.19.") for pod in pods)
    cluster.delete(DAEMONSETS, "default", "all")
    cluster.delete(JOBS, "default", "train")


def test_a_claim_of_the_default_class_is_bound_for_its_pod(cluster: Cluster) -> None:
    """Without a class named; by the process that lives beside the control plane."""
    classes = load_storage_classes(ROOT / "kwok" / "profiles" / "eks")
    apply_nodes(cluster, [*plan(1, 1), *classes], Deadline.after(60), Silent())
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "50Gi"}}}
    cluster.apply(CLAIMS, named(CLAIMS, "data", spec=spec))
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    cluster.apply(PODS, named(PODS, "consumer", spec={**POD, "volumes": volumes}))
    until(cluster, CLAIMS, "data", lambda status: status.get("phase") == "Bound")
    cluster.delete(PODS, "default", "consumer", grace=0)


def test_a_webhook_is_refused_at_once_and_says_why(cluster: Cluster) -> None:
    """With the policy `refuse`: nothing leaves the machine, and nobody waits for its timeout."""
    refuse_secrets(cluster)
    try:
        began = time.monotonic()
        with pytest.raises(ApiError) as refused:
            cluster.request("POST", "/api/v1/namespaces/default/secrets", body=named(SECRETS, "s"), attempts=1)
        assert time.monotonic() - began < 2
        assert 'failed calling webhook "secrets.hook.example"' in refused.value.message
        assert "simulated-pods-serve-nothing" in refused.value.message
    finally:
        cluster.delete(WEBHOOKS, "", "hook")


def test_an_aggregated_api_is_refused_at_once(cluster: Cluster) -> None:
    """Its Service has an address; the call does not go there."""
    cluster.apply(SERVICES, named(SERVICES, "api", spec={"ports": [{"port": 443}]}))
    address = {"addresses": [{"ip": "198.19.0.98"}], "ports": [{"port": 443}]}
    cluster.apply(ENDPOINTS, named(ENDPOINTS, "api", subsets=[address]))
    spec = {
        "group": "nowhere.example",
        "version": "v1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
        "service": {"name": "api", "namespace": "default"},
    }
    cluster.apply(API_SERVICES, named(API_SERVICES, "v1.nowhere.example", spec=spec))
    try:
        until_known = Deadline.after(30)
        while True:  # the aggregator takes a moment to route the group
            began = time.monotonic()
            with pytest.raises(ApiError) as refused:
                cluster.request("GET", "/apis/nowhere.example/v1", attempts=1)
            assert time.monotonic() - began < 2
            if refused.value.status != 404 or until_known.expired:
                break
        assert refused.value.status == 503
    finally:
        cluster.delete(API_SERVICES, "", "v1.nowhere.example")


def test_with_the_policy_skip_webhooks_are_not_called(runtime: HostRuntime) -> None:
    """The default: the same webhook, and the object is made."""
    cluster = Cluster(runtime.up("one", Silent()).kubeconfig)
    refuse_secrets(cluster)
    cluster.create(SECRETS, named(SECRETS, "s"))
    assert cluster.get(SECRETS, "default", "s") is not None


def test_a_thousand_nodes_are_ready_and_can_be_another_set(cluster: Cluster) -> None:
    """Within a deadline that a slow machine meets; then six of another kind, and none of the former labels."""
    many = plan(2, 998)
    apply_nodes(cluster, many, Deadline.after(300), Silent())
    assert len(cluster.list(NODES).items) == 1000
    wait(cluster, [NODES], NodesReady(tuple(node["metadata"]["name"] for node in many)), Deadline.after(60))

    apply_nodes(cluster, plan(2, 4, "gb200"), Deadline.after(120), Silent())
    found = cluster.list(NODES).items
    assert len(found) == 6
    products = {node["metadata"]["labels"].get("nvidia.com/gpu.product") for node in found}
    assert products == {None, "NVIDIA-GB200-192GB-HBM3e"}
    delete_nodes(cluster)
    assert cluster.list(NODES).items == []


def test_the_guard_knows_our_cluster_and_refuses_another(
    runtime: HostRuntime, shared: RunningCluster, cluster: Cluster
) -> None:
    """By address, and by the marker where the address is right; the other cluster is not written to."""
    mine = runtime.up("one", Silent())
    require_ours(Cluster(mine.kubeconfig), mine)
    before = cluster.list(CONFIGMAPS).items

    with pytest.raises(NotOurs, match=r"points at|context"):
        require_ours(cluster, mine)
    disguised = replace(mine, server=shared.server, context=shared.context)
    with pytest.raises(NotOurs, match="names another cluster"):
        require_ours(cluster, disguised)
    assert cluster.list(CONFIGMAPS).items == before


def test_up_does_not_reuse_a_cluster_that_lost_its_marker(runtime: HostRuntime) -> None:
    """Somebody took the mark away: a person decides, and down still works."""
    running = runtime.up("one", Silent())
    Cluster(running.kubeconfig).delete(CONFIGMAPS, *OWNER_MARKER)
    with pytest.raises(NotOurs, match="has no ConfigMap"):
        runtime.up("one", Silent())
    runtime.down("one")
    assert runtime.names() == []
