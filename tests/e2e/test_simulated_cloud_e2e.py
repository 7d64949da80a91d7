"""What providers do for a cluster, on a real one: volumes, addresses, devices, and what stands in for others."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.deadline import Deadline
from harness.exits import Exit
from harness.gates.combining import Step
from harness.objects import CLAIMS, DEPLOYMENTS, PERSISTENT_VOLUMES, PODS, STORAGE_CLASSES, Kind, Objects
from harness.verdict import Passed, Verdict, Waiting
from harness.waiting.loop import Expired, wait
from kwok.admission import CRDS
from kwok.cloud import ADDRESS, INGRESSES, SERVICES
from kwok.devices import DEVICE_CLASSES, RESOURCE_SLICES
from tests.e2e.failing import Plane

pytestmark = pytest.mark.e2e

WORKLOAD = """\
apiVersion: apps/v1
kind: {kind}
metadata:
  name: other
  annotations: {annotations}
spec:
  selector:
    matchLabels: {{app: other}}
  template:
    metadata:
      labels: {{app: other}}
    spec: {spec}
"""
TOLERATES = [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}]
RESOURCE_CLAIMS = Kind("resource.k8s.io/v1", "resourceclaims", "ResourceClaim")
DRIVER = "gpu.nvidia.com"


@pytest.fixture(scope="module")
def plane(tools: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """One control plane for all: each test has names of its own."""
    with Plane.up(tools, tmp_path_factory.mktemp("cloud")) as plane:
        yield plane


def make(plane: Plane, kind: Kind, name: str, **parts: Any) -> None:
    metadata = {"name": name, **({"namespace": "default"} if kind.namespaced else {}), **parts.pop("metadata", {})}
    plane.cluster.apply(kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **parts})


def make_pod(plane: Plane, name: str, **spec: Any) -> None:
    container = {"name": "main", "image": "x", **spec.pop("container", {})}
    make(plane, PODS, name, spec={"containers": [container], "tolerations": [{"operator": "Exists"}], **spec})


def until(plane: Plane, kind: Kind, name: str, holds: Callable[[Mapping[str, Any]], object], within: float = 20) -> Any:
    """The object, once `holds` is true of it."""
    namespace = "default" if kind.namespaced else ""

    def gate(objects: Objects) -> Verdict:
        item = objects.get(kind, namespace, name)
        return Passed("it does") if item is not None and holds(item) else Waiting(str((item or {}).get("status")))

    wait(plane.cluster, [kind], gate, Deadline.after(within))
    return plane.cluster.get(kind, namespace, name)


def none_left(kind: Kind, name: str = "") -> Step:
    """No object of the kind is there (with `name`: not that one)."""

    def gate(objects: Objects) -> Verdict:
        left = [each for each in objects.all(kind) if name in ("", each["metadata"]["name"])]
        return Waiting(f"{len(left)} are left") if left else Passed("none is left")

    return gate


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("pod-only", {"accessModes": ["ReadWriteOncePod"]}),
        ("large", {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "200Ti"}}}),
        ("block", {"volumeMode": "Block"}),
        ("of-recipe", {"storageClassName": "fast"}),
        ("at-once", {"storageClassName": "at-once"}),
    ],
)
def test_a_claim_gets_its_volume_and_its_pod_a_node(plane: Plane, name: str, claim: dict[str, Any]) -> None:
    """Whatever it asks for, of the default class or of one that a recipe brings; the volume goes with the claim."""
    for of, binding in (("fast", "WaitForFirstConsumer"), ("at-once", "Immediate")):
        make(plane, STORAGE_CLASSES, of, provisioner="driver.example.com", volumeBindingMode=binding)
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}, **claim}
    make(plane, CLAIMS, name, spec=spec)
    block = claim.get("volumeMode") == "Block"
    used = {"volumeDevices": [{"name": "data", "devicePath": "/dev/data"}]} if block else {}
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": name}}]
    make_pod(plane, name, volumes=volumes, container=used)
    until(plane, PODS, name, lambda item: item["spec"].get("nodeName"))
    bound = until(plane, CLAIMS, name, lambda item: item["status"]["phase"] == "Bound")
    volume = bound["spec"]["volumeName"]
    plane.cluster.delete(PODS, "default", name, grace=0)
    plane.cluster.delete(CLAIMS, "default", name)
    wait(plane.cluster, [PERSISTENT_VOLUMES], none_left(PERSISTENT_VOLUMES, volume), Deadline.after(20))


def test_a_claim_of_the_default_class_waits_for_its_consumer(plane: Plane) -> None:
    """As on the clouds: what waits for the claim before it makes the pod waits for ever."""
    make(plane, CLAIMS, "alone", spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}})
    with pytest.raises(Expired):
        until(plane, CLAIMS, "alone", lambda item: item["status"].get("phase") == "Bound", within=4)
    found = plane.cluster.get(CLAIMS, "default", "alone")
    assert found is not None
    assert found["spec"]["storageClassName"] == "gp2"


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        (SERVICES, {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]}),
        (INGRESSES, {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}),
    ],
    ids=["Service", "Ingress"],
)
def test_a_load_balancer_gets_an_address(plane: Plane, kind: Kind, spec: dict[str, Any]) -> None:
    """Within seconds, as from a cloud."""
    make(plane, kind, "balanced", spec=spec)
    found = until(plane, kind, "balanced", lambda item: (item.get("status") or {}).get("loadBalancer"))
    assert found["status"]["loadBalancer"]["ingress"][0]["ip"] == ADDRESS


def test_a_pod_for_another_scheduler_is_placed_and_says_so(plane: Plane) -> None:
    """By the default one; the annotation is what notes and verdicts go by."""
    make_pod(plane, "gang", schedulerName="volcano")
    found = until(plane, PODS, "gang", lambda item: item["spec"].get("nodeName"))
    assert found["metadata"]["annotations"]["kwok-harness/scheduler"] == "volcano"
    plane.cluster.delete(PODS, "default", "gang", grace=0)  # which no recipe of a later cell accounts for


def test_an_object_of_a_version_that_is_not_stored_is_taken_without_its_webhook(plane: Plane) -> None:
    """From the moment that its kind is served; the CRD says that it asked for the webhook."""
    group, schema = (
        "demo.example.com",
        {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    )
    service = {"name": "nobody", "namespace": "default"}
    spec = {
        "group": group,
        "scope": "Cluster",
        "names": {"kind": "Flavor", "plural": "flavors"},
        "conversion": {
            "strategy": "Webhook",
            "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"service": service}},
        },
        "versions": [
            {"name": "v1", "served": True, "storage": False, "schema": schema},
            {"name": "v2", "served": True, "storage": True, "schema": schema},
        ],
    }
    make(plane, CRDS, f"flavors.{group}", spec=spec, metadata={"annotations": {"a": "b"}})
    defined = until(plane, CRDS, f"flavors.{group}", lambda item: "Established" in str(item.get("status")))
    assert defined["metadata"]["annotations"] == {"a": "b", "kwok-harness/conversion": "Webhook"}
    old = Kind(f"{group}/v1", "flavors", "Flavor", namespaced=False)
    make(plane, old, "h100", spec={"label": "H100"})
    found = plane.cluster.get(Kind(f"{group}/v2", "flavors", "Flavor", namespaced=False), "", "h100")
    assert found is not None
    assert found["spec"] == {"label": "H100"}


def test_gpus_are_devices_once_a_driver_s_class_is_there(plane: Plane) -> None:
    """A claim is allocated by the real scheduler, from slices that come and go with the class."""
    selector = {"cel": {"expression": f"device.driver == '{DRIVER}'"}}
    make(plane, DEVICE_CLASSES, DRIVER, spec={"selectors": [selector]})
    wanted = {"cel": {"expression": f"device.attributes['{DRIVER}'].architecture == 'Hopper'"}}
    request = {"name": "gpus", "exactly": {"deviceClassName": DRIVER, "count": 8, "selectors": [wanted]}}
    make(plane, RESOURCE_CLAIMS, "eight", spec={"devices": {"requests": [request]}})
    claims = [{"name": "gpus", "resourceClaimName": "eight"}]
    make_pod(plane, "eight", resourceClaims=claims, container={"resources": {"claims": [{"name": "gpus"}]}})
    found = until(plane, PODS, "eight", lambda item: item["spec"].get("nodeName"))
    assert found["spec"]["nodeName"].startswith("gpu-")
    plane.cluster.delete(DEVICE_CLASSES, "", DRIVER)
    wait(plane.cluster, [RESOURCE_SLICES], none_left(RESOURCE_SLICES), Deadline.after(20))


# Cells: what comes of it as a verdict


def workload(kind: str = "Deployment", annotations: Mapping[str, str] | None = None, **spec: Any) -> str:
    """A chart's template."""
    containers = [{"name": "main", "image": "example.com/app"}]
    pod = {"containers": containers, "tolerations": TOLERATES, **spec}
    return WORKLOAD.format(kind=kind, annotations=json.dumps(annotations or {}), spec=json.dumps(pod))


