"""Simulated nodes: every documented field, and how a cluster is brought to have exactly these."""

from typing import Any, cast

import pytest

from harness.cluster.api import Cluster, Listing
from harness.deadline import Deadline
from harness.formats.quantity import parse
from harness.isolation.nodes import DIGEST_ANNOTATION, apply_nodes, delete_nodes
from harness.objects import NODES, STORAGE_CLASSES, Kind, Object
from harness.progress import Silent
from harness.recipes.profiles import Profiles, select
from harness.settings import ROOT
from kwok.nodes import NodePlan, node_objects, simulated_objects

PLAN = NodePlan(select(ROOT / "kwok" / "profiles", "eks", "h100"), 2, 4, "us-east-1", "v1.34.10")


def planned(name: str) -> dict[str, Any]:
    return next(node for node in node_objects(PLAN) if node["metadata"]["name"] == name)


def annotations(node: Object) -> dict[str, str]:
    return {key: value for key, value in node["metadata"]["annotations"].items() if key != DIGEST_ANNOTATION}


def test_nodes_are_counted_from_zero_by_type() -> None:
    """2 system and 4 accelerated nodes by default."""
    found = [node["metadata"]["name"] for node in node_objects(PLAN)]
    assert found == ["system-0", "system-1", "gpu-0", "gpu-1", "gpu-2", "gpu-3"]


def test_a_system_node() -> None:
    """Label for label what the bash harness made, what the provider has, and what the controller manager would add."""
    node = planned("system-1")
    assert node["metadata"]["labels"] == {
        "type": "kwok",
        "kubernetes.io/hostname": "system-1",
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "node.kubernetes.io/instance-type": "m7i.4xlarge",
        "topology.kubernetes.io/region": "us-east-1",
        "topology.kubernetes.io/zone": "us-east-1b",
        "topology.ebs.csi.aws.com/zone": "us-east-1b",
        "aicr.nvidia.com/node-type": "system",
        "node-role.kubernetes.io/control-plane": "",
        "eks.amazonaws.com/nodegroup": "system",
        "eks.amazonaws.com/capacityType": "ON_DEMAND",
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": "amd64",
    }
    assert annotations(node) == {"kwok.x-k8s.io/node": "fake"}
    assert node["status"]["capacity"] == {
        "cpu": "16",
        "memory": "64Gi",
        "ephemeral-storage": "100Gi",
        "pods": "110",
    }


def test_an_accelerated_node() -> None:
    """The GPU in labels, annotation and capacity; no control-plane role."""
    node = planned("gpu-2")
    labels = node["metadata"]["labels"]
    assert {key: value for key, value in labels.items() if key.startswith("nvidia.com/")} == {
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
        "nvidia.com/gpu.count": "8",
        "nvidia.com/gpu.memory": "81920",
        "nvidia.com/cuda.driver.major": "570",
        "nvidia.com/cuda.driver.minor": "86",
    }
    assert labels["aicr.nvidia.com/node-type"] == "accelerated"
    assert labels["feature.node.kubernetes.io/pci-10de.present"] == "true"
    assert labels["topology.kubernetes.io/zone"] == "us-east-1c"
    assert "node-role.kubernetes.io/control-plane" not in labels
    assert annotations(node) == {"kwok.x-k8s.io/node": "fake", "nvidia.com/gpu.driver.version": "570.86.16"}
    assert node["status"]["capacity"] == {
        "cpu": "192",
        "memory": "2048Gi",
        "ephemeral-storage": "3800Gi",
        "pods": "250",
        "vpc.amazonaws.com/efa": "32",
        "hugepages-2Mi": "10256Mi",
        "nvidia.com/gpu": "8",
    }


def test_huge_pages_are_no_memory() -> None:
    """What the kubelet sets aside for them is not allocatable twice."""
    status = planned("gpu-0")["status"]
    assert parse(status["allocatable"]["memory"]) == parse("2048Gi") - parse("10256Mi")
    assert {**status["allocatable"], "memory": "2048Gi"} == status["capacity"]


def test_nodes_lie_in_three_zones() -> None:
    """Those of each type, one after another."""
    zones = [planned(f"gpu-{index}")["metadata"]["labels"]["topology.kubernetes.io/zone"] for index in range(4)]
    assert zones == ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1a"]


def test_what_all_nodes_have_in_common() -> None:
    """The taint of simulated nodes, that of GPUs where there are any, the settings' kubelet version, one address."""
    simulated = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}
    gpu = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    for node in node_objects(PLAN):
        status = node["status"]
        taints = [simulated, gpu] if "nvidia.com/gpu" in status["capacity"] else [simulated]
        assert node["spec"] == {"taints": taints}
        assert status["addresses"] == [{"type": "Hostname", "address": node["metadata"]["name"]}]
        info = status["nodeInfo"]
        assert (info["containerRuntimeVersion"], info["kernelVersion"]) == ("containerd://1.7.0", "6.1.0-fake")
        assert (info["kubeletVersion"], info["operatingSystem"]) == ("v1.34.10", "linux")
        assert (info["osImage"], info["architecture"]) == ("Amazon Linux 2023", "amd64")


