"""When a Kind cluster is ready, and what the KWOK controller in it is told."""

from typing import Any

import pytest
import yaml

from harness.objects import CONFIGMAPS, DAEMONSETS, DEPLOYMENTS, NODES, SERVICE_ACCOUNTS, Kind, Object, Objects, key_of
from harness.verdict import Passed, Waiting
from kwok.kind import controller
from kwok.kind.boot import KINDS, everything_ready
from kwok.simulation import POD_RANGE

LABELS = {"kwok-harness.io/node": "infrastructure"}


def item(name: str, namespace: str = "", **parts: Any) -> dict[str, Any]:
    labels = parts.pop("labels", {})
    return {"metadata": {"name": name, "namespace": namespace, "generation": 2, "labels": labels}, **parts}


def ready(status: str = "True", **labels: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": status, "message": "no network yet"}]
    return item("one-control-plane", labels=labels, status={"conditions": conditions})


def deployment(name: str, seen: int = 2, updated: int = 1, available: int = 1) -> dict[str, Any]:
    status = {"observedGeneration": seen, "replicas": 1, "updatedReplicas": updated, "availableReplicas": available}
    return item(name, "kube-system", spec={"replicas": 1}, status=status)


def daemonset(desired: int = 1, updated: int = 1, available: int = 1) -> dict[str, Any]:
    status = {
        "observedGeneration": 2,
        "desiredNumberScheduled": desired,
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
    }
    return item("kube-proxy", "kube-system", status=status)


def objects_of(**changed: list[Object]) -> Objects:
    objects: dict[Kind, list[Object]] = {
        NODES: changed.get("nodes", [ready(**LABELS)]),
        DEPLOYMENTS: changed.get("deployments", [deployment("coredns"), deployment("kwok-controller")]),
        DAEMONSETS: changed.get("daemonsets", [daemonset()]),
        SERVICE_ACCOUNTS: changed.get("accounts", [item("default", "default")]),
    }
    assert set(objects) == set(KINDS)
    return Objects({kind: {key_of(each): each for each in items} for kind, items in objects.items()})


def test_a_cluster_of_which_all_is_there_is_ready() -> None:
    """The node, its own workloads in their newest version, the account of pods."""
    assert isinstance(everything_ready(objects_of()), Passed)


@pytest.mark.parametrize(
    ("changed", "subject", "reason"),
    [
        ({"nodes": []}, "kwok-harness.io/node=infrastructure", "no node has the label"),
        ({"nodes": [ready()]}, "kwok-harness.io/node=infrastructure", "no node has the label"),
        ({"nodes": [ready("False", **LABELS)]}, "Node one-control-plane", "no network yet"),
        ({"deployments": []}, "Deployment kube-system/kwok-controller", "is not there"),
        (
            {"deployments": [deployment("coredns", available=0), deployment("kwok-controller")]},
            "Deployment kube-system/coredns",
            "0 of 1 pods are available, 1 of them new",
        ),
        (
            {"deployments": [deployment("kwok-controller", seen=1)]},
            "Deployment kube-system/kwok-controller",
            "its controller has not seen its newest version",
        ),
        ({"deployments": [deployment("kwok-controller", updated=0)]}, "Deployment kube-system/kwok-controller", "0 of"),
        ({"daemonsets": [daemonset(desired=0)]}, "DaemonSet kube-system/kube-proxy", "1 of 1"),
        ({"daemonsets": [daemonset(available=0)]}, "DaemonSet kube-system/kube-proxy", "0 of 1"),
        ({"accounts": []}, "ServiceAccount default/default", "has not created it yet"),
    ],
)
def test_what_is_missing_is_waited_for_by_name(changed: dict[str, Any], subject: str, reason: str) -> None:
    """So that a deadline says what was missing."""
    verdict = everything_ready(objects_of(**changed))
    assert isinstance(verdict, Waiting)
    assert verdict.subject == subject
    if reason != "0 of":
        assert reason in verdict.reason


def test_pods_of_simulated_nodes_are_held_as_on_the_host_runtime() -> None:
    """One stage beside the options: pods are deleted, and else left as they are."""
    text = dict(controller.objects("kwok:v1", "hold"))[CONFIGMAPS]["data"]["kwok.yaml"]
    assert [each["kind"] for each in yaml.safe_load_all(text)] == ["KwokConfiguration", "Stage"]


def test_the_controller_plays_as_on_the_host_runtime_and_leaves_the_real_node_alone() -> None:
    """The same range of addresses, no stages and no CRDs of its own, simulated nodes only."""
    objects = dict(controller.objects("kwok:v1", "simulate"))
    options = yaml.safe_load(objects[CONFIGMAPS]["data"]["kwok.yaml"])["options"]
    assert options["cidr"] == POD_RANGE
    assert options["manageNodesWithAnnotationSelector"] == "kwok.x-k8s.io/node=fake"
    assert "enableCRDs" not in options
    pod = objects[DEPLOYMENTS]["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == LABELS
    [container] = pod["containers"]
    assert (container["image"], container["imagePullPolicy"]) == ("kwok:v1", "IfNotPresent")
    assert "--server-address=127.0.0.1:10247" in container["args"]
    assert "--node-lease-duration-seconds=0" in container["args"]
