"""Validations on a real API server: accounts, permissions, checks as processes, and workloads of benchmarks."""

from dataclasses import replace
from typing import Any

import psutil
import pytest
import yaml

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.formats.documents import Document
from harness.isolation.nodes import apply_nodes
from harness.objects import (
    CLAIMS,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    ROLES,
    SERVICE_ACCOUNTS,
    Objects,
)
from harness.progress import Silent
from harness.recipes.profiles import Profiles
from harness.settings import load
from harness.validation.capture import capture
from harness.validation.checks.catalog import Catalog, Rule
from harness.validation.declared import Declared
from harness.validation.results import Status
from harness.validation.run import Validation
from harness.validators.benchmarks import Gpus, Inference, bandwidth_workers, inference_workload
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import wait
from kwok import SAMPLES, VALIDATORS
from kwok.host.runtime import HostRuntime
from kwok.nodes import NodePlan, simulated_objects
from tests.e2e.validation_images import agent_programs

pytestmark = pytest.mark.e2e


@pytest.fixture
def cluster(runtime: HostRuntime) -> Cluster:
    """A host cluster with two GPU nodes, and a GPU operator of a known version."""
    running = runtime.up("validation", Silent())
    found = Cluster(running.kubeconfig, context=running.context)
    profiles = Profiles(SAMPLES.parent / "profiles", SAMPLES.parent / "profiles", "", True)
    few = load(environment={}, overrides={"nodes.accelerated": "2", "nodes.system": "1"})
    plan = NodePlan.of(profiles.of("eks", "h100"), few.nodes)
    apply_nodes(found, simulated_objects(plan), Deadline.after(60), Silent())
    found.apply(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "gpu-operator"}})
    labels = {"app": "gpu-operator"}
    pod = {
        "metadata": {"labels": labels},
        "spec": {
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "o", "image": "x/gpu-operator:v25.10.1"}],
        },
    }
    metadata = {"name": "gpu-operator", "namespace": "gpu-operator"}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod}
    found.apply(DEPLOYMENTS, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    wait(found, (PODS,), _runs, Deadline.after(60))
    return found


def _runs(objects: Objects) -> Verdict:
    running = [pod for pod in objects.all(PODS) if (pod.get("status") or {}).get("phase") == "Running"]
    return Passed("runs") if running else Waiting("no pod runs")


HEALTH_CHECK = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: gpu-operator, namespace: gpu-operator}
status:
  (availableReplicas > `0`): true
