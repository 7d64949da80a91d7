"""Simulated nodes: every documented field."""

from dataclasses import replace
from typing import Any

from harness.formats.quantity import parse
from harness.isolation.nodes import DIGEST_ANNOTATION
from harness.objects import Object
from harness.recipes.profiles import select
from harness.settings import ROOT
from kwok.nodes import NodePlan, node_objects

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


def test_gpus_of_another_vendor_are_requested_by_their_own_name() -> None:
    """With neither labels nor taint of NVIDIA's; count and everything else as ever."""
    ours = PLAN.profiles.accelerated
    gpu = ours.spec.gpu
    assert gpu is not None
    spec = ours.spec.model_copy(update={"gpu": gpu.model_copy(update={"resource": "amd.com/gpu"}), "taints": None})
    plan = replace(PLAN, profiles=replace(PLAN.profiles, accelerated=replace(ours, spec=spec)))
    node = next(each for each in node_objects(plan) if each["metadata"]["name"] == "gpu-0")
    assert node["status"]["capacity"]["amd.com/gpu"] == node["status"]["allocatable"]["amd.com/gpu"] == "8"
    assert "nvidia.com/gpu" not in str(node)
    assert node["metadata"]["labels"]["aicr.nvidia.com/node-type"] == "accelerated"
