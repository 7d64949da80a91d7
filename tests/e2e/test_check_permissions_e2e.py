"""The permissions of our checks on a real API server: what each declares is enough, and none of it is idle."""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count, product
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cluster.api import Cluster
from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.formats.documents import Document
from harness.isolation.nodes import apply_nodes
from harness.objects import DAEMONSETS, DEPLOYMENTS, NAMESPACES, NODES, PODS, Kind, Objects
from harness.progress import Silent
from harness.recipes.profiles import Profiles
from harness.settings import load
from harness.validation.capture import CLUSTER_POLICIES
from harness.validation.checks.access import Account
from harness.validation.checks.catalog import Access, Catalog, Entry, Rule
from harness.validation.declared import Declared
from harness.validators import CHECKS, CheckFailed, Skipped, conformance, deployment, performance
from harness.validators.context import Context
from harness.validators.workloads import SERVICES
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import wait
from kwok import SAMPLES, VALIDATORS
from kwok.host.runtime import HostRuntime
from kwok.nodes import NodePlan, simulated_objects
from tests.unit.validators.test_access import COMPONENTS, HEALTH_CHECK

pytestmark = pytest.mark.e2e

REGISTERED = (conformance, deployment, performance)  # by importing them
ENTRIES = Catalog.load(VALIDATORS).entries
REAL = "no-kwok-node"
NAMESPACE = "aicr-validation"
CRDS = Kind("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
CUSTOM = (
    conformance.POD_GROUPS,
    conformance.QUEUES,
    conformance.GATEWAY_CLASSES,
    conformance.GATEWAYS,
    conformance.HTTP_ROUTES,
    conformance.NODE_POOLS,
    conformance.SERVICE_MONITORS,
    deployment.SKYHOOKS,
    CLUSTER_POLICIES,
    *conformance._CONTROLLERS.values(),
)
NUMBERS = count(1)
LABELS = {"app": "gpu-operator"}
TEMPLATE = {
    "metadata": {"labels": LABELS},
    "spec": {
        "tolerations": [{"operator": "Exists"}],
        "containers": [{"name": "o", "image": "x/gpu-operator:v25.10.1"}],
    },
}


CONTAINER = "c://1"


def crd(kind: Kind) -> dict[str, Any]:
    """A definition that takes any object of the kind, but for the controllers' an empty one."""
    schema: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    if kind in conformance._CONTROLLERS.values():  # which refuses one without content before any webhook is asked
        schema["properties"] = {
            "spec": {"type": "object", "required": ["content"], "properties": {"content": {"type": "string"}}}
        }
    version = {
        "name": kind.api_version.rpartition("/")[2],
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"plural": kind.plural, "kind": kind.kind, "singular": kind.kind.lower()}
    scope = "Namespaced" if kind.namespaced else "Cluster"
    metadata = {"name": f"{kind.plural}.{kind.group}"}
    if kind.group.endswith("k8s.io"):
        metadata["annotations"] = {"api-approved.kubernetes.io": "unapproved, for a test"}  # type: ignore[assignment]
    spec = {"group": kind.group, "scope": scope, "names": names, "versions": [version]}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": CRDS.kind, "metadata": metadata, "spec": spec}


def put(cluster: Cluster, kind: Kind, name: str, namespace: str = "", **body: Any) -> None:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    cluster.apply(kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **body})


