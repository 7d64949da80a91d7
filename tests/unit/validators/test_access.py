"""Each check asks for what it declares and for nothing else: no permission is missing, and none is idle."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.formats.documents import Document
from harness.objects import DAEMONSETS, DEPLOYMENTS, NAMESPACES, NODES, PODS
from harness.validation.capture import CLUSTER_POLICIES
from harness.validation.checks.catalog import Catalog, Entry
from harness.validation.declared import Declared
from harness.validators import CHECKS, Skipped, conformance, deployment, performance
from harness.validators.context import Context
from harness.validators.workloads import SERVICES
from kwok import VALIDATORS
from tests.fakes.api import FakeApi, Fault

REGISTERED = (conformance, deployment, performance)  # by importing them
ENTRIES = list(Catalog.load(VALIDATORS).entries.values())
COMPONENTS = (
    "gpu-operator",
    "kai-scheduler",
    "nvidia-dra-driver-gpu",
    "kube-prometheus-stack",
    "prometheus-adapter",
    "agentgateway",
    "dynamo-platform",
    "kubeflow-trainer",
    "nodewright-customizations",
)
HEALTH_CHECK = "{apiVersion: gateway.networking.k8s.io/v1, kind: gateways, metadata: {name: x}}"
VERBS = {"LIST": "list", "GET": "get", "WATCH": "watch", "POST": "create", "DELETE": "delete"}
SERVED = {
    "resource.k8s.io": ("deviceclasses", "resourceslices", "resourceclaims"),
    "scheduling.run.ai": ("podgroups",),
    "gateway.networking.k8s.io": ("gatewayclasses", "gateways", "httproutes"),
    "nvidia.com": ("dynamographdeployments",),
    "trainer.kubeflow.org": ("trainjobs",),
}


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A cluster on which every check comes to its end."""
    with FakeApi() as fake:
        fake.documents["/api"] = {"items": []}
        fake.documents["/apis"] = {"items": [_group(group, plurals) for group, plurals in SERVED.items()]}
        allocatable = {"nvidia.com/gpu": "8"}
        fake.put(NODES, {"metadata": {"name": "gpu-1"}, "status": {"allocatable": allocatable}})
        fake.put(CLUSTER_POLICIES, {"metadata": {"name": "cluster-policy"}, "status": {"state": "ready"}})
        for name in COMPONENTS:
            fake.put(NAMESPACES, {"metadata": {"name": name}, "status": {"phase": "Active"}})
            healthy = {"availableReplicas": 1, "desiredNumberScheduled": 1, "numberReady": 1}
            fake.put(DEPLOYMENTS, {"metadata": {"name": "gpu-operator", "namespace": name}, "status": healthy})
            for daemons in ("dcgm-exporter", "x-kubelet-plugin"):
                fake.put(DAEMONSETS, {"metadata": {"name": daemons, "namespace": name}, "status": healthy})
            for service in ("dcgm-exporter", "prometheus"):
                fake.put(SERVICES, {"metadata": {"name": service, "namespace": name}})
            hook = {"clientConfig": {"service": {"namespace": name}}}
            fake.put(conformance.WEBHOOKS, {"metadata": {"name": name}, "webhooks": [hook]})
        fake.put(conformance.GATEWAY_CLASSES, _with("Accepted"))
        fake.put(conformance.GATEWAYS, _with("Programmed"))
        fake.put(conformance.RESOURCE_SLICES, {"metadata": {"name": "s"}, "spec": {"driver": "gpu.nvidia.com"}})
        served = {"name": "v1beta1.custom.metrics.k8s.io"}
        fake.put(conformance.API_SERVICES, {**_with("Available"), "metadata": served})
        scaler = {**_with("ScalingActive"), "spec": {"metrics": [{"type": "Pods"}]}}
        fake.put(conformance.AUTOSCALERS, {**scaler, "metadata": {"name": "x", "namespace": "gpu-operator"}})
        fake.put(conformance.NODE_POOLS, _with("Ready"))
        fake.put(conformance.QUEUES, {"metadata": {"name": "default"}})
        proxy = "/api/v1/namespaces/{}/services/{}/proxy/{}"
        answer = {"data": {"result": [{"value": [0, "1"]}]}}
        for name in COMPONENTS:
            metrics = proxy.format(name, "dcgm-exporter%3A80", "metrics")
            fake.documents[metrics] = b'DCGM_FI_DEV_GPU_UTIL{gpu="0"} 0\n'
            fake.documents[proxy.format(name, "prometheus%3A80", "api/v1/query")] = answer
        for plural in ("dynamographdeployments", "trainjobs"):
            fake.fault(Fault("status", verb="POST", plural=plural, status=422))
        fake.put(deployment.SKYHOOKS, {"metadata": {"name": "s"}, "status": {"status": "complete"}})
        container = {"name": "x", "containerID": "c"}
        fake.put(
            PODS,
            {
                "metadata": {"name": "p", "namespace": "gpu-operator", "labels": {"app": "gpu-operator"}},
                "spec": {"nodeName": "gpu-1"},
                "status": {"phase": "Running", "containerStatuses": [container]},
            },
        )
        yield fake


def _with(condition: str) -> dict[str, Any]:
    return {"metadata": {"name": "x"}, "status": {"conditions": [{"type": condition, "status": "True"}]}}


