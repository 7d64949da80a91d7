"""The Kind runtime on a real engine: what `up` makes, that workloads and traffic stay where they belong, what goes."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.api import ApiError, Cluster
from harness.cluster.ownership import require_ours
from harness.deadline import Deadline
from harness.errors import ClusterError, NotOurs, RegistryNotReady
from harness.gates.nodes import NodesReady
from harness.installers.manifests import SECRETS, SERVICES
from harness.isolation.nodes import apply_nodes
from harness.names import INFRASTRUCTURE_NODE, REAL_NODE_NAMESPACE
from harness.objects import (
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    STATEFULSETS,
    STORAGE_CLASSES,
    Kind,
    Objects,
)
from harness.progress import Silent
from harness.recipes.profiles import load_storage_classes, select
from harness.runtime import RunningCluster
from harness.settings import ROOT, Settings, load
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import wait
from kwok.engine.client import Engine
from kwok.kind import config, gpus
from kwok.kind.runtime import KindRuntime
from kwok.nodes import NodePlan, node_objects
from tests.e2e.kinds import CLAIMS, ENDPOINTS, WEBHOOKS

pytestmark = [pytest.mark.e2e, pytest.mark.kind]

Tools = Callable[[str], Path]

PORT = "5520"  # of the registry; not the default one, which a user's own cluster may hold
TOLERATIONS: dict[str, Any] = {"tolerations": [{"operator": "Exists"}]}
TOLERANT: dict[str, Any] = {
    **TOLERATIONS,
    "containers": [{"name": "main", "image": "nowhere.example/nothing:1"}],
}
LABELS = {"app": "leak"}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": TOLERANT}

# `up` in a process of its own, as the command does it.
UP = """
import json, sys
from pathlib import Path
from harness import interrupts
from harness.progress import Silent
from harness.settings import load
from kwok.kind.runtime import KindRuntime
interrupts.install()
class Told(Silent):
    def step(self, task, detail):
        print(detail, flush=True)