def test_a_lost_toleration_for_gpus_is_red(plane: Plane, tmp_path: Path) -> None:
    """A DaemonSet for nodes with GPUs that tolerates what all simulated nodes have, and not what those have."""
    selects = {"nvidia.com/gpu.present": "true"}
    outcome = plane.cell("lost", "helm", tmp_path, templates={"o.yaml": workload("DaemonSet", nodeSelector=selects)})
    assert outcome.exit == Exit.FAILURE
    assert "has taint nvidia.com/gpu=present:NoSchedule that is not tolerated" in outcome.reason


def test_a_scheduler_of_the_recipe_is_stood_in_for_and_another_is_missed(plane: Plane, tmp_path: Path) -> None:
    """Green with a note where the component brings it; else red, and soon."""
    selects = {"aicr.nvidia.com/node-type": "system"}
    templates = {"o.yaml": workload(schedulerName="kai-scheduler", nodeSelector=selects)}
    brought = plane.cell("kai-scheduler", "helm", tmp_path / "with", templates=templates)
    assert brought.exit == Exit.OK, brought.reason
    assert any("scheduler kai-scheduler does not run here" in note for note in brought.notes)
    missed = plane.cell("server", "helm", tmp_path / "without", templates=templates)
    assert missed.exit == Exit.FAILURE
    assert "scheduler kai-scheduler, which no component of the recipe installs" in missed.reason
    for namespace in ("kai-scheduler", "server"):  # whose pods no recipe of a later cell accounts for
        plane.cluster.delete(DEPLOYMENTS, namespace, "other")