"""


def validation(cluster: Cluster, catalog: Catalog | None = None, **more: Any) -> Validation:
    recipe = {
        "kind": "RecipeResult",
        "apiVersion": "aicr.run/v1alpha2",
        "constraints": [{"name": "K8s.server.version", "value": ">= 1.30"}],
        "componentRefs": [
            {
                "name": "operator",
                "namespace": "gpu-operator",
                "expectedResources": [{"kind": "Deployment", "namespace": "gpu-operator", "name": "gpu-operator"}],
                "healthCheckAsserts": HEALTH_CHECK,
            }
        ],
        "validation": {
            "deployment": {
                "checks": ["operator-health", "expected-resources", "gpu-operator-version", "check-nvidia-smi"],
                "constraints": [{"name": "Deployment.gpu-operator.version", "value": ">= v25.10.0"}],
            }
        },
    }
    from datetime import UTC, datetime

    return Validation(
        declared=Declared.of(Document.parse(yaml.safe_dump(recipe), "recipe.yaml"), "mine"),
        snapshot=capture(cluster, now=datetime.now(UTC), version="test"),
        catalog=catalog or Catalog.load(VALIDATORS),
        selected=("deployment",),
        connect=lambda: cluster,
        progress=Silent(),
        **more,
    )


def left(cluster: Cluster) -> list[str]:
    kinds = (SERVICE_ACCOUNTS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, ROLES)
    names = [item["metadata"]["name"] for kind in kinds for item in cluster.list(kind).items]
    return [name for name in names if name.startswith("aicr-validator-")]


def test_the_checks_of_a_deployment_run_with_their_own_permissions(cluster: Cluster) -> None:
    """Two can be judged on simulated nodes, two say what they need; nothing of the run is left."""
    report = validation(cluster).carry_out()
    assert {each.name: each.status for each in report.tests} == {
        "operator-health": Status.SKIPPED,
        "expected-resources": Status.PASSED,
        "gpu-operator-version": Status.PASSED,
        "check-nvidia-smi": Status.SKIPPED,
    }
    told = {each.name: each for each in report.tests}
    assert "needs a real node" in told["operator-health"].message
    assert told["expected-resources"].extra == {"simulated": True}
    assert "[chainsaw] operator: health check simulated: 1 asserts hold" in " ".join(told["expected-resources"].stdout)
    assert "v25.10.1" in " ".join(told["gpu-operator-version"].stdout)
    assert report.problem == ""
    assert "3 of 3 nodes are simulated by KWOK" in report.simulated
    assert left(cluster) == []


def test_a_permission_that_was_taken_away_is_named(cluster: Cluster) -> None:
    """The check fails as it would in a pod, and the next one has its own again."""
    ours = Catalog.load(VALIDATORS)
    entry = ours.entries["operator-health"]
    assert entry.access
    poorer = replace(entry, access=replace(entry.access, rules=(Rule(("",), ("nodes",), ("list",)),)))
    report = validation(cluster, Catalog({**ours.entries, entry.name: poorer})).carry_out()
    told = {each.name: each for each in report.tests}
    assert told["operator-health"].status is Status.FAILED
    assert 'cannot list resource "pods"' in told["operator-health"].message
    assert told["gpu-operator-version"].status is Status.PASSED


def test_no_job_is_made_where_every_node_is_simulated(cluster: Cluster) -> None:
    """KWOK would complete it."""
    report = validation(cluster, executor="job").carry_out()
    assert {each.message for each in report.tests} == {"not executed: no real node"}
    assert "deployment is other" in report.problem
    assert cluster.list(JOBS).items == []


def test_the_workloads_of_benchmarks_are_accepted_and_scheduled(cluster: Cluster) -> None:
    """On simulated GPU nodes, each worker on its own; the server beside the Job that loads the model."""
    gpus = Gpus.of(cluster.list(NODES).items, cluster.list(PODS).items)
    assert len(gpus.nodes) == 2
    workers = bandwidth_workers("bandwidth", "gpu-operator", gpus, "x/nccl:1")
    for worker in workers:
        cluster.create(PODS, worker)

    def placed(objects: Objects) -> Verdict:
        names = {worker["metadata"]["name"] for worker in workers}
        nodes = [
            (pod.get("spec") or {}).get("nodeName") for pod in objects.all(PODS) if pod["metadata"]["name"] in names
        ]
        return Passed("placed") if sorted(filter(None, nodes)) == list(gpus.nodes) else Waiting(f"on {nodes}")

    wait(cluster, (PODS,), placed, Deadline.after(60))
    for worker in workers:
        cluster.delete(PODS, "gpu-operator", worker["metadata"]["name"], grace=0)
    workload = inference_workload("inference", "gpu-operator", Inference.of({}, {}), "x/vllm:1", token=True)
    for kind, item in zip((CLAIMS, JOBS, DEPLOYMENTS), workload, strict=True):
        cluster.create(kind, item)


def test_two_validations_at_once_do_not_disturb_each_other(cluster: Cluster) -> None:
    """Each has its own account, roles and directory."""
    from concurrent.futures import ThreadPoolExecutor

    runs = [validation(cluster), validation(cluster)]
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda run: run.carry_out(), runs))
    assert [report.passed for report in reports] == [2, 2]
    assert left(cluster) == []


GO_TESTS = "TestPasses TestFails TestSkips TestPanics TestIsKilled TestHangs"


def test_the_go_tests_of_the_older_agent_run_as_checks_of_this_machine(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same program as in its Job; a panic is a failure and no skip, and nothing is left of one that hangs."""
    monkeypatch.setattr("harness.validation.checks.process.GRACE", 0.0)
    programs = agent_programs(tmp_path_factory.mktemp("programs"))
    run = 'deployment.test -test.v -test.run "^$0\\$" 2>&1 | test2json -t | {python} -m harness.validators.go_tests'
    names = {each.lower(): each for each in GO_TESTS.split()}
    entries: list[dict[str, Any]] = [
        {
            "name": name,
            "phase": "deployment",
            "image": "a/b:c",
            "args": [test],
            "timeout": "5s" if test == "TestHangs" else "60s",
            "localCommand": ["/bin/sh", "-c", f"PATH={programs}:$PATH; {run}"],
            "access": {"rules": []},
        }
        for name, test in names.items()
    ]
    catalog = Catalog.of(Document.parse(yaml.safe_dump({"validators": entries}), "catalog.yaml"))
    made = validation(cluster, catalog, executor="process")
    checks = {"deployment": replace(made.declared.phases["deployment"], checks=tuple(names), constraints=())}
    made.declared = replace(made.declared, phases=checks)
    told = {names[each.name]: each for each in made.carry_out().tests}
    assert {name: each.status for name, each in told.items()} == {
        "TestPasses": Status.PASSED,
        "TestFails": Status.FAILED,
        "TestSkips": Status.SKIPPED,
        "TestPanics": Status.FAILED,
        "TestIsKilled": Status.FAILED,
        "TestHangs": Status.OTHER,
    }
    assert "the recipe is there" in " ".join(told["TestPasses"].stdout)
    assert "assignment to entry in nil map" in " ".join(told["TestPanics"].stdout)
    assert told["TestHangs"].message == "timeout: validator did not complete within 5 s"
    left_running = [each for each in psutil.process_iter(["exe"]) if str(programs) in (each.info["exe"] or "")]
    assert left_running == []
