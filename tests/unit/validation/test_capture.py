"""What a snapshot of a cluster holds: what its API server says, and nothing that it does not."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.api import Cluster
from harness.errors import ClusterError
from harness.objects import CONFIGMAPS, NODES, PODS
from harness.validation.capture import CLUSTER_POLICIES, capture
from harness.validation.measurements import Snapshot
from tests.fakes.api import FakeApi, Fault

NOW = datetime(2026, 6, 20, 8, 15, tzinfo=UTC)
INFO = {
    "kubeletVersion": "v1.33.5-eks-3025e55",
    "osImage": "Ubuntu 24.04.2 LTS",
    "kernelVersion": "6.8.0-1028-aws",
    "operatingSystem": "linux",
    "containerRuntimeVersion": "containerd://1.7.27",
}


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        fake.documents["/version"] = {"gitVersion": "v1.33.5", "platform": "linux/amd64", "goVersion": "go1.24.6"}
        fake.missing.add(CLUSTER_POLICIES.plural)
        yield fake


def node(name: str, **more: Any) -> dict[str, Any]:
    labels = more.pop("labels", {})
    spec = {"providerID": "aws:///us-west-2a/i-0", **more.pop("spec", {})}
    return {"metadata": {"name": name, "labels": labels, **more}, "spec": spec, "status": {"nodeInfo": INFO}}


def taken(api: FakeApi, tmp_path: Path) -> Snapshot:
    return capture(Cluster(api.kubeconfig(tmp_path)), now=NOW, version="1.2.3")


def data(found: Snapshot, place: str) -> dict[str, Any]:
    measurement, _, subtype = place.partition(".")
    return dict(found.measurements[measurement][subtype].data)


def test_a_cluster_is_told_by_its_server_its_nodes_its_images_and_its_policy(api: FakeApi, tmp_path: Path) -> None:
    """The keys are those of the reference's collectors."""
    api.missing.clear()
    api.put(NODES, node("gpu-1"))
    containers = [{"image": "nvcr.io/nvidia/gpu-operator:v25.10.1"}, {"image": "registry:5000/plain"}]
    api.put(PODS, {"metadata": {"namespace": "a", "name": "p"}, "spec": {"containers": containers}})
    spec = {"driver": {"enabled": True, "version": "580"}, "daemonsets": {"tolerations": [{"key": "a"}]}, "none": None}
    api.put(CLUSTER_POLICIES, {"metadata": {"name": "cluster-policy"}, "spec": spec})
    found = taken(api, tmp_path)
    assert data(found, "K8s.server") == {"version": "v1.33.5", "platform": "linux/amd64", "goVersion": "go1.24.6"}
    assert data(found, "K8s.node") == {
        "source-node": "gpu-1",
        "provider": "eks",
        "provider-id": "aws:///us-west-2a/i-0",
        "os-image": "Ubuntu 24.04.2 LTS",
        "kubelet-version": "v1.33.5-eks-3025e55",
        "kernel-version": "6.8.0-1028-aws",
        "operating-system": "linux",
        "container-runtime-id": "containerd://1.7.27",
        "container-runtime-name": "containerd",
        "container-runtime-version": "1.7.27",
    }
    assert data(found, "K8s.image") == {"gpu-operator": "v25.10.1"}
    assert data(found, "K8s.policy") == {
        "driver.enabled": True,
        "driver.version": "580",
        "daemonsets.tolerations": '[{"key":"a"}]',
    }
    assert found.metadata == {"timestamp": "2026-06-20T08:15:00Z", "version": "1.2.3", "source-node": "gpu-1"}
    assert set(found.measurements) == {"K8s", "NodeTopology"}, "GPU, OS and SystemD are nothing that a server tells"


def test_the_topology_says_which_nodes_have_which_taints_and_labels(api: FakeApi, tmp_path: Path) -> None:
    """One value is under the key, several are under the key and the value."""
    taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    api.put(NODES, node("gpu-1", labels={"zone": "a", "gpu": "true"}, spec={"taints": [taint]}))
    api.put(NODES, node("gpu-2", labels={"zone": "b", "gpu": "true"}, spec={"taints": [taint]}))
    found = taken(api, tmp_path)
    assert data(found, "NodeTopology.taint") == {"nvidia.com/gpu": "NoSchedule|present|gpu-1,gpu-2"}
    assert data(found, "NodeTopology.label") == {"gpu": "true|gpu-1,gpu-2", "zone.a": "a|gpu-1", "zone.b": "b|gpu-2"}
    assert data(found, "NodeTopology.summary") == {"node-count": 2, "taint-count": 1, "label-count": 3}


def test_two_tags_of_one_image_are_both_there(api: FakeApi, tmp_path: Path) -> None:
    """So no version constraint passes on the one that was seen last."""
    for name, tag in (("p", "v1"), ("q", "v2")):
        spec = {"containers": [{"image": f"reg.io/a/tool:{tag}"}]}
        api.put(PODS, {"metadata": {"namespace": "a", "name": name}, "spec": spec})
    assert data(taken(api, tmp_path), "K8s.image") == {"tool": "v1,v2"}


@pytest.mark.parametrize("how", ["annotation", "label"])
def test_a_snapshot_of_simulated_nodes_says_so(api: FakeApi, tmp_path: Path, how: str) -> None:
    """And K8s.node is one that is not simulated, where there is one."""
    mark = {"annotations": {"kwok.x-k8s.io/node": "fake"}} if how == "annotation" else {"labels": {"type": "kwok"}}
    api.put(NODES, node("a-simulated", **mark))
    api.put(NODES, node("z-real"))
    found = taken(api, tmp_path)
    assert found.simulated == "1 of 2 nodes are simulated by KWOK"
    assert data(found, "K8s.node")["source-node"] == "z-real"


def test_a_cluster_of_the_harness_without_nodes_says_so_too(api: FakeApi, tmp_path: Path) -> None:
    """By the marker in it; nothing is said of a node."""
    marker = {"metadata": {"namespace": "kube-system", "name": "kwok-harness-owner"}, "data": {"cluster": "c1"}}
    api.put(CONFIGMAPS, marker)
    found = taken(api, tmp_path)
    assert found.simulated == "cluster c1 of the harness, without nodes"
    assert "node" not in found.measurements["K8s"]


def test_what_may_not_be_read_ends_the_capture(api: FakeApi, tmp_path: Path) -> None:
    """A snapshot without its nodes would say that there are none."""
    api.fault(Fault("status", verb="LIST", plural="pods", status=403))
    with pytest.raises(ClusterError):
        taken(api, tmp_path)


def test_a_snapshot_reads_what_it_wrote(api: FakeApi, tmp_path: Path) -> None:
    """The document of a capture is one that the strict reader takes."""
    import yaml

    api.put(NODES, node("gpu-1", labels={"version": "1e3"}))
    found = taken(api, tmp_path)
    assert Snapshot.parse(yaml.safe_dump(found.document()), "s.yaml").measurements == found.measurements
