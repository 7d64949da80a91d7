"""The plan of a Kind cluster: kwok/kind-config.yaml with what one cluster has of its own. No file is written here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from harness.settings import Ports
from kwok.simulation import Webhooks, disabled_admission

BASE = Path(__file__).resolve().parent.parent / "kind-config.yaml"
NODE_PORTS = {"registry": 30500, "git": 30300}  # their Services are reached from outside by these
REAL_POD_RANGE = "10.244.0.0/24"  # of the pods that really run; kind's network, of which one node needs no more
OWNER_MOUNT = "/kwok-harness"  # in the node; what is mounted there says whose it is


def node_container(name: str) -> str:
    """The name of a cluster's one node, and of the container that it is; kind forms it so."""
    return f"{name}-control-plane"


def configuration(ports: Ports, webhooks: Webhooks, owner: Path) -> dict[str, Any]:
    """The document for `kind create cluster --config`; `owner` is a directory of the harness, mounted into the node."""
    document: dict[str, Any] = yaml.safe_load(BASE.read_text(encoding="utf-8"))
    [node] = document["nodes"]
    for name, node_port in NODE_PORTS.items():
        [mapping] = [each for each in node["extraPortMappings"] if each["containerPort"] == node_port]
        mapping["hostPort"] = getattr(ports, name)
    node["extraMounts"] = [{"hostPath": str(owner), "containerPath": OWNER_MOUNT, "readOnly": True}]
    apiserver = {
        "kind": "ClusterConfiguration",
        "apiServer": {"extraArgs": {"disable-admission-plugins": ",".join(disabled_admission(webhooks))}},
    }
    document["kubeadmConfigPatches"].append(yaml.safe_dump(apiserver, sort_keys=False))
    return document


def create(kind: Path, name: str, image: str, file: Path, kubeconfig: Path) -> list[str | Path]:
    """The words that make the cluster. kind does not wait, and deletes what it cannot finish."""
    words: list[str | Path] = [kind, "create", "cluster", "--name", name, "--image", image]
    return [*words, "--config", file, "--kubeconfig", kubeconfig]


def environment(outside: Mapping[str, str], engine_address: str, *, podman: bool) -> dict[str, str]:
    """What kind runs in: the user's environment without their kubeconfig, on the engine that was found."""
    own = {name: value for name, value in outside.items() if name not in ("KUBECONFIG", "KIND_CLUSTER_NAME")}
    if podman:
        return own | {"KIND_EXPERIMENTAL_PROVIDER": "podman"}
    return own | {"KIND_EXPERIMENTAL_PROVIDER": "docker", "DOCKER_HOST": engine_address}
