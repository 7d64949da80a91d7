"""Cleaning a kept cluster for real: helm, finalizers of absent operators, webhooks and API services nobody serves."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import settings
from harness.bundles.model import Chart, Folder
from harness.cluster.api import ApiError, Cluster
from harness.deadline import Deadline
from harness.helm.client import Helm
from harness.isolation.classes import apply_classes
from harness.isolation.inventory import Inventory, compare, take
from harness.isolation.plan import CRDS
from harness.isolation.restore import restore
from harness.names import BELL
from harness.objects import (
    CONFIGMAPS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUMES,
    PODS,
    Kind,
    Objects,
)
from harness.progress import Silent
from harness.recipes.profiles import load_storage_classes
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import wait
from kwok.host.runtime import HostRuntime

pytestmark = pytest.mark.e2e

WIDGETS = Kind("example.com/v1", "widgets", "Widget")
CLAIMS = Kind("v1", "persistentvolumeclaims", "PersistentVolumeClaim")
SECRETS = Kind("v1", "secrets", "Secret")
API_SERVICES = Kind("apiregistration.k8s.io/v1", "apiservices", "APIService", namespaced=False)
HOLD = ["example.com/an-operator-that-does-not-run"]
NODE = {
    "metadata": {
        "name": "node-0",
        "labels": {"type": "kwok", "zone": "a"},
        "annotations": {"kwok.x-k8s.io/node": "fake"},
    },
    "spec": {"taints": [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]},
}


@pytest.fixture(scope="module")
def cluster(tools: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane that calls webhooks (and is refused), with one simulated node and a provider's classes."""
    loaded = settings.load(environment={}, overrides={"webhooks": "refuse"})
    runtime = HostRuntime(loaded, tools, tmp_path_factory.mktemp("state"))
    running = runtime.up("cleanup-e2e", Silent())
    try:
        cluster = Cluster(running.kubeconfig, context=running.context)
        apply_classes(cluster, load_storage_classes(settings.ROOT / "kwok" / "profiles" / "eks"))
        cluster.apply(NODES, {"apiVersion": "v1", "kind": "Node", **NODE})
        yield cluster
    finally:
        runtime.down("cleanup-e2e")


@pytest.fixture
def helm(cluster: Cluster, tools: Callable[[str], Path], tmp_path: Path) -> Helm:
    return Helm(tools("helm"), tmp_path / "helm", cluster.kubeconfig)