tools = json.loads(sys.argv[1])
settings = load(environment={}, overrides={"ports.registry": sys.argv[4]})
KindRuntime(settings, lambda name: Path(tools[name]), Path(sys.argv[2])).up(sys.argv[3], Told())
"""


@pytest.fixture(scope="module")
def kind_settings() -> Settings:
    """A cluster that calls webhooks, so that it can be seen how they are refused."""
    return load(environment={}, overrides={"webhooks": "refuse", "ports.registry": PORT})


@pytest.fixture(scope="module")
def shared(kind_runtime: KindRuntime) -> RunningCluster:
    """One cluster with six simulated nodes, for the tests that only use it."""
    running = kind_runtime.up("kind-tests", Silent())
    classes = load_storage_classes(ROOT / "kwok" / "profiles" / "eks")
    apply_nodes(Cluster(running.kubeconfig), [*plan(), *classes], Deadline.after(60), Silent())
    return running


@pytest.fixture
def cluster(shared: RunningCluster) -> Cluster:
    return Cluster(shared.kubeconfig)


@pytest.fixture
def node(shared: RunningCluster) -> str:
    return config.node_container(shared.name)


def plan() -> list[dict[str, Any]]:
    profiles = select(ROOT / "kwok" / "profiles", "eks", "h100")
    return node_objects(NodePlan(profiles, 2, 4, "us-east-1", "v1.34.10"))


def named(kind: Kind, name: str, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": "default"} if kind.namespaced else {})}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **fields}


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


def seconds_refused(engine: Engine, node: str, address: str, port: int) -> float:
    """How long a connection from inside the node takes to be refused, as seen there; it must be."""
    connect = f"TIMEFORMAT=%R; time (exec 3<>/dev/tcp/{address}/{port}) 2>&1"
    code, said = engine.execute(node, ["timeout", "20", "bash", "-c", connect])
    assert code not in (0, 124), said
    assert b"refused" in said
    return float(said.split()[-1])


# --- up ---


def test_up_is_private_and_touches_nothing_of_the_user(
    shared: RunningCluster, kind_runtime: KindRuntime, engine: Engine, node: str, tmp_path: Path
) -> None:
    """All ports on loopback, keys for their owner; the cluster is recognised, and its node is the only real one."""
    bound = docker("inspect", "--format", "{{json .NetworkSettings.Ports}}", node)
    assert {each["HostIp"] for ports in json.loads(bound).values() for each in ports or []} == {"127.0.0.1"}
    container = engine.container(node)
    assert container is not None
    assert container.ports[int(PORT)] == config.NODE_PORTS["registry"]
    assert shared.directory.stat().st_mode & 0o777 == 0o700
    assert shared.kubeconfig.stat().st_mode & 0o777 == 0o600
    cluster = Cluster(shared.kubeconfig)
    require_ours(cluster, shared)
    real = cluster.list(NODES, label_selector="=".join(INFRASTRUCTURE_NODE)).items
    assert [each["metadata"]["name"] for each in real] == [node]
    assert kind_runtime.get(shared.name) == shared


def test_the_second_up_finds_the_first(
    shared: RunningCluster, kind_runtime: KindRuntime, engine: Engine, node: str
) -> None:
    """The same node and nothing new in it; rules that were lost are there again."""
    before = engine.container(node)
    engine.execute(node, ["iptables", "-w", "-D", "OUTPUT", "-j", "KWOK-HARNESS"])
    assert kind_runtime.up(shared.name, Silent()) == shared
    assert engine.container(node) == before
    for hook in ("OUTPUT", "FORWARD"):
        _, said = engine.execute(node, ["iptables", "-w", "-S", hook])
        assert said.decode().count("-j KWOK-HARNESS") == 1


# --- the fence ---


def test_workloads_that_tolerate_everything_stay_off_the_real_node(cluster: Cluster, node: str) -> None:
    """A bare Pod, and the pods of a Deployment, a StatefulSet, a Job and a DaemonSet, which counts six nodes."""
    selector = {"selector": {"matchLabels": LABELS}}
    cluster.apply(PODS, named(PODS, "leak", spec=TOLERANT))
    cluster.apply(DEPLOYMENTS, named(DEPLOYMENTS, "leak", spec={"replicas": 12, "template": TEMPLATE, **selector}))
    cluster.apply(STATEFULSETS, named(STATEFULSETS, "leak", spec={"serviceName": "", "template": TEMPLATE, **selector}))
    cluster.apply(DAEMONSETS, named(DAEMONSETS, "leak", spec={"template": TEMPLATE, **selector}))
    job = {"completions": 7, "parallelism": 7, "template": {"spec": {**TOLERANT, "restartPolicy": "Never"}}}
    cluster.apply(JOBS, named(JOBS, "leak", spec=job))

    def all_placed(objects: Objects) -> Verdict:
        pods = [pod for pod in objects.all(PODS) if pod["metadata"]["namespace"] == "default"]
        done = [pod for pod in pods if pod.get("status", {}).get("phase") in ("Running", "Succeeded")]
        daemonset = objects.get(DAEMONSETS, "default", "leak") or {}
        desired = daemonset.get("status", {}).get("desiredNumberScheduled")
        if len(done) < 27 or desired != 6:
            return Waiting(f"{len(done)} of {len(pods)} pods are done, the DaemonSet wants {desired}")
        return Passed("all are placed")

    wait(cluster, [PODS, DAEMONSETS], all_placed, Deadline.after(60))
    pods = cluster.list(PODS, namespace="default").items
    assert len(pods) == 27
    assert node not in {pod["spec"]["nodeName"] for pod in pods}
    assert all(pod["status"]["podIP"].startswith("198.19.") for pod in pods if not pod["spec"].get("hostNetwork"))
    there = cluster.list(PODS, namespace="kube-system", field_selector=f"spec.nodeName={node}").items
    everywhere = cluster.list(PODS, namespace="kube-system").items
    assert len(there) == len(everywhere) >= 6  # its own things are on the real node, none of them on simulated ones


def test_a_daemonset_that_is_changed_later_stays_fenced(cluster: Cluster) -> None:
    """Whoever takes the selector away does not get a node more."""
    name = {"metadata": {"name": "changed", "namespace": "default"}, "apiVersion": "apps/v1", "kind": "DaemonSet"}
    spec = {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}
    cluster.create(DAEMONSETS, {**name, "spec": spec})
    cluster.patch_merge(DAEMONSETS, "default", "changed", {"spec": {"template": {"spec": {"nodeSelector": None}}}})
    found = cluster.get(DAEMONSETS, "default", "changed")
    assert found is not None
    assert found["spec"]["template"]["spec"]["nodeSelector"] == {"type": "kwok"}
    cluster.delete(DAEMONSETS, "default", "changed")


def test_a_namespace_may_have_its_pods_on_the_real_node(
    cluster: Cluster, node: str, kind_settings: Settings, engine: Engine
) -> None:
    """They run there, a DaemonSet counts that node alone, and what selects simulated nodes is simulated even so."""
    label = dict([REAL_NODE_NAMESPACE])
    cluster.create(NAMESPACES, {"metadata": {"name": "real", "labels": label}, "apiVersion": "v1", "kind": "Namespace"})
    cluster.create(NAMESPACES, {"metadata": {"name": "simulated"}, "apiVersion": "v1", "kind": "Namespace"})

    def template(*words: str, **spec: Any) -> dict[str, Any]:
        container = {"name": "main", "image": kind_settings.images["kwok"], "args": [*words]}
        return {"metadata": {"labels": LABELS}, "spec": {"containers": [container], **TOLERATIONS, **spec}}

    def inside(namespace: str, kind: Kind, name: str, **fields: Any) -> None:
        cluster.create(kind, {**named(kind, name, **fields), "metadata": {"name": name, "namespace": namespace}})

    job = {"template": template("--version", restartPolicy="Never")}
    daemonset = {"selector": {"matchLabels": LABELS}, "template": template("--enable-crds=nothing")}
    for namespace in ("real", "simulated"):
        inside(namespace, JOBS, "version", spec=job)
        inside(namespace, DAEMONSETS, "each", spec=daemonset)
    inside("real", PODS, "chooses", spec=template(nodeSelector={"type": "kwok"})["spec"])

    def placed(objects: Objects) -> Verdict:
        counts = {}
        for namespace, wanted in (("real", 1), ("simulated", 6)):
            found = objects.get(DAEMONSETS, namespace, "each") or {}
            counts[namespace] = found.get("status", {}).get("desiredNumberScheduled")
            done = (objects.get(JOBS, namespace, "version") or {}).get("status", {}).get("succeeded")
            if counts[namespace] != wanted or done != 1:
                return Waiting(f"{namespace}: the DaemonSet wants {counts[namespace]}, {done} pods of the Job are done")
        chooses = objects.get(PODS, "real", "chooses") or {}
        phase = chooses.get("status", {}).get("phase")
        return Passed("all are placed") if phase == "Running" else Waiting(f"the one that chooses is {phase}")

    wait(cluster, [PODS, JOBS, DAEMONSETS], placed, Deadline.after(90))

    def nodes_of(namespace: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {"Job": set(), "DaemonSet": set(), "": set()}
        for pod in cluster.list(PODS, namespace=namespace).items:
            owner = next(iter(pod["metadata"].get("ownerReferences", ())), {"kind": ""})
            found[owner["kind"]].add(pod["spec"]["nodeName"])
        return found

    real, simulated = nodes_of("real"), nodes_of("simulated")
    assert (real["Job"], real["DaemonSet"]) == ({node}, {node})
    assert len(real[""]) == 1
    assert node not in real[""] | simulated["Job"] | simulated["DaemonSet"]
    code, said = engine.execute(node, ["sh", "-c", "cat /var/log/pods/real_version-*/main/*.log"])
    assert code == 0
    assert b"kwok version" in said, "the program has really run"
    for namespace in ("real", "simulated"):
        cluster.delete(NAMESPACES, "", namespace)


def test_gpus_of_the_real_node_are_a_number_that_the_kubelet_keeps(
    cluster: Cluster, node: str, kind_settings: Settings
) -> None:
    """A pod that asks for all of them runs, the next one waits, and later status updates leave the number alone."""
    profile = select(ROOT / "kwok" / "profiles", "eks", "h100").accelerated
    gpu = profile.spec.gpu
    assert gpu is not None
    gpus.advertise(cluster, node, gpu.model_copy(update={"count": 2}), Deadline.after(30))
    key, value = REAL_NODE_NAMESPACE
    metadata = {"name": "scoring", "labels": {key: value}}
    cluster.create(NAMESPACES, {"metadata": metadata, "apiVersion": "v1", "kind": "Namespace"})
    limits = {"resources": {"limits": {"nvidia.com/gpu": "2"}}}
    container = {"name": "main", "image": kind_settings.images["kwok"], "args": ["--server-address=127.0.0.1:1"]}
    for name in ("first", "second"):
        pod = named(PODS, name, spec={"containers": [{**container, **limits}]})
        cluster.create(PODS, {**pod, "metadata": {"name": name, "namespace": "scoring"}})

    def one_is_bound(objects: Objects) -> Verdict:
        bound = [pod["spec"].get("nodeName") for pod in objects.all(PODS) if pod["metadata"]["namespace"] == "scoring"]
        return Passed("one") if sorted(map(str, bound)) == sorted(["None", node]) else Waiting(str(bound))

    wait(cluster, [PODS], one_is_bound, Deadline.after(30))
    time.sleep(25)  # in which the kubelet has looked twice
    found = cluster.get(NODES, "", node)
    assert found is not None
    assert found["status"]["allocatable"]["nvidia.com/gpu"] == found["status"]["capacity"]["nvidia.com/gpu"] == "2"
    cluster.delete(NAMESPACES, "", "scoring")


def test_a_claim_is_bound_for_its_pod(cluster: Cluster) -> None:
    """The class of the node's image is gone; there are those of the provider, and the volumes are ours."""
    assert [each["metadata"]["name"] for each in cluster.list(STORAGE_CLASSES).items] == ["gp2"]
    request = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    cluster.apply(CLAIMS, named(CLAIMS, "data", spec=request))
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    cluster.apply(PODS, named(PODS, "consumer", spec={**TOLERANT, "volumes": volumes}))

    def bound(objects: Objects) -> Verdict:
        claim = objects.get(CLAIMS, "default", "data")
        phase = claim and claim.get("status", {}).get("phase")
        return Passed("bound") if phase == "Bound" else Waiting(f"is {phase}")

    wait(cluster, [CLAIMS], bound, Deadline.after(30))
    cluster.delete(PODS, "default", "consumer", grace=0)