CLAIM = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, selector: {app: other}, ports: [{port: 80}]}
"""
LATER = {"argocd.argoproj.io/sync-wave": "1"}


@pytest.fixture
def gitops(plane: Plane) -> Iterator[Plane]:
    """Without deliveries of earlier cells, and leaving none."""
    yield plane
    plane.clear()


def test_a_wave_after_a_load_balancer_is_reached(gitops: Plane, tmp_path: Path) -> None:
    """Argo CD waits until the Service has an address."""
    selects = {"aicr.nvidia.com/node-type": "system"}
    templates = {"s.yaml": SERVICE, "o.yaml": workload(annotations=LATER, nodeSelector=selects)}
    outcome = gitops.cell("balanced", "argocd-oci", tmp_path, templates=templates)
    assert outcome.exit == Exit.OK, outcome.reason


def test_a_claim_in_a_wave_before_its_pod_is_told_before_the_deadline(gitops: Plane, tmp_path: Path) -> None:
    """The default class waits for the pod, Argo CD for the claim: the claim is named, with what to do."""
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    templates = {"c.yaml": CLAIM, "o.yaml": workload(annotations=LATER, volumes=volumes)}
    outcome = gitops.cell("starved", "argocd-oci", tmp_path, templates=templates)
    assert outcome.exit == Exit.FAILURE
    assert "PersistentVolumeClaim starved/data" in outcome.reason