def test_a_node_does_not_claim_to_be_ready() -> None:
    """KWOK says so; pressure is denied with the usual reasons."""
    conditions = {each["type"]: (each["status"], each["reason"]) for each in planned("gpu-0")["status"]["conditions"]}
    assert conditions == {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID"),
    }


def test_arm_nodes_say_so_in_labels_and_info() -> None:
    """GB200 hosts have Grace CPUs."""
    plan = NodePlan(select(ROOT / "kwok" / "profiles", "eks", "gb200"), 0, 1, "us-east-1", "v1.34.10")
    (node,) = node_objects(plan)
    assert node["metadata"]["labels"]["kubernetes.io/arch"] == node["status"]["nodeInfo"]["architecture"] == "arm64"


class Recording:
    """A cluster with some nodes, that records what is made and deleted."""

    def __init__(self, *there: dict[str, Any]) -> None:
        self.there = list(there)
        self.created: list[str] = []
        self.deleted: list[str] = []
        self.classes: list[str] = []

    def list(self, kind: Kind, *, label_selector: str = "") -> Listing:
        if kind == STORAGE_CLASSES:
            return Listing([], "1")
        assert (kind, label_selector) == (NODES, "type=kwok")
        return Listing(self.there, "1")

    def apply(self, kind: Kind, obj: Object) -> None:
        assert kind == STORAGE_CLASSES
        self.classes.append(obj["metadata"]["name"])

    def create(self, kind: Kind, obj: Object) -> None:
        assert kind == NODES
        self.created.append(obj["metadata"]["name"])

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        assert (kind, namespace) == (NODES, "")
        self.deleted.append(name)


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is waited for, without waiting."""
    calls: list[Any] = []
    monkeypatch.setattr("harness.isolation.nodes.wait", lambda *arguments: calls.append(arguments))
    return calls


def applied(cluster: Recording) -> Recording:
    apply_nodes(cast(Cluster, cluster), node_objects(PLAN), Deadline.after(60), Silent())
    cluster.created.sort()
    cluster.deleted.sort()
    return cluster


def test_all_nodes_are_made_in_an_empty_cluster_and_waited_for(waited: list[Any]) -> None:
    """Once each."""
    cluster = applied(Recording())
    assert cluster.created == ["gpu-0", "gpu-1", "gpu-2", "gpu-3", "system-0", "system-1"]
    assert (cluster.deleted, len(waited)) == ([], 1)


def test_nodes_that_are_as_planned_stay(waited: list[Any]) -> None:
    """A second run makes nothing, and still waits for Ready."""
    cluster = applied(Recording(*node_objects(PLAN)))
    assert (cluster.created, cluster.deleted, len(waited)) == ([], [], 1)


def test_the_classes_of_the_provider_come_with_its_nodes(waited: list[Any]) -> None:
    """Before the nodes, which are waited for; and they are none of them."""
    cluster = Recording()
    profiles = Profiles(ROOT / "kwok" / "profiles", ROOT / "kwok" / "profiles").of("gke", "h100")
    plan = NodePlan(profiles, 1, 0, "us-east-1", "v1.34.10")
    apply_nodes(cast(Cluster, cluster), simulated_objects(plan), Deadline.after(60), Silent())
    assert (cluster.classes, cluster.created) == (["standard-rwo", "premium-rwo", "standard"], ["system-0"])
    assert len(waited) == 1


@pytest.mark.usefixtures("waited")
def test_nodes_of_another_plan_are_replaced_and_those_too_many_go() -> None:
    """No label of the former profile may stay behind."""
    other = NodePlan(select(ROOT / "kwok" / "profiles", "eks", "gb200"), 2, 6, "us-east-1", "v1.34.10")
    cluster = applied(Recording(*node_objects(other)))
    assert cluster.created == ["gpu-0", "gpu-1", "gpu-2", "gpu-3"]
    assert cluster.deleted == ["gpu-0", "gpu-1", "gpu-2", "gpu-3", "gpu-4", "gpu-5"]


@pytest.mark.usefixtures("waited")
def test_a_simulated_node_that_somebody_made_by_hand_is_replaced() -> None:
    """It carries no digest of a plan."""
    cluster = applied(Recording({"metadata": {"name": "gpu-0"}}, *node_objects(PLAN)[:2]))
    assert (cluster.deleted, cluster.created) == (["gpu-0"], ["gpu-0", "gpu-1", "gpu-2", "gpu-3"])


def test_delete_takes_every_simulated_node() -> None:
    """And only those: the listing asks for the label."""
    cluster = Recording(*node_objects(PLAN))
    delete_nodes(cast(Cluster, cluster))
    assert len(cluster.deleted) == 6