# --- traffic ---


def test_nothing_for_simulated_pods_leaves_the_node(cluster: Cluster, engine: Engine, node: str) -> None:
    """A pod, a Service with simulated endpoints, one without any, an address that no Service has: refused at once."""
    for name, ip in (("hook", "198.18.7.7"), ("empty", "198.18.7.8")):
        cluster.apply(SERVICES, named(SERVICES, name, spec={"clusterIP": ip, "ports": [{"port": 443}]}))
    subset = {"addresses": [{"ip": "198.19.0.99"}], "ports": [{"port": 443}]}
    cluster.apply(ENDPOINTS, named(ENDPOINTS, "hook", subsets=[subset]))
    time.sleep(3)  # until kube-proxy has the Services: before, they are addresses that no Service has
    for address in ("198.19.0.99", "198.18.7.7", "198.18.7.8", "198.18.9.9"):
        assert seconds_refused(engine, node, address, 443) < 1.0, address


def test_a_webhook_of_a_chart_is_refused_at_once(cluster: Cluster) -> None:
    """The API server calls it, and is told no by its own node."""
    hook = {
        "name": "secrets.hook.example",
        "clientConfig": {"service": {"name": "hook", "namespace": "default"}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}],
        "matchConditions": [{"name": "mine", "expression": "object.metadata.name == 'refused'"}],
    }
    cluster.apply(WEBHOOKS, named(WEBHOOKS, "hook", webhooks=[hook]))
    time.sleep(2)  # until the API server knows of it
    begun = time.monotonic()
    with pytest.raises(ApiError) as told:
        cluster.create(SECRETS, named(SECRETS, "refused"))
    assert time.monotonic() - begun < 2.0
    assert "connection refused" in str(told.value)
    cluster.delete(WEBHOOKS, "", "hook")


