"""Which node types a pod belongs on: the table, and the real registry's declarations."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.gates.workloads.manifest import Declared, ExpectedWorkload
from harness.gates.workloads.ownership import Owner
from harness.gates.workloads.placement import gpus, intended, misplaced
from harness.objects import DAEMONSETS, DEPLOYMENTS, Kind
from tests.fakes.objects import GPU, TYPE, container, node, owned_by, pod, real_node, spec

NOTHING, SYSTEM, ACCELERATED, BOTH = Declared(), Declared(system=True), Declared(accelerated=True), Declared(True, True)
ON_SYSTEM, ON_ACCELERATED = spec(nodeSelector={TYPE: "system"}), spec(nodeSelector={TYPE: "accelerated"})


def workload(kind: Kind, declared: Declared, asks: dict[str, Any]) -> ExpectedWorkload:
    return ExpectedWorkload(kind, "apps", "web", "rel", declared, asks)


@pytest.mark.parametrize(
    ("declared", "kind", "asks", "wanted"),
    [
        (NOTHING, DEPLOYMENTS, spec(), ""),
        (NOTHING, DAEMONSETS, spec(), ""),
        (NOTHING, DEPLOYMENTS, spec(gpus=1), "accelerated"),
        (SYSTEM, DEPLOYMENTS, spec(), "system"),
        (SYSTEM, DEPLOYMENTS, ON_SYSTEM, "system"),
        (SYSTEM, DEPLOYMENTS, ON_ACCELERATED, "system"),
        (SYSTEM, DEPLOYMENTS, spec(gpus=1), "accelerated"),
        (SYSTEM, DAEMONSETS, spec(), ""),
        (SYSTEM, DAEMONSETS, ON_ACCELERATED, ""),
        (ACCELERATED, DEPLOYMENTS, spec(), "accelerated"),
        (ACCELERATED, DAEMONSETS, spec(), "accelerated"),
        (BOTH, DEPLOYMENTS, spec(), "system"),
        (BOTH, DEPLOYMENTS, ON_SYSTEM, "system"),
        (BOTH, DEPLOYMENTS, ON_ACCELERATED, "accelerated"),
        (BOTH, DAEMONSETS, ON_ACCELERATED, ""),
        (BOTH, DAEMONSETS, spec(gpus=1), "accelerated"),
    ],
    ids=str,
)
def test_the_type_that_a_pod_belongs_on(declared: Declared, kind: Kind, asks: dict[str, Any], wanted: str) -> None:
    """Row by row; a selector for accelerated nodes in a component that declares only system ones is no excuse."""
    assert intended(workload(kind, declared, asks), asks)[0] == wanted


def test_pods_of_no_release_belong_anywhere_unless_they_request_gpus() -> None:
    """What operators or people make carries no declaration."""
    assert intended(None, spec())[0] == ""
    assert intended(None, spec(gpus=1))[0] == "accelerated"


@pytest.mark.parametrize(
    ("asks", "count"),
    [
        (spec(), 0),
        (spec(gpus=8), 8),
        ({"containers": [container(**{GPU: "2"}), container(**{GPU: "1"})]}, 3),
        ({"containers": [container()], "initContainers": [container(**{GPU: "1"})]}, 1),
        ({"containers": [container(**{GPU: "0"})]}, 0),
        ({"containers": [container(**{"nvidia.com/gpu.shared": "1"})]}, 0),
        ({"containers": []}, 0),
    ],
    ids=["none", "by limit", "two containers", "init container", "zero", "another resource", "no containers"],
)
def test_gpus_of_a_pod(asks: dict[str, Any], count: int) -> None:
    """Requested, or limited, which is the same for extended resources."""
    assert gpus(asks) == count


WEB = Owner(("Deployment", "apps", "web"))


@pytest.mark.parametrize(
    ("asks", "where", "texts"),
    [
        (ON_SYSTEM, node("system-0"), []),
        (
            ON_SYSTEM,
            node("gpu-0"),
            ["pod p is on accelerated node gpu-0 and belongs on system nodes", "template: system"],
        ),
        (spec(), node("gpu-0"), ["belongs on system nodes", "node type in its template: none"]),
        (spec(gpus=1), node("gpu-0"), []),
        (spec(gpus=1), node("system-0"), ["belongs on accelerated nodes: it requests nvidia.com/gpu"]),
        (spec(), node("system-0", labels={TYPE: ""}), ["is on untyped node system-0"]),
        (spec(gpus=1), real_node(), ["is on the real node"]),
    ],
    ids=["right", "wrong", "by chance", "gpu", "gpu on system", "untyped", "real"],
)
def test_what_is_wrong_with_a_node(asks: dict[str, Any], where: dict[str, Any], texts: list[str]) -> None:
    """Names the pod, its node, where it belongs and why."""
    bound = pod("p", on=where["metadata"]["name"], of=asks, owner=owned_by("ReplicaSet", "web-1"))
    wrong = misplaced(bound, WEB, where, workload(DEPLOYMENTS, SYSTEM, asks))
    assert bool(wrong) is bool(texts)
    for text in texts:
        assert text in wrong


REAL = Path(__file__).resolve().parents[5] / "shared" / "aicr-recipes" / "recipes" / "registry.yaml"


@pytest.mark.skipif(not REAL.is_file(), reason="the real recipe data (../shared/aicr-recipes) is not here")
def test_no_agent_of_the_real_registry_is_kept_from_nodes_that_it_needs() -> None:
    """Agents that run everywhere, or on GPU nodes beside a controller on system nodes, follow their own templates.

    Only two real components declare accelerated selectors alone: one a device plugin, one without pods.
    """
    found: dict[str, Declared] = {}
    for component in yaml.safe_load(REAL.read_text(encoding="utf-8"))["components"]:
        scheduling = component.get("nodeScheduling") or {}
        paths = {kind: (scheduling.get(kind) or {}).get("nodeSelectorPaths") for kind in ("system", "accelerated")}
        found[component["name"]] = Declared(bool(paths["system"]), bool(paths["accelerated"]))
    for name in ("nfd", "nvsentinel", "aws-ebs-csi-driver", "gke-nccl-tcpxo", "network-operator", "gpu-operator"):
        assert intended(workload(DAEMONSETS, found[name], spec()), spec())[0] == "", name
    assert intended(workload(DEPLOYMENTS, found["slinky-slurm-operator"], spec()), spec())[0] == ""
    assert {name for name, d in found.items() if d == ACCELERATED} == {"aws-efa", "nodewright-customizations"}
