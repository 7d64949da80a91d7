"""What our checks look at, on a cluster of simulated nodes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.formats.documents import Document
from harness.objects import DAEMONSETS, DEPLOYMENTS, NAMESPACES, NODES, PODS, STATEFULSETS, Kind
from harness.validation.capture import CLUSTER_POLICIES
from harness.validation.declared import Declared
from harness.validators import CHECKS, CheckFailed, Skipped, conformance, deployment, performance
from harness.validators.context import Context
from harness.validators.workloads import executed, unhealthy
from tests.fakes.api import FakeApi, Fault
from tests.fakes.suite_runs import serve

REGISTERED = (conformance, deployment, performance)  # by importing them

OPERATOR = {"name": "gpu-operator", "namespace": "gpu-operator"}
GPU_NODE = {
    "metadata": {"name": "gpu-1", "labels": {"type": "kwok"}},
    "status": {"allocatable": {"nvidia.com/gpu": "8"}},
}


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        fake.put(NODES, GPU_NODE)
        yield fake


@pytest.fixture
def look(api: FakeApi, tmp_path: Path) -> Callable[..., tuple[Context, list[str]]]:
    """Carry out a check; the context afterwards, and what was said."""

    def carry_out(name: str, *components: dict[str, Any], limits: dict[str, str] | None = None, **more: Any) -> Any:
        constraints = [{"name": key, "value": value} for key, value in (limits or {}).items()]
        phase = CHECKS[name].phase
        recipe = {
            "kind": "RecipeResult",
            "apiVersion": "aicr.run/v1alpha2",
            "criteria": more.get("criteria", {"service": "eks", "accelerator": "h100"}),
            "componentRefs": list(components),
            "validation": {phase: {"checks": [name], "constraints": constraints}},
        }
        said: list[str] = []
        context = Context(
            cluster=Cluster(api.kubeconfig(tmp_path)),
            declared=Declared.of(Document.parse(yaml.safe_dump(recipe), "recipe.yaml"), "mine"),
            snapshot=None,
            namespace="aicr-validation",
            phase=phase,
            deadline=Deadline.after(more.get("seconds", 30)),
            say=said.append,
            warn=said.append,
            environment=more.get("environment", {}),
        )
        CHECKS[name].carry_out(context)
        return context, said

    return carry_out


def operator(**more: Any) -> dict[str, Any]:
    metadata = {"name": "gpu-operator", "namespace": "gpu-operator", **more.pop("metadata", {})}
    spec = {"template": {"spec": {"containers": [{"image": more.pop("image", "nvcr.io/x/gpu-operator")}]}}}
    return {"metadata": metadata, "spec": spec, "status": {"availableReplicas": 1}}


LIMIT = {"Deployment.gpu-operator.version": ">= v25.10.0"}


@pytest.mark.parametrize(
    ("found", "failure"),
    [
        ({"metadata": {"labels": {"app.kubernetes.io/version": "v25.10.1"}}}, ""),
        ({"metadata": {"labels": {"app.kubernetes.io/version": "25.10.1"}}}, ""),
        ({"image": "nvcr.io:443/x/gpu-operator:v25.10.0-ubi9"}, ""),
        ({"metadata": {"annotations": {"nvidia.com/gpu-operator-version": "v26.1.0"}}}, ""),
        ({"image": "nvcr.io/x/gpu-operator:v24.6.0"}, "expected >= v25.10.0, got v24.6.0"),
        ({"image": "nvcr.io:443/x/gpu-operator@sha256:00"}, "cannot be determined"),
        ({"image": "nvcr.io/x/gpu-operator:latest"}, "[INVALID_REQUEST] Deployment.gpu-operator.version"),
    ],
)
def test_the_operators_version_is_held_against_the_constraint(
    api: FakeApi, look: Callable[..., Any], found: dict[str, Any], failure: str
) -> None:
    """Label, else the tag up to its first hyphen, else annotation; what is no version fails."""
    api.put(DEPLOYMENTS, operator(**found))
    if failure:
        with pytest.raises(CheckFailed) as caught:
            look("gpu-operator-version", OPERATOR, limits=LIMIT)
        assert failure in str(caught.value)
    else:
        _, said = look("gpu-operator-version", OPERATOR, limits=LIMIT)
        assert said[0].startswith("RESULT: GPU operator v2")


def test_an_operator_that_the_recipe_deploys_may_not_be_absent(look: Callable[..., Any]) -> None:
    """Declared but missing is a failure, not applicable is a skip; and so is a recipe without the constraint."""
    with pytest.raises(CheckFailed, match="although the recipe deploys gpu-operator"):
        look("gpu-operator-version", OPERATOR, limits=LIMIT)
    with pytest.raises(Skipped, match="the recipe does not deploy gpu-operator"):
        look("gpu-operator-version", limits=LIMIT)
    with pytest.raises(Skipped, match="has no constraint"):
        look("gpu-operator-version", OPERATOR)


def test_a_pod_of_the_operator_on_a_simulated_node_proves_its_placement_alone(
    api: FakeApi, look: Callable[..., Any]
) -> None:
    """None is a failure, one that does not run too; one that KWOK runs is not judged."""
    with pytest.raises(CheckFailed, match="no pod with the label app=gpu-operator"):
        look("operator-health", OPERATOR)
    metadata = {"name": "p", "namespace": "gpu-operator", "labels": {"app": "gpu-operator"}}
    api.put(PODS, {"metadata": metadata, "status": {"phase": "Pending"}})
    with pytest.raises(CheckFailed, match="gpu-operator/p is Pending"):
        look("operator-health", OPERATOR)
    api.put(PODS, {"metadata": metadata, "spec": {"nodeName": "gpu-1"}, "status": {"phase": "Running"}})
    context, _ = look("operator-health", OPERATOR)
    assert context.unjudged == ["that the operator's process runs (its pod is on a simulated node)"]


@pytest.mark.parametrize(
    ("kind", "spec", "status", "problem"),
    [
        (DEPLOYMENTS, {}, {"availableReplicas": 1}, ""),
        (DEPLOYMENTS, {}, {}, "not healthy: 0/1 replicas available"),
        (DEPLOYMENTS, {"replicas": 0}, {}, ""),
        (STATEFULSETS, {"replicas": 2}, {"readyReplicas": 1}, "not healthy: 1/2 replicas ready"),
        (DAEMONSETS, {}, {"desiredNumberScheduled": 2, "numberReady": 1}, "not healthy: 1/2 pods ready"),
        (DAEMONSETS, {}, {"desiredNumberScheduled": 2, "numberReady": 2}, ""),
        (DAEMONSETS, {}, {}, "not healthy: 0/0 pods ready, no node is selected"),
    ],
)
def test_a_workload_has_the_replicas_that_it_asks_for(
    kind: Kind, spec: dict[str, Any], status: dict[str, Any], problem: str
) -> None:
    """A DaemonSet that selects no node has shown nothing."""
    assert unhealthy(kind, {"metadata": {"name": "x"}, "spec": spec, "status": status}) == problem


def test_expected_resources_names_every_problem(api: FakeApi, look: Callable[..., Any]) -> None:
    """Namespaces, resources, kinds that nobody knows, and what may not be read, each told apart."""
    api.put(NAMESPACES, {"metadata": {"name": "one"}, "status": {"phase": "Active"}})
    api.put(NAMESPACES, {"metadata": {"name": "two"}, "status": {"phase": "Terminating"}})
    api.put(DEPLOYMENTS, {"metadata": {"name": "ok", "namespace": "one"}, "status": {"availableReplicas": 1}})
    api.fault(Fault("status", verb="GET", plural="secrets", status=403))
    resources = [
        {"kind": "Deployment", "namespace": "one", "name": "ok"},
        {"kind": "Deployment", "namespace": "one", "name": "gone"},
        {"kind": "Pod", "namespace": "one", "name": "x"},
        {"kind": "Secret", "namespace": "one", "name": "hidden"},
    ]
    components = [{"name": "a", "namespace": "one", "expectedResources": resources}, {"name": "b", "namespace": "two"}]
    off = {"name": "c", "namespace": "three", "overrides": {"enabled": False}}
    with pytest.raises(CheckFailed) as caught:
        look("expected-resources", *components, off)
    lines = str(caught.value).splitlines()
    assert lines[0] == "expected resource check failed: 4 issue(s):"
    assert lines[1] == "[expectedResources] Deployment one/gone (a): not found"
    assert lines[2].startswith('[expectedResources] Pod one/x (a): [INVALID_REQUEST] unsupported resource kind "Pod"')
    assert "403" in lines[3]
    assert lines[4] == "[expectedResources] Namespace two (b): is Terminating, not Active"


def test_expected_resources_passes_and_says_that_the_state_is_simulated(api: FakeApi, look: Callable[..., Any]) -> None:
    """Nothing to look at is no pass."""
    api.put(NAMESPACES, {"metadata": {"name": "one"}, "status": {"phase": "Active"}})
    with pytest.raises(Skipped, match="nothing to look at"):
        look("expected-resources", {"name": "a", "namespace": "one"})
    api.put(DEPLOYMENTS, {"metadata": {"name": "ok", "namespace": "one"}, "status": {"availableReplicas": 1}})
    resources = [{"kind": "Deployment", "namespace": "one", "name": "ok"}]
    context, said = look("expected-resources", {"name": "a", "namespace": "one", "expectedResources": resources})
    assert '##AICR-EXTRA## {"simulated": true}' in said
    assert context.unjudged == []


AVAILABLE = (
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: one}, status: {availableReplicas: 1}}"
)
READY = "{apiVersion: nvidia.com/v1, kind: ClusterPolicy, metadata: {name: cluster-policy}, status: {state: ready}}"


def health_check(*operations: str) -> dict[str, Any]:
    """A component with a health check of these operations."""
    head = "apiVersion: chainsaw.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: a}\nspec: {steps: [{name: s, try: ["
    return {"name": "a", "namespace": "one", "healthCheckAsserts": f"{head}{', '.join(operations)}]}}]}}"}


@pytest.fixture
def deployed(api: FakeApi) -> FakeApi:
    """Namespace, Deployment and ClusterPolicy are there."""
    serve(api, DEPLOYMENTS, CLUSTER_POLICIES)
    api.put(NAMESPACES, {"metadata": {"name": "one"}, "status": {"phase": "Active"}})
    api.put(DEPLOYMENTS, {"metadata": {"name": "d", "namespace": "one"}, "status": {"availableReplicas": 1}})
    api.put(CLUSTER_POLICIES, {"metadata": {"name": "cluster-policy"}})
    return api


def test_expected_resources_judges_the_health_checks(deployed: FakeApi, look: Callable[..., Any]) -> None:
    """One that holds on simulated nodes is simulated; a status that nobody writes there needs a real node."""
    context, said = look("expected-resources", health_check(f"assert: {{resource: {AVAILABLE}}}"))
    assert "[chainsaw] a: health check simulated: 1 asserts hold" in said
    assert '##AICR-EXTRA## {"simulated": true}' in said
    assert context.unjudged == []
    both = health_check(f"{{assert: {{resource: {AVAILABLE}}}}}", f"{{assert: {{resource: {READY}}}}}")
    context, _ = look("expected-resources", both)
    assert 'a: step "s": the controller of ClusterPolicy' in context.not_judged


def test_expected_resources_fails_where_a_health_check_does(deployed: FakeApi, look: Callable[..., Any]) -> None:
    """Its result is one of the issues; on real nodes what holds has passed."""
    deployed.delete(NODES, "", "gpu-1")
    deployed.put(NODES, {"metadata": {"name": "real"}})
    _, said = look("expected-resources", health_check(f"assert: {{resource: {AVAILABLE}}}"))
    assert said == ["[chainsaw] a: health check passed: 1 asserts hold"]
    with pytest.raises(CheckFailed) as caught:
        look("expected-resources", health_check(f"error: {{resource: {AVAILABLE}}}"), seconds=0)
    assert str(caught.value).startswith(
        "expected resource check failed: 1 issue(s):\n[chainsaw] a: health check failed: "
    )


def test_a_health_check_that_writes_is_refused_before_anything_is_looked_at(
    api: FakeApi, look: Callable[..., Any]
) -> None:
    """Of disabled components, and where healthCheckSkip says so, it is not read."""
    writing = health_check(f"apply: {{resource: {AVAILABLE}}}")
    with pytest.raises(CheckFailed, match=r"^\[INVALID_REQUEST\] .*\"apply\" is not in the read-only allowlist"):
        look("expected-resources", writing)
    assert api.requests == []
    api.put(NAMESPACES, {"metadata": {"name": "one"}, "status": {"phase": "Active"}})
    for more in ({"healthCheckSkip": True}, {"overrides": {"enabled": False}}):
        with pytest.raises(Skipped, match="nothing to check"):
            look("expected-resources", {**writing, **more})


@pytest.mark.parametrize(("state", "judged"), [("ready", "passed"), (None, "not judged"), ("notReady", "failed")])
def test_a_custom_resource_without_a_status_is_not_judged_on_simulated_nodes(
    api: FakeApi, look: Callable[..., Any], state: str | None, judged: str
) -> None:
    """Its controller does not run; a status that is there counts."""
    api.put(NAMESPACES, {"metadata": {"name": "gpu-operator"}, "status": {"phase": "Active"}})
    api.put(CLUSTER_POLICIES, {"metadata": {"name": "cluster-policy"}, "status": {"state": state} if state else {}})
    if judged == "failed":
        with pytest.raises(CheckFailed, match="cluster-policy: is notReady, not ready"):
            look("expected-resources", OPERATOR)
        return
    context, _ = look("expected-resources", OPERATOR)
    assert bool(context.unjudged) == (judged == "not judged")


def test_a_check_of_gpus_needs_a_real_node(api: FakeApi, look: Callable[..., Any]) -> None:
    """The reason names what was there."""
    with pytest.raises(Skipped, match="needs a real node: nvidia-smi on 1 simulated GPU nodes"):
        look("check-nvidia-smi")
    api.delete(NODES, "", "gpu-1")
    with pytest.raises(Skipped, match=r"no node offers nvidia.com/gpu"):
        look("check-nvidia-smi")


def test_a_pod_with_devices_of_the_host_is_refused(api: FakeApi, look: Callable[..., Any]) -> None:
    """DaemonSets of the driver may mount them; that containers are kept apart needs a real node."""
    volumes = [{"name": "v", "hostPath": {"path": "/dev/nvidia0"}}]
    driver = {"name": "d", "namespace": "a", "ownerReferences": [{"kind": "DaemonSet", "name": "driver"}]}
    api.put(PODS, {"metadata": driver, "spec": {"volumes": volumes}})
    context, _ = look("secure-accelerator-access")
    assert context.unjudged == ["that a container sees its own devices alone"]
    api.put(PODS, {"metadata": {"name": "p", "namespace": "a"}, "spec": {"volumes": volumes}})
    with pytest.raises(CheckFailed, match="pods mount devices of the host: a/p"):
        look("secure-accelerator-access")


def test_platform_health_names_sick_workloads_and_missing_namespaces(api: FakeApi, look: Callable[..., Any]) -> None:
    """Only those of the recipe's namespaces; nothing to look at is no pass."""
    component = {"name": "a", "namespace": "one"}
    with pytest.raises(CheckFailed, match=r"Namespace one \(a\): not found"):
        look("platform-health", component)
    api.put(NAMESPACES, {"metadata": {"name": "one"}, "status": {"phase": "Active"}})
    with pytest.raises(Skipped, match="nothing to look at"):
        look("platform-health", component)
    api.put(DEPLOYMENTS, {"metadata": {"name": "other", "namespace": "else"}, "status": {}})
    api.put(DEPLOYMENTS, {"metadata": {"name": "ok", "namespace": "one"}, "status": {"availableReplicas": 1}})
    look("platform-health", component)
    api.put(STATEFULSETS, {"metadata": {"name": "sick", "namespace": "one"}, "status": {}})
    with pytest.raises(CheckFailed, match="StatefulSet one/sick: not healthy: 0/1 replicas ready"):
        look("platform-health", component)