def release(directory: Path, name: str, namespace: str, objects: list[dict[str, Any]], crds: Any = ()) -> Folder:
    """A chart of ready-made objects, and the folder that installs it."""
    chart = directory / name
    for part, documents in (("templates", objects), ("crds", crds)):
        (chart / part).mkdir(parents=True)
        if documents:
            (chart / part / "all.yaml").write_text(yaml.safe_dump_all(documents))
    (chart / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": name, "version": "1.0.0"}))
    for values in ("values.yaml", "cluster-values.yaml"):
        (chart / values).write_text("{}\n")
    return Folder(1, name, name, namespace, chart, Chart(name, "1.0.0", path=chart))


def manifest(kind: str, name: str, namespace: str = "", api_version: str = "v1", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **fields.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def definition(conversion: dict[str, Any]) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return manifest(
        "CustomResourceDefinition",
        "widgets.example.com",
        api_version="apiextensions.k8s.io/v1",
        spec={
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
            "conversion": conversion,
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": schema},
                {"name": "v2", "served": True, "storage": False, "schema": schema},
            ],
        },
    )


POD: dict[str, Any] = {
    "metadata": {"labels": {"app": "x"}},
    "spec": {
        "containers": [{"name": "x", "image": "example.com/x"}],
        "tolerations": [{"operator": "Exists"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    },
}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
RBAC = "rbac.authorization.k8s.io/v1"
ROLE = {"kind": "ClusterRole", "apiGroup": "rbac.authorization.k8s.io", "name": "cell"}
SERVICE = {"name": "nobody", "namespace": "cell"}


def objects_of_the_cell() -> list[dict[str, Any]]:
    hook = {"annotations": {"helm.sh/hook": "post-install", "helm.sh/hook-delete-policy": "before-hook-creation"}}
    return [
        manifest("PersistentVolumeClaim", "data", "cell", spec=CLAIM),
        manifest(
            "Deployment",
            "operator",
            "cell",
            "apps/v1",
            spec={"replicas": 2, "selector": {"matchLabels": {"app": "x"}}, "template": POD},
        ),
        manifest("ClusterRole", "cell", api_version=RBAC, rules=[]),
        manifest("ClusterRoleBinding", "cell", api_version=RBAC, roleRef=ROLE),
        manifest("PriorityClass", "cell", api_version="scheduling.k8s.io/v1", value=5),
        manifest("Service", "metrics", "kube-system", spec={"ports": [{"port": 80}]}),
        manifest("ConfigMap", "hook", "kube-system", metadata=hook),
        manifest("Secret", "kept", "cell", metadata={"annotations": {"helm.sh/resource-policy": "keep"}}),
    ]


def leave_a_mess(cluster: Cluster, helm: Helm, directory: Path) -> None:
    """What a cell with a broken operator leaves, beyond what helm would take away again."""
    conversion = {
        "strategy": "Webhook",
        "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"service": SERVICE}},
    }
    helm.install(release(directory, "cell", "cell", objects_of_the_cell(), [definition(conversion)]), timeout=30)

    def bound(objects: Objects) -> Verdict:
        pods = [pod for pod in objects.all(PODS) if pod["spec"].get("nodeName")]
        return Passed("bound") if len(pods) == 2 else Waiting("pods without a node")

    wait(cluster, [PODS], bound, Deadline.after(30))
    for namespace in ("cell", "default"):
        cluster.create(WIDGETS, manifest("Widget", "stuck", namespace, "example.com/v1", metadata={"finalizers": HOLD}))
    cluster.create(SECRETS, manifest("Secret", "stuck", "cell", metadata={"finalizers": HOLD}))
    cluster.create(CLAIMS, manifest("PersistentVolumeClaim", "data", "default", spec=CLAIM))
    cluster.create(
        JOBS,
        manifest(
            "Job",
            "unfinished",
            "default",
            "batch/v1",
            spec={"template": {"spec": {**POD["spec"], "restartPolicy": "Never", "nodeSelector": {"no": "node"}}}},
        ),
    )
    cluster.create(
        API_SERVICES,
        manifest(
            "APIService",
            "v1beta1.custom.metrics.k8s.io",
            api_version="apiregistration.k8s.io/v1",
            spec={
                "group": "custom.metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "insecureSkipTLSVerify": True,
                "service": SERVICE,
            },
        ),
    )
    labels = {"zone": "b", "feature": "found"}
    taints = [{"key": "cell", "value": "x", "effect": "NoExecute"}]
    cluster.patch_merge(NODES, "", "node-0", {"metadata": {"labels": labels}, "spec": {"taints": taints}})
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["*"]}
    cluster.create(
        Kind("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", "", namespaced=False),
        manifest(
            "ValidatingWebhookConfiguration",
            "cell",
            api_version="admissionregistration.k8s.io/v1",
            webhooks=[
                {
                    "name": "cell.example.com",
                    "clientConfig": {"service": SERVICE},
                    "failurePolicy": "Fail",
                    "rules": [everything],
                    "sideEffects": "None",
                    "admissionReviewVersions": ["v1"],
                    "timeoutSeconds": 1,
                }
            ],
        ),
    )


def until_nobody_can_write(cluster: Cluster) -> None:
    """The API server obeys a webhook configuration a moment after it was made."""
    path = "/api/v1/namespaces/default/configmaps"
    deadline = Deadline.after(10)
    while not deadline.expired:
        try:
            cluster.request("POST", path, query={"dryRun": "All"}, body=manifest("ConfigMap", "blocked", "default"))
        except ApiError as error:
            assert "cell.example.com" in error.message  # noqa: PT017 - the loop is over with it
            return
        time.sleep(0.05)
    pytest.fail("the webhook was never called")


@pytest.fixture
def standing(cluster: Cluster, helm: Helm, tmp_path: Path) -> Iterator[None]:
    """What was there before the cell: a release and a namespace with an object, of which nothing may be lost."""
    helm.install(release(tmp_path, "standing", "standing", [manifest("ConfigMap", "chart", "standing")]), timeout=30)
    cluster.create(CONFIGMAPS, manifest("ConfigMap", "user", "default", data={"a": "b"}))
    yield
    helm.uninstall("standing", "standing", timeout=30)
    cluster.delete(CONFIGMAPS, "default", "user")
    cluster.delete(NAMESPACES, "", "standing")

    def gone(objects: Objects) -> Verdict:
        found = objects.get(NAMESPACES, "", "standing")
        return Passed("gone") if found is None else Waiting("still there")

    wait(cluster, [NAMESPACES], gone, Deadline.after(30))


@pytest.mark.usefixtures("standing")
def test_cluster_is_as_it_was_before(cluster: Cluster, helm: Helm, tmp_path: Path) -> None:
    """After a cell with every kind of leftover, the same objects are there as before, without its volume, and what
    stood before has kept its uid; a second look finds nothing to do.
    """
    before = take(cluster)
    leave_a_mess(cluster, helm, tmp_path)
    until_nobody_can_write(cluster)
    assert len(compare(before, take(cluster)).added) > 20
    report = restore(cluster, helm, before, Deadline.after(60), Silent())
    assert report.remaining == ()
    assert all("webhook" in note for note in report.notes)  # the API server forgets one a moment after it is deleted
    assert compare(before, take(cluster)).empty
    assert [each["metadata"]["name"] for each in cluster.list(PERSISTENT_VOLUMES).items] == [BELL]
    assert [each["name"] for each in helm.releases()] == ["standing"]
    again = restore(cluster, helm, before, Deadline.after(60), Silent())
    assert (again.clean, again.removed) == (True, 0)


def test_what_is_left_at_the_deadline_is_named(cluster: Cluster, helm: Helm) -> None:
    """A deadline too short to do anything ends in a report that names what is there; more time then brings it back."""
    before = take(cluster)
    cluster.create(CRDS, definition({"strategy": "None"}))
    cluster.create(NAMESPACES, manifest("Namespace", "cell", metadata={"finalizers": HOLD}))
    cluster.create(DEPLOYMENTS, manifest("Deployment", "x", "cell", "apps/v1", spec=_small()))
    report = restore(cluster, helm, before, Deadline.after(0.01), Silent())
    assert not report.clean
    assert "left behind: namespaces cell" in report.remaining
    assert "left behind: customresourcedefinitions.apiextensions.k8s.io widgets.example.com" in report.remaining
    assert restore(cluster, helm, before, Deadline.after(60), Silent()).remaining == ()


def _small() -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    return {"selector": {"matchLabels": {"app": "x"}}, "template": template}


def test_cluster_that_does_not_answer_is_reported(tmp_path: Path) -> None:
    """Where no API server answers, that is what remains, and nothing is raised."""
    nobody = {"name": "x", "cluster": {"server": "http://127.0.0.1:9"}}
    context = {"name": "x", "context": {"cluster": "x", "user": "x"}}
    users = [{"name": "x", "user": {}}]
    (tmp_path / "k").write_text(
        yaml.safe_dump({"current-context": "x", "clusters": [nobody], "contexts": [context], "users": users})
    )
    cluster = Cluster(tmp_path / "k")
    helm = Helm(tmp_path / "no-helm", tmp_path, tmp_path / "k")
    report = restore(cluster, helm, Inventory({}), Deadline.after(1), Silent())
    assert not report.clean
    assert "cannot be read" in report.remaining[0]