def _group(group: str, plurals: tuple[str, ...]) -> dict[str, Any]:
    resources = [
        {"resource": plural, "responseKind": {"kind": plural}, "scope": "Cluster", "verbs": ["list"]}
        for plural in plurals
    ]
    return {"metadata": {"name": group}, "versions": [{"version": "v1", "resources": resources}]}


def declared(entry: Entry) -> set[tuple[str, str]]:
    """Verbs and resources of an entry."""
    assert entry.access
    rules = (*entry.access.rules, *entry.access.namespaced)
    return {(verb, resource) for rule in rules for verb in rule.verbs for resource in rule.resources}


def carry_out(entry: Entry, api: FakeApi, tmp_path: Path) -> None:
    kinds = ("Deployment", "StatefulSet", "DaemonSet", "Service", "ConfigMap", "Secret")
    for kind in ("statefulsets", "configmaps", "secrets"):
        from harness.objects import Kind

        healthy = {"metadata": {"name": "gpu-operator", "namespace": "gpu-operator"}, "status": {"readyReplicas": 1}}
        api.put(Kind("v1", kind, kind), healthy)
    for kind_of in (DAEMONSETS, SERVICES):
        status = {"desiredNumberScheduled": 1, "numberReady": 1}
        api.put(kind_of, {"metadata": {"name": "gpu-operator", "namespace": "gpu-operator"}, "status": status})
    resources = [{"kind": kind, "namespace": "gpu-operator", "name": "gpu-operator"} for kind in kinds]
    components = [{"name": name, "namespace": name} for name in COMPONENTS]
    components[0]["expectedResources"] = resources  # type: ignore[assignment]  # a list among texts
    components[0]["healthCheckAsserts"] = HEALTH_CHECK
    limits = ["Deployment.gpu-operator.version", "inference-throughput", entry.name]
    constraints = [{"name": name, "value": ">= 1"} for name in limits]
    recipe = {
        "kind": "RecipeResult",
        "apiVersion": "aicr.run/v1alpha2",
        "criteria": {"service": "eks", "accelerator": "h100"},
        "componentRefs": components,
        "validation": {entry.phase: {"checks": [entry.name], "constraints": constraints}},
    }
    versioned = {"name": "gpu-operator", "namespace": "gpu-operator", "labels": {"app.kubernetes.io/version": "v2"}}
    api.put(DEPLOYMENTS, {"metadata": versioned, "status": {"availableReplicas": 1}})
    context = Context(
        cluster=Cluster(api.kubeconfig(tmp_path)),
        declared=Declared.of(Document.parse(yaml.safe_dump(recipe), "recipe.yaml"), "mine"),
        snapshot=None,
        namespace="aicr-validation",
        phase=entry.phase,
        deadline=Deadline.after(60),
        say=lambda line: None,
        warn=lambda line: None,
    )
    CHECKS[entry.name].carry_out(context)
    assert "needs a real node" not in context.not_judged


def play_kubelet(api: FakeApi, done: threading.Event) -> None:
    """The pods that a check makes run to their end, those of a gang without one."""
    seen = "NVIDIA-SMI Driver Version: CUDA Version: GPU_CHECK_SUCCESS"
    while not done.wait(0.01):
        for key, pod in api.at(api.revision, "pods").items():
            if key[0] == "aicr-validation" and "status" not in pod and api.watched(PODS):
                api.documents[f"/api/v1/namespaces/aicr-validation/pods/{key[1]}/log"] = seen.encode()
                phase = "Running" if key[1].startswith("gang-") else "Succeeded"
                status = {"phase": phase, "containerStatuses": [{"containerID": "c"}]}
                api.put(PODS, {**pod, "spec": {**pod["spec"], "nodeName": "gpu-1"}, "status": status})


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_check_asks_for_what_it_declares_and_for_nothing_else(entry: Entry, api: FakeApi, tmp_path: Path) -> None:
    """Taking any permission away would stop it; having any more would serve nothing."""
    if entry.phase == "performance":  # which measures nothing, and so fails where there are GPUs
        api.put(
            NODES,
            {
                "metadata": {"name": "gpu-1", "labels": {"type": "kwok"}},
                "status": {"allocatable": {"nvidia.com/gpu": "8"}},
            },
        )
    done = threading.Event()
    kubelet = threading.Thread(target=play_kubelet, args=(api, done), daemon=True)
    kubelet.start()
    try:
        carry_out(entry, api, tmp_path)
    except Skipped:
        assert entry.phase == "performance"
    finally:
        done.set()
        kubelet.join()
    asked = {(VERBS[verb], plural) for verb, plural, _ in api.requests if plural}
    if entry.name == "expected-resources":  # health checks name any kind; only reading is declared
        asked = {(verb, "*") for verb, _ in asked} | {("watch", "*")}  # of what does not hold at once
    if entry.name == "check-nvidia-smi":
        asked.add(("get", "pods/log"))  # a GET of a pod to whoever looks at the path alone
    if entry.name in ("accelerator-metrics", "ai-service-metrics"):
        asked.add(("get", "services/proxy"))  # its path is of no kind to the fake; without an answer they would fail
    assert asked == declared(entry)