# --- images and logs ---


def test_an_image_is_loaded_once(shared: RunningCluster, kind_runtime: KindRuntime, engine: Engine, node: str) -> None:
    """And a pod can name it."""
    [tag] = kind_runtime.load(shared, ["registry"], Silent()).values()
    _, said = engine.execute(node, ["ctr", "--namespace", "k8s.io", "images", "list", "-q"])
    assert any(line.endswith(tag) for line in said.decode().split())
    begun = time.monotonic()
    assert kind_runtime.load(shared, ["registry"], Silent()) == {"registry": tag}
    assert time.monotonic() - begun < 2.0


def test_the_logs_of_the_control_plane_are_files(shared: RunningCluster, kind_runtime: KindRuntime) -> None:
    """Of each component, and bounded."""
    logs = kind_runtime.logs(shared)
    assert {"etcd", "kube-apiserver", "kube-scheduler", "kwok-controller", "kubelet", "containerd"} <= set(logs)
    assert all(0 < log.stat().st_size < 5_000_000 for log in logs.values())
    assert b"apiserver" in logs["kube-apiserver"].read_bytes()


# --- what is refused ---


def test_the_port_of_another_cluster_is_refused_before_anything_is_made(
    shared: RunningCluster, kind_runtime: KindRuntime, node: str
) -> None:
    """Named by its container and its cluster."""
    with pytest.raises(RegistryNotReady) as told:
        kind_runtime.up("another", Silent())
    assert f"the container {node} of the Kind cluster {shared.name!r}" in told.value.what
    assert kind_runtime.names() == [shared.name]