@pytest.fixture
def cluster(runtime: HostRuntime) -> Iterator[Cluster]:
    """A host cluster on which every check comes as far as it can: with a node that nobody simulates, too."""
    running = runtime.up("permissions", Silent())
    found = Cluster(running.kubeconfig, context=running.context)
    profiles = Profiles(SAMPLES.parent / "profiles", SAMPLES.parent / "profiles", "", True)
    few = load(environment={}, overrides={"nodes.accelerated": "1", "nodes.system": "1"})
    apply_nodes(
        found, simulated_objects(NodePlan.of(profiles.of("eks", "h100"), few.nodes)), Deadline.after(60), Silent()
    )
    put(found, NODES, REAL)
    found.patch_merge(NODES, "", REAL, {"status": {"allocatable": {"nvidia.com/gpu": "8"}}}, "status")
    for kind in CUSTOM:
        found.apply(CRDS, crd(kind))
    wait(found, (CRDS,), _established, Deadline.after(60))
    for name in (NAMESPACE, *COMPONENTS):
        put(found, NAMESPACES, name)
    for name in COMPONENTS:
        selecting = {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}
        put(found, DEPLOYMENTS, "gpu-operator", name, spec={"replicas": 1, **selecting})
        for daemons in ("dcgm-exporter", "x-kubelet-plugin"):
            put(found, DAEMONSETS, daemons, name, spec=selecting)
        for service in ("dcgm-exporter", "prometheus"):
            put(found, SERVICES, service, name, spec={"ports": [{"port": 80}]})
        hook = {
            "name": "a.example.com",
            "clientConfig": {"service": {"namespace": name, "name": "a"}},
            "rules": [
                {"apiGroups": ["a.example"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["a"]}
            ],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        put(found, conformance.WEBHOOKS, name, webhooks=[hook])
    put(found, CLUSTER_POLICIES, "cluster-policy", status={"state": "ready"})
    put(found, conformance.GATEWAY_CLASSES, "a", status=_is("Accepted"))
    put(found, conformance.GATEWAYS, "a", "agentgateway", status=_is("Programmed"))
    put(found, conformance.NODE_POOLS, "a", status=_is("Ready"))
    put(found, conformance.QUEUES, "default")
    put(found, deployment.SKYHOOKS, "a", status={"status": "complete"})
    pool = {"name": "a", "generation": 1, "resourceSliceCount": 1}
    put(found, conformance.RESOURCE_SLICES, "a", spec={"driver": "gpu.nvidia.com", "nodeName": REAL, "pool": pool})
    metrics = {"group": "custom.metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 1, "versionPriority": 1}
    metrics["service"] = {"name": "a", "namespace": "prometheus-adapter"}
    put(found, conformance.API_SERVICES, "v1beta1.custom.metrics.k8s.io", spec=metrics)
    wait(found, (DEPLOYMENTS,), _available, Deadline.after(120))
    done = threading.Event()
    kubelet = threading.Thread(target=play_kubelet, args=(found, done))
    kubelet.start()
    yield found
    done.set()
    kubelet.join()


def _is(condition: str) -> dict[str, Any]:
    return {"conditions": [{"type": condition, "status": "True"}]}


def _established(objects: Objects) -> Verdict:
    late = [item for item in objects.all(CRDS) if "Established" not in json.dumps(item.get("status") or {})]
    return Waiting(f"{len(late)} CRDs") if late else Passed("all")


def _available(objects: Objects) -> Verdict:
    late = [item for item in objects.all(DEPLOYMENTS) if not (item.get("status") or {}).get("availableReplicas")]
    return Waiting(f"{len(late)} Deployments") if late else Passed("all")


def play_kubelet(cluster: Cluster, done: threading.Event) -> None:
    """The pods that checks make run to their end; there is no log of them."""
    while not done.wait(0.05):
        pods: list[dict[str, Any]] = []
        with suppress(HarnessError):
            pods = cluster.list(PODS, namespace=NAMESPACE).items
        for pod in pods:
            with suppress(HarnessError):  # it may be gone, or have been bound, in the meantime
                _run(cluster, pod)


def _run(cluster: Cluster, pod: dict[str, Any]) -> None:
    name = pod["metadata"]["name"]
    phase = "Running" if name.startswith("gang-") else "Succeeded"
    ran = [each.get("containerID") for each in (pod.get("status") or {}).get("containerStatuses") or ()]
    if (pod.get("status") or {}).get("phase") == phase and ran == [CONTAINER]:  # KWOK's pods have none
        return
    if not pod["spec"].get("nodeName"):
        target = {"apiVersion": "v1", "kind": "Node", "name": REAL}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        cluster.request("POST", f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/binding", body=binding)
    status = {"name": pod["spec"]["containers"][0]["name"], "containerID": CONTAINER, "image": "x", "imageID": "x"}
    status |= {"ready": True, "restartCount": 0}
    cluster.patch_merge(PODS, NAMESPACE, name, {"status": {"phase": phase, "containerStatuses": [status]}}, "status")


def told(cluster: Cluster, entry: Entry, directory: Path) -> str:
    """What a check says with just the permissions of `entry`; empty where it has passed."""
    account = Account(cluster, f"run-{next(NUMBERS)}", NAMESPACE)  # a new one: no permission of before lingers
    account.create()
    account.grant(entry)
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(json.dumps(cluster.kubeconfig_of(account.token(600), NAMESPACE)))
    components: list[dict[str, Any]] = [{"name": name, "namespace": name} for name in COMPONENTS]
    resource = {"kind": "Deployment", "namespace": "gpu-operator", "name": "gpu-operator"}
    components[0] |= {
        "expectedResources": [resource],
        "healthCheckAsserts": HEALTH_CHECK.replace("kind: gateways", "kind: Gateway"),
    }
    limits = ["Deployment.gpu-operator.version", "inference-throughput", entry.name]
    recipe = {
        "kind": "RecipeResult",
        "apiVersion": "aicr.run/v1alpha2",
        "criteria": {"service": "eks", "accelerator": "h100"},
        "componentRefs": components,
        "validation": {
            entry.phase: {"checks": [entry.name], "constraints": [{"name": name, "value": ">= 1"} for name in limits]}
        },
    }
    lines: list[str] = []
    context = Context(
        cluster=Cluster(kubeconfig),
        declared=Declared.of(Document.parse(yaml.safe_dump(recipe), "recipe.yaml"), "mine"),
        snapshot=None,
        namespace=NAMESPACE,
        phase=entry.phase,
        deadline=Deadline.after(20),
        run_id=account.run_id,
        say=lines.append,
        warn=lines.append,
    )
    try:
        CHECKS[entry.name].carry_out(context)
    except (CheckFailed, Skipped, HarnessError) as error:
        return f"{error}\n" + "\n".join(lines)
    finally:
        account.remove(Deadline.after(30))
    return context.not_judged


def poorer(access: Access) -> Iterator[tuple[str, str, Access]]:
    """Each permission of an access, and the access without it."""
    for verb, resource, rules in _poorer(access.rules):
        yield verb, resource, replace(access, rules=rules)
    for verb, resource, rules in _poorer(access.namespaced):
        yield verb, resource, replace(access, namespaced=rules)


def _poorer(rules: tuple[Rule, ...]) -> Iterator[tuple[str, str, tuple[Rule, ...]]]:
    for at, rule in enumerate(rules):
        for verb, resource in product(rule.verbs, rule.resources):
            others = tuple(each for each in rule.resources if each != resource)
            verbs = tuple(each for each in rule.verbs if each != verb)
            left = [Rule(rule.groups, others, rule.verbs)] if others else []
            left += [Rule(rule.groups, (resource,), verbs)] if verbs else []
            yield verb, resource, (*rules[:at], *left, *rules[at + 1 :])


def test_the_permissions_of_each_check_suffice_and_none_is_idle(cluster: Cluster, tmp_path: Path) -> None:
    """With them nothing is forbidden; without any one of them the check says which it lacks."""
    wrong: list[str] = []
    taken = 0
    for entry in ENTRIES.values():
        assert entry.access
        if "forbidden" in (said := told(cluster, entry, tmp_path)):
            wrong.append(f"{entry.name}: {said}")
        for verb, resource, access in poorer(entry.access):
            taken += 1
            said = told(cluster, replace(entry, access=access), tmp_path)
            wanted = f"cannot {verb} resource" + (f' "{resource}"' if resource != "*" else "")
            if wanted not in said:
                wrong.append(f"{entry.name} without {verb} {resource}: {said or 'passed'}")
    assert wrong == [], "\n\n".join(wrong)
    print(f"{len(ENTRIES)} checks, {taken} permissions taken away")
