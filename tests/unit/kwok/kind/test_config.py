"""The plan of a Kind cluster."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.names import INFRASTRUCTURE_NODE
from harness.settings import Ports, load
from kwok.kind import config
from kwok.simulation import SERVICE_RANGE, Webhooks

PORTS = Ports(registry=5500, git=3300)
OWNER = Path("/state/kind/clusters/one/owner")


def patched(document: dict[str, Any]) -> dict[str, Any]:
    """What kubeadm gets: the patches merged as kind merges them, each key by itself."""
    merged: dict[str, Any] = {}
    for text in document["kubeadmConfigPatches"]:
        patch = yaml.safe_load(text)
        assert patch.pop("kind") == "ClusterConfiguration"
        for part, value in patch.items():
            merged.setdefault(part, {}).update(value)
    return merged


def test_what_the_settings_say_is_put_in() -> None:
    """Ports of registry and Git server on loopback, and the directory by which the node is known again, read-only."""
    [node] = config.configuration(Ports(registry=5520, git=3320), "skip", OWNER)["nodes"]
    assert node["extraPortMappings"] == [
        {"containerPort": 30500, "hostPort": 5520, "listenAddress": "127.0.0.1", "protocol": "TCP"},
        {"containerPort": 30300, "hostPort": 3320, "listenAddress": "127.0.0.1", "protocol": "TCP"},
    ]
    assert node["extraMounts"] == [{"hostPath": str(OWNER), "containerPath": "/kwok-harness", "readOnly": True}]


def test_the_file_by_itself_has_the_documented_port() -> None:
    """It serves kind without the harness too."""
    document = yaml.safe_load(config.BASE.read_text())
    mappings = {each["containerPort"]: each["hostPort"] for each in document["nodes"][0]["extraPortMappings"]}
    ports = load(environment={}).ports
    assert mappings == {config.NODE_PORTS["registry"]: ports.registry, config.NODE_PORTS["git"]: ports.git}


def test_the_cluster_has_what_recipes_and_the_fence_need() -> None:
    """The API server on loopback, one node with its label, gates and versions, the ranges of the host runtime."""
    document = config.configuration(PORTS, "skip", OWNER)
    assert document["networking"] == {"apiServerAddress": "127.0.0.1", "serviceSubnet": SERVICE_RANGE}
    assert document["featureGates"] == {"DynamicResourceAllocation": True, "MutatingAdmissionPolicy": True}
    assert document["runtimeConfig"] == {
        "resource.k8s.io/v1beta1": "true",
        "admissionregistration.k8s.io/v1beta1": "true",
    }
    [node] = document["nodes"]
    assert (node["role"], node["labels"]) == ("control-plane", dict([INFRASTRUCTURE_NODE]))
    assert patched(document)["controllerManager"]["extraArgs"]["allocate-node-cidrs"] == "false"


@pytest.mark.parametrize(
    ("webhooks", "without"),
    [
        ("skip", "TaintNodesByCondition,MutatingAdmissionWebhook,ValidatingAdmissionWebhook"),
        ("refuse", "TaintNodesByCondition"),
    ],
)
def test_the_webhook_policy_is_that_of_the_host_runtime(webhooks: Webhooks, without: str) -> None:
    """skip: the API server goes without the two plug-ins that would call them."""
    arguments = patched(config.configuration(PORTS, webhooks, OWNER))["apiServer"]["extraArgs"]
    assert arguments == {"disable-admission-plugins": without}


@pytest.mark.parametrize(
    ("podman", "own"),
    [
        (False, {"KIND_EXPERIMENTAL_PROVIDER": "docker", "DOCKER_HOST": "unix:///d"}),
        (True, {"KIND_EXPERIMENTAL_PROVIDER": "podman"}),
    ],
)
def test_kind_knows_the_engine_and_not_the_users_cluster(podman: bool, own: dict[str, str]) -> None:
    """Its environment has no kubeconfig of theirs."""
    outside = {"PATH": "/bin", "KUBECONFIG": "/home/me/.kube/config", "KIND_CLUSTER_NAME": "mine"}
    assert config.environment(outside, "unix:///d", podman=podman) == {"PATH": "/bin", **own}


def test_kind_writes_to_a_kubeconfig_of_our_own() -> None:
    """And deletes by itself what it cannot finish."""
    words = config.create(Path("kind"), "one", "kindest/node:v1", Path("kind.yaml"), Path("own"))
    assert words[words.index("--kubeconfig") + 1] == Path("own")
    assert "--retain" not in words