@pytest.mark.parametrize(
    ("name", "component"),
    [
        ("accelerator-metrics", "gpu-operator"),
        ("ai-service-metrics", "kube-prometheus-stack"),
        ("pod-autoscaling", "gpu-operator"),
        ("gpu-operator-health", "gpu-operator"),
    ],
)
def test_what_a_recipe_deploys_may_not_be_skipped_because_it_is_absent(
    look: Callable[..., Any], name: str, component: str
) -> None:
    """A skip is for what does not apply."""
    with pytest.raises(CheckFailed):
        look(name, {"name": component, "namespace": component})
    with pytest.raises(Skipped):
        look(name)


@pytest.mark.parametrize(
    ("name", "limits", "criteria", "reason"),
    [
        ("nccl-all-reduce-bw", {}, {}, "has no constraint nccl-all-reduce-bw"),
        ("nccl-all-reduce-bw-net", {"nccl-all-reduce-bw": ">= 1"}, {}, "has no constraint nccl-all-reduce-bw-net"),
        ("nccl-all-reduce-bw", {"nccl-all-reduce-bw": ">= 300"}, {"accelerator": "l40s"}, "has no variant"),
        ("nccl-all-reduce-bw", {"nccl-all-reduce-bw": ">= 300"}, {}, "needs a real GPU: 8 GPUs on 1 simulated nodes"),
        ("inference-perf", {}, {}, "neither a constraint inference-throughput"),
        ("inference-perf", {"inference-throughput": ">= 5000"}, {}, "needs a real GPU"),
    ],
)
def test_a_benchmark_measures_nothing_on_simulated_nodes(
    look: Callable[..., Any], name: str, limits: dict[str, str], criteria: dict[str, str], reason: str
) -> None:
    """And says why it is skipped."""
    with pytest.raises(Skipped) as caught:
        look(name, limits=limits, criteria={"service": "eks", "accelerator": "h100", **criteria})
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("nccl-all-reduce-bw", {"nccl-all-reduce-bw": "fast"}),
        ("nccl-all-reduce-bw", {"nccl-all-reduce-bw": ">= 0"}),
        ("inference-perf", {"inference-throughput": ">= 1", "inference-concurrency-per-gpu": "0"}),
        ("inference-perf", {"inference-throughput": ">= 1", "inference-routing-mode": "direct"}),
    ],
)
def test_a_knob_that_cannot_be_used_fails_before_anything_is_deployed(
    api: FakeApi, look: Callable[..., Any], name: str, limits: dict[str, str]
) -> None:
    """An error, and no default in its place."""
    with pytest.raises(CheckFailed, match="INVALID_REQUEST"):
        look(name, limits=limits)
    assert api.bodies == []


def test_executed_needs_a_container_on_a_real_node() -> None:
    """KWOK's pods have neither."""
    nodes: list[dict[str, Any]] = [GPU_NODE, {"metadata": {"name": "real"}}]
    status = {"containerStatuses": [{"containerID": "containerd://1"}]}
    assert executed({"spec": {"nodeName": "real"}, "status": status}, nodes)
    assert not executed({"spec": {"nodeName": "gpu-1"}, "status": status}, nodes)
    assert not executed({"spec": {"nodeName": "real"}, "status": {"containerStatuses": [{}]}}, nodes)
