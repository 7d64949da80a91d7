"""What an assert can prove is told from its text: the API, a controller, or that something really ran."""

from typing import Any

import pytest

from harness.assertions.proof import claims_of, proof_of
from harness.assertions.proof_commands import claims_of_command
from harness.assertions.proof_fields import API, CONTROLLER, EXECUTION, Proof


def document(api_version: str, kind: str, **rest: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, **rest}


READY = {"(conditions[?type == 'Ready'])": [{"status": "True"}]}


@pytest.mark.parametrize(
    ("source", "proof"),
    [
        (document("v1", "Pod"), API),
        (document("v1", "Pod", spec={"nodeName": "a", "(length(containers))": 1}), API),
        (document("v1", "Pod", metadata={"finalizers": [], "ownerReferences": [{"kind": "Job"}]}), API),
        (document("v1", "Pod", status={"phase": "Running"}), EXECUTION),
        (document("v1", "Pod", status=READY), EXECUTION),
        (document("v1", "Pod", status={"(conditions[?type == 'PodScheduled'])": [{"status": "True"}]}), API),
        (document("v1", "Pod", status={"conditions": [{"type": "PodScheduled", "status": "True"}]}), API),
        (document("v1", "Pod", status={"~.(containerStatuses)": {"ready": True}}), EXECUTION),
        (document("v1", "Pod", **{"(status.phase == 'Running')": True}), EXECUTION),
        (document("v1", "Pod", **{"(status)->s": {"($s.qosClass)": "Burstable"}}), API),
        (document("v1", "Pod", status={}), EXECUTION),
        (document("apps/v1", "Deployment", status={"updatedReplicas": 1, "observedGeneration": 2}), CONTROLLER),
        (document("apps/v1", "Deployment", status={"(availableReplicas > `0`)": True}), EXECUTION),
        (document("apps/v1", "Deployment", status={"(spec.replicas == status.replicas)": True}), EXECUTION),
        (document("apps/v1", "Deployment", **{"(status.replicas == spec.replicas)": True}), CONTROLLER),
        (document("apps/v1", "DaemonSet", status={"(desiredNumberScheduled > `0`)": True}), CONTROLLER),
        (document("apps/v1", "DaemonSet", status={"(numberReady > `0`)": True}), EXECUTION),
        (document("apps/v1", "StatefulSet", status={"replicas": 2}), EXECUTION),
        (document("batch/v1", "Job", status={"succeeded": 1}), EXECUTION),
        (document("batch/v1", "Job", status={"active": 1}), CONTROLLER),
        (document("v1", "Namespace", status={"phase": "Active"}), API),
        (document("v1", "PersistentVolumeClaim", status={"phase": "Bound"}), API),
        (document("apiextensions.k8s.io/v1", "CustomResourceDefinition", status=READY), API),
        (document("apiregistration.k8s.io/v1", "APIService", status=READY), EXECUTION),
        (document("discovery.k8s.io/v1", "EndpointSlice", endpoints=[]), EXECUTION),
        (document("v1", "Event", reason="Scaled"), CONTROLLER),
        (document("nvidia.com/v1", "ClusterPolicy", status={"state": "ready"}), CONTROLLER),
        (document("nvidia.com/v1", "ClusterPolicy", status={"readyReplicas": 1}), EXECUTION),
        (document("nvidia.com/v1", "ClusterPolicy", spec={"x": 1}), API),
        (document("metrics.k8s.io/v1beta1", "PodMetrics", containers=[]), EXECUTION),
        (document("v1", "Pod", **{"(cel; object.x)": 1}), EXECUTION),
        (document("v1", "ConfigMap", data={"x": "(cel; bindings.resolve('c'))"}), API),
        (document("v1", "Pod", **{"(status)->s": {"qosClass": "(cel; bindings.resolve('s').phase)"}}), EXECUTION),
        ({"(x_k8s_get($client, 'apps/v1', 'Deployment', 'n', 'd').status.readyReplicas)": 1}, EXECUTION),
        ({"(x_k8s_get($client, 'apps/v1', 'Deployment', 'n', 'd').spec.replicas)": 1}, API),
        ({"(x_k8s_list($client, 'v1', 'Pod', 'n').items[*].status.phase)": ["Running"]}, EXECUTION),
        ({"(length(x_k8s_list($client, 'v1', 'Pod', 'n').items))": 1}, API),
        ({"(x_k8s_exists($client, 'v1', 'Pod', 'n', 'p'))": True}, API),
        ({"(x_k8s_get($client, 'v1', $kind, 'n', 'p').status)": {}}, EXECUTION),
        ({"(x_metrics_decode($text)[0].value)": 1}, EXECUTION),
        ({"($values.a)": "b"}, API),
    ],
    ids=str,
)
def test_an_assert_proves_what_its_fields_prove(source: dict[str, Any], proof: Proof) -> None:
    """The field that needs most decides; a custom resource's status needs its controller."""
    assert proof_of(claims_of(source)) is proof


def test_claims_name_their_fields() -> None:
    """So that a report can say which part was simulated."""
    source = document("apps/v1", "Deployment", spec={"replicas": 1}, status={"readyReplicas": 1, **READY})
    assert [(claim.path, claim.proof.name) for claim in claims_of(source)] == [
        ("spec.replicas", "API"),
        ("status.readyReplicas", "EXECUTION"),
        ("status.conditions.[Ready].status", "EXECUTION"),
    ]


@pytest.mark.parametrize(
    "command",
    [
        "kubectl rollout status deployment/x",
        "kubectl -n a wait pod/x --for=condition=Ready --timeout 5s",
        ["kubectl", "wait", "--for", "condition=Available", "deployment/x"],
        "kubectl wait --for=jsonpath={.status.phase}=Running pod/x",
        "kubectl logs x",
        "kubectl --namespace a exec x -- ls",
        "set -e\nkubectl get pods\nkubectl port-forward svc/x 80 &",
        "x=$(kubectl logs x | tail -1)",
        "helm upgrade --install x chart --wait --timeout 2m",
        "helm test x",
        ["helm", "install", "x", "--atomic"],
        "/usr/local/bin/kubectl top pods",
    ],
    ids=str,
)
def test_commands_that_need_pods_that_run_are_recognised(command: Any) -> None:
    """In scripts as in lists of words."""
    claims = claims_of_command(command)
    assert proof_of(claims) is EXECUTION


@pytest.mark.parametrize(
    "command",
    [
        "kubectl get pods -o wide",
        "kubectl apply -f x.yaml && kubectl wait --for=delete pod/x",
        "kubectl wait crd/x --for condition=established",
        "helm install x chart --wait=false",
        "helm template x --wait",
        "echo kubectl-logs",
        "echo 'unclosed",
        "",
        [],
    ],
    ids=str,
)
def test_other_commands_claim_nothing(command: Any) -> None:
    """Whatever they do, it is not told from their text."""
    assert claims_of_command(command) == ()