def test_a_node_that_the_harness_has_not_made_is_left_alone(kind_runtime: KindRuntime, kind_settings: Settings) -> None:
    """By name it would be ours; neither `up` nor `down` touches it."""
    image = docker("images", "--quiet", "--filter", "reference=kindest/node").split()[0]
    theirs = docker("create", "--name", "theirs-control-plane", "--label", "io.x-k8s.kind.cluster=theirs", image)
    try:
        with pytest.raises(NotOurs, match="theirs-control-plane"):
            kind_runtime.up("theirs", Silent())
        with pytest.raises(NotOurs, match="theirs-control-plane"):
            kind_runtime.down("theirs")
        assert docker("inspect", "--format", "{{.Id}}", "theirs-control-plane") == theirs
        assert "theirs" not in kind_runtime.names()
    finally:
        docker("rm", theirs)


def test_a_cluster_made_with_other_settings_is_not_passed_off_as_the_wanted_one(
    shared: RunningCluster, kind_runtime: KindRuntime, engine: Engine, tools: Tools
) -> None:
    """A person decides; the message names what differs."""
    other = load(environment={}, overrides={"webhooks": "skip", "ports.registry": PORT})
    home = shared.directory.parents[2]
    with pytest.raises(ClusterError, match=r"webhooks: refuse \(settings: skip\)"):
        KindRuntime(other, tools, home, connect=lambda: engine).up(shared.name, Silent())


# --- the end ---


def test_a_node_that_died_is_noticed_and_made_anew(
    shared: RunningCluster, kind_runtime: KindRuntime, engine: Engine, node: str
) -> None:
    """Whoever waits is told; `get` does not find it; `up` makes another one, and `down` leaves nothing."""
    others = set(docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"name=[^{node}]").split())
    docker("kill", node)
    assert kind_runtime.until_stopped(shared) == 137
    assert kind_runtime.get(shared.name) is None
    assert kind_runtime.logs(shared) == {}
    again = kind_runtime.up(shared.name, Silent())
    assert again.identity != shared.identity
    apply_nodes(Cluster(again.kubeconfig), plan()[:1], Deadline.after(60), Silent())
    wait(Cluster(again.kubeconfig), [NODES], NodesReady(("system-0",)), Deadline.after(10))

    kind_runtime.down(shared.name)
    assert engine.container(node) is None
    assert kind_runtime.names() == []
    assert not again.directory.exists()
    assert others <= set(docker("ps", "--all", "--quiet", "--no-trunc").split()) | {""}
    kind_runtime.down(shared.name)


def test_an_interrupted_up_leaves_nothing(engine: Engine, tools: Tools, tmp_path: Path) -> None:
    """Neither a container nor a file, also when the engine was just about to make the one."""
    words = [json.dumps({"kind": str(tools("kind"))}), str(tmp_path / "state"), "kind-interrupted", PORT]
    with subprocess.Popen([sys.executable, "-c", UP, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        while "kind makes a cluster" not in child.stdout.readline():
            assert child.poll() is None
        time.sleep(1.0)
        child.send_signal(signal.SIGINT)
        assert child.wait(60) != 0
    time.sleep(1.0)
    assert engine.container("kind-interrupted-control-plane") is None
    assert [each for each in (tmp_path / "state").rglob("*") if each.is_file() and each.suffix != ".lock"] == []
