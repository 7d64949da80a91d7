"""Lane parity: what counts as the same object, and what must never pass for it."""

import base64
import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.bundles.model import Bundle, Chart, Folder
from harness.cluster.api import ApiError, Cluster, Listing, Resources
from harness.expected.objects import expected
from harness.objects import CONFIGMAPS, DAEMONSETS, DEPLOYMENTS, JOBS, NAMESPACES, PODS, Kind, Reference
from harness.parity.check import ParityBroken, ParityReport, check, delivered
from harness.parity.compare import same_shape

SECRETS = Kind("v1", "secrets", "Secret")
CLUSTERROLES = Kind("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", namespaced=False)
SCALERS = Kind("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
CRDS = Kind("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
WIDGETS = Kind("example.com/v1", "widgets", "Widget")
APPLICATIONS = Kind("argoproj.io/v1alpha1", "applications", "Application")
ENDPOINTS = Kind("v1", "endpoints", "Endpoints")
KINDS = [
    CONFIGMAPS,
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    PODS,
    SECRETS,
    CLUSTERROLES,
    SCALERS,
    CRDS,
    WIDGETS,
    APPLICATIONS,
    ENDPOINTS,
]
DIGEST = "0123456789ab"
SUMS = ("a" * 64, "b" * 64)
GPU = {"key": "nvidia.com/gpu", "operator": "Exists"}
FAKE = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}


class FakeCluster(Cluster):
    """Holds objects; `drops` names the top-level spec fields that its API server does not keep."""

    def __init__(self, *items: dict[str, Any], drops: frozenset[str] = frozenset(), refuses: bool = False) -> None:
        self.items, self.drops, self.refuses = items, drops, refuses

    def resources(self) -> Resources:
        return Resources(list(KINDS), [])

    def list(self, kind: Kind, **options: Any) -> Listing:
        return Listing([item for item in self.items if item["kind"] == kind.kind], "1")

    def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        if method == "GET":
            kind = next(kind for kind in KINDS if path.endswith(f"/{kind.plural}"))
            return {"items": [{"metadata": item["metadata"]} for item in self.items if item["kind"] == kind.kind]}
        assert method == "PATCH"
        assert options["query"]["dryRun"] == "All"
        if self.refuses:
            raise ApiError(422, "Invalid", "field is immutable", where=path)
        kept: dict[str, Any] = copy.deepcopy(dict(options["body"]))
        for name in self.drops:
            kept["spec"].pop(name, None)
        return kept


def bundle(*releases: str) -> Bundle:
    folders = tuple(
        Folder(number, name, name, "ns", Path(name), Chart(name, "1.0.0"))
        for number, name in enumerate(releases or ("app",))
    )
    return Bundle(Path(), "helm", folders, {})


def thing(
    kind: Kind, name: str = "it", *, annotations: Mapping[str, str] | None = None, **parts: Any
) -> dict[str, Any]:
    metadata = {"name": name, **({"annotations": dict(annotations)} if annotations else {})}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **parts}


def deployment(**pod: Any) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": "app:1",
        "args": ["--a", "--b"],
        "env": [{"name": "A", "value": "1"}],
        "ports": [{"containerPort": 80}],
        "resources": {"limits": {"cpu": "1000m", "nvidia.com/gpu": 8}},
    }
    template = {
        "metadata": {"labels": {"app": "it"}},
        "spec": {"containers": [container], "tolerations": [GPU, FAKE], **pod},
    }
    return thing(DEPLOYMENTS, spec={"replicas": 2, "template": template})


def alive(item: dict[str, Any], namespace: str = "ns") -> dict[str, Any]:
    """The object as an API server gives it back, with what it adds."""
    live = copy.deepcopy(item)
    live["metadata"] |= {"namespace": namespace, "uid": "1", "resourceVersion": "7", "generation": 1}
    live["status"] = {"replicas": 2}
    return live


def put(item: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Set, or with None take away, what is at a dotted path; numbers are positions."""
    *way, last = path.split("/")
    place: Any = item
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    if value is None:
        del place[int(last) if isinstance(place, list) else last]
    elif isinstance(place, list):
        place.insert(int(last), value)
    else:
        place[last] = value
    return item


def compared(reference: dict[str, Any], live: dict[str, Any], **server: Any) -> ParityReport:
    return check(FakeCluster(live, **server), bundle(), {"app": [reference]})


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


POD = "spec/template/spec"
MAIN = f"{POD}/containers/0"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec/progressDeadlineSeconds", 600),
        (f"{POD}/restartPolicy", "Always"),
        (f"{MAIN}/imagePullPolicy", "Always"),
        (f"{MAIN}/ports/0/protocol", "TCP"),
        (f"{MAIN}/resources/limits/cpu", "1"),
        (f"{MAIN}/resources/limits", {"cpu": 1, "nvidia.com/gpu": "8"}),
        ("metadata/labels", {"helm.toolkit.fluxcd.io/name": "app", "app.kubernetes.io/managed-by": "Helm"}),
        ("metadata/annotations", {"meta.helm.sh/release-name": "app"}),
        ("metadata/finalizers", ["foregroundDeletion"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_a_server_or_deployer_adds_is_no_difference(path: str, value: Any) -> None:
    """Defaults, canonical quantities, marks of deployers and server-owned fields are equal to the reference."""
    reference = deployment()
    report = compared(reference, put(alive(reference), path, value))
    assert report.compared == 1
    assert report.equal, report.lines()


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("spec/replicas", 3, "spec.replicas"),
        ("spec/replicas", 0, "spec.replicas"),
        (f"{POD}/tolerations/0", None, "spec.template.spec.tolerations[key=nvidia.com/gpu,operator=Exists]"),
        (f"{POD}/tolerations", None, "spec.template.spec.tolerations"),
        (f"{POD}/tolerations/0", {"operator": "Exists"}, "spec.template.spec.tolerations[operator=Exists]"),
        (f"{POD}/containers/1", {"name": "side"}, "spec.template.spec.containers[side]"),
        (f"{POD}/initContainers", [{"name": "first"}], "spec.template.spec.initContainers[first]"),
        (f"{POD}/nodeSelector", {"a": "b"}, "spec.template.spec.nodeSelector.a"),
        (f"{POD}/volumes", [{"name": "v"}], "spec.template.spec.volumes[v]"),
        (f"{MAIN}/image", "app:2", "spec.template.spec.containers[main].image"),
        (f"{MAIN}/env/0/value", "2", "spec.template.spec.containers[main].env[A].value"),
        (f"{MAIN}/env/0/value", None, "spec.template.spec.containers[main].env[A].value"),
        (f"{MAIN}/env/1", {"name": "B"}, "spec.template.spec.containers[main].env[B]"),
        (f"{MAIN}/args", ["--b", "--a"], "spec.template.spec.containers[main].args[0]"),
        (
            f"{MAIN}/ports/1",
            {"containerPort": 80, "protocol": "UDP"},
            "spec.template.spec.containers[main].ports[80/UDP]",
        ),
        (f"{MAIN}/resources/limits/cpu", "2", "spec.template.spec.containers[main].resources.limits.cpu"),
        (f"{MAIN}/resources/limits/memory", "1Gi", "spec.template.spec.containers[main].resources.limits.memory"),
        ("spec/template/metadata/labels/app", "that", "spec.template.metadata.labels.app"),
    ],
)
def test_what_changes_meaning_is_found_and_named(path: str, value: Any, named: str) -> None:
    """A lost, changed or added thing that means something is a difference at its own path, and nothing else is."""
    reference = deployment()
    report = compared(reference, put(alive(reference), path, value))
    found = {".".join(each.path).replace(".[", "[") for each in report.differences}
    assert named in found
    assert not report.equal
    assert all(each.startswith(named.partition("[0]")[0]) for each in found)


@pytest.mark.parametrize("value", [None, {}, [], "", False, 0])
def test_empty_is_absent(value: Any) -> None:
    """A server that leaves empty values out has not lost anything; one that has another value has changed it."""
    reference = put(deployment(), f"{POD}/some", "x")
    reference["spec"]["template"]["spec"]["some"] = value
    live = put(alive(reference), f"{POD}/some", None)
    assert compared(reference, live).equal
    assert not compared(reference, put(live, f"{POD}/some", "other")).equal


def test_quantities_of_custom_resources_are_text() -> None:
    """The server does not rewrite what it does not know as a quantity, so another text is another value."""
    reference = thing(WIDGETS, spec={"limits": {"cpu": "1000m"}})
    assert not compared(reference, put(alive(reference), "spec/limits/cpu", "1")).equal


def test_a_true_is_not_a_one() -> None:
    """Python takes them for equal, Kubernetes does not."""
    reference = thing(WIDGETS, spec={"on": True})
    assert not compared(reference, put(alive(reference), "spec/on", 1)).equal


@pytest.mark.parametrize(("data", "named"), [({"a": "1"}, "b"), ({"a": "1", "b": "2", "c": "3"}, "c")])
def test_keys_of_a_configmap(data: dict[str, str], named: str) -> None:
    """A key that is missing and a key too many are both named."""
    reference = thing(CONFIGMAPS, data={"a": "1", "b": "2"})
    report = compared(reference, put(alive(reference), "data", data))
    assert [each.path for each in report.differences] == [("data", named)]


def test_data_where_there_was_none() -> None:
    """A ConfigMap that the chart leaves empty must stay so."""
    reference = thing(CONFIGMAPS)
    assert not compared(reference, put(alive(reference), "data", {"a": "1"})).equal


@pytest.mark.parametrize(
    ("label", "live", "equal"),
    [
        ("app-1.0.0", f"app-1.0.0_{DIGEST}", True),
        ("app-1.0.0", f"app-1.0.1_{DIGEST}", False),
        ("app-1.0.0", "app-1.0.0_0123456789ag", False),
        ("app-1.0.0", "app-1.0.0_0123", False),
        ("a" * 57, "a" * 57 + "_01234", True),
    ],
)
def test_the_digest_that_flux_appends(label: str, live: str, equal: bool) -> None:
    """Only a digest behind the same chart and version is taken away, cut where a label has no more room."""
    reference = thing(CONFIGMAPS)
    reference["metadata"]["labels"] = {"helm.sh/chart": label}
    changed = alive(reference)
    changed["metadata"]["labels"] = {"helm.sh/chart": live}
    assert compared(reference, changed).equal is equal


def test_a_digest_elsewhere_is_a_difference() -> None:
    """Other labels do not carry the chart's version."""
    reference = thing(CONFIGMAPS)
    reference["metadata"]["labels"] = {"name": "app-1.0.0"}
    changed = put(alive(reference), "metadata/labels/name", f"app-1.0.0_{DIGEST}")
    assert not compared(reference, changed).equal


PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("x" * 20, "y" * 20, True),
        ("x" * 20, "y" * 19, False),
        (PEM.format("A" * 1000), PEM.format("B" * 1010), True),
        (PEM.format("A" * 1000), PEM.format("B" * 100), False),
        (PEM.format("A" * 1000), PEM.format("B" * 1000).replace("CERTIFICATE", "PRIVATE KEY"), False),
        (PEM.format("A" * 1000), "B" * 1050, False),
        ("x", "", False),
    ],
)
def test_the_shape_of_random_values(ours: str, theirs: str, same: bool) -> None:
    """The same PEM blocks and about the same length; without PEM nearly the same length; never nothing."""
    assert same_shape(encoded(ours), encoded(theirs)) is same


def test_secrets_are_compared_by_shape_and_named() -> None:
    """Another password of the same length is equal, stringData is data, and the report says what was not compared."""
    reference = thing(SECRETS, stringData={"password": "x" * 20})
    live = alive(thing(SECRETS, data={"password": encoded("y" * 20)}))
    report = compared(reference, live)
    assert report.equal
    assert report.by_shape == (Reference("secrets", "ns", "it"),)
    assert "by shape" in report.notes()[0]
    assert not compared(reference, put(live, "data/other", encoded("z"))).equal
    assert not compared(reference, put(alive(thing(SECRETS, data={})), "data/passwort", encoded("y" * 20))).equal


@pytest.mark.parametrize(("random", "equal"), [(True, True), (False, False)])
def test_checksums_may_differ_only_where_something_was_random(random: bool, equal: bool) -> None:
    """A checksum that differs in a release without random values tells of a real difference."""
    sums = [thing(CONFIGMAPS, annotations={"checksum/secret": each}) for each in SUMS]
    secret = thing(SECRETS, data={"password": encoded("x" * 20)})
    other = put(copy.deepcopy(secret), "data/password", encoded("y" * 20)) if random else secret
    report = check(FakeCluster(alive(sums[1]), alive(other)), bundle(), {"app": [sums[0], secret]})
    assert report.equal is equal


def test_random_values_of_one_release_excuse_no_other() -> None:
    """Checksums of a release are judged by its own values."""
    secret = thing(SECRETS, data={"password": encoded("x" * 20)})
    other = put(copy.deepcopy(secret), "data/password", encoded("y" * 20))
    sums = [thing(CONFIGMAPS, annotations={"checksum/secret": each}) for each in SUMS]
    rendered = {"app": [secret], "next": [sums[0]]}
    report = check(FakeCluster(alive(other), alive(sums[1])), bundle("app", "next"), rendered)
    assert [each.reference.resource for each in report.differences] == ["configmaps"]


def test_a_field_that_the_server_does_not_keep() -> None:
    """It is named and no difference; one that the server would keep has been lost on the way."""
    reference = thing(WIDGETS, spec={"kept": 1, "unknown": 2})
    live = put(alive(reference), "spec/unknown", None)
    report = compared(reference, live, drops=frozenset({"unknown"}))
    assert report.equal
    assert [each.path for each in report.dropped] == [("spec", "unknown")]
    assert not compared(reference, live).equal
    assert not compared(reference, live, drops=frozenset({"unknown"}), refuses=True).equal


def test_what_is_missing_and_what_nobody_rendered() -> None:
    """An object that is not there, and one that a deployer has marked as its own but no release renders."""
    stray = alive(thing(CONFIGMAPS, "stray", annotations={"meta.helm.sh/release-name": "app"}))
    report = check(FakeCluster(stray), bundle(), {"app": [thing(CONFIGMAPS)]})
    assert report.missing == (Reference("configmaps", "ns", "it"),)
    assert report.unexpected == (Reference("configmaps", "ns", "stray"),)
    with pytest.raises(ParityBroken, match=r"missing: configmaps ns/it\n.*unexpected: configmaps ns/stray"):
        report.require()


@pytest.mark.parametrize(
    ("kind", "metadata", "is_delivered"),
    [
        (CONFIGMAPS, {"labels": {"helm.toolkit.fluxcd.io/name": "a"}}, True),
        (CONFIGMAPS, {"labels": {"kustomize.toolkit.fluxcd.io/name": "a"}}, True),
        (CONFIGMAPS, {"annotations": {"argocd.argoproj.io/tracking-id": "a"}}, True),
        (CONFIGMAPS, {"annotations": {"meta.helm.sh/release-name": "a"}}, True),
        (CONFIGMAPS, {"labels": {"app.kubernetes.io/managed-by": "Helm"}}, False),
        (CONFIGMAPS, {"labels": {"helm.toolkit.fluxcd.io/name": "a"}, "ownerReferences": [{}]}, False),
        (ENDPOINTS, {"labels": {"helm.toolkit.fluxcd.io/name": "a"}}, False),
        (APPLICATIONS, {"annotations": {"argocd.argoproj.io/tracking-id": "a"}}, False),
        (
            Kind("source.extensions.fluxcd.io/v1beta1", "artifactgenerators", "ArtifactGenerator"),
            {"labels": {"kustomize.toolkit.fluxcd.io/name": "a"}},
            False,
        ),
    ],
)
def test_marks_of_deployers(kind: Kind, metadata: dict[str, Any], is_delivered: bool) -> None:
    """Each deployer's mark counts, save on its own objects and on those that inherit labels."""
    assert delivered(kind, {"metadata": metadata}) is is_delivered


def test_the_namespace_of_a_release_is_not_unexpected() -> None:
    """Helm makes it besides; other namespaces that somebody delivers are."""
    marks = {"kustomize.toolkit.fluxcd.io/name": "root"}
    spaces = [{"kind": "Namespace", "metadata": {"name": name, "labels": marks}} for name in ("ns", "other")]
    report = check(FakeCluster(*spaces), bundle(), {"app": []})
    assert report.unexpected == (Reference("namespaces", "", "other"),)


def test_nothing_compared_is_never_equal() -> None:
    """A bundle that renders nothing has not been shown to be equal to anything."""
    report = check(FakeCluster(), bundle(), {"app": []})
    assert report.compared == 0
    assert not report.equal
    with pytest.raises(ParityBroken, match="nothing was compared"):
        report.require()


@pytest.mark.parametrize(
    ("annotations", "kind", "missing", "named"),
    [
        ({"helm.sh/hook": "pre-install"}, JOBS, False, False),
        ({"helm.sh/hook": "post-install"}, JOBS, False, False),
        ({"helm.sh/hook": "pre-install"}, CONFIGMAPS, True, False),
        ({"helm.sh/hook": "pre-install", "helm.sh/hook-delete-policy": "hook-succeeded"}, CONFIGMAPS, False, False),
        ({"helm.sh/hook": "post-install"}, CONFIGMAPS, False, True),
        ({"helm.sh/hook": "post-delete"}, CONFIGMAPS, False, False),
        (None, JOBS, True, False),
    ],
)
def test_which_hooks_have_to_be_there(
    annotations: dict[str, str] | None, kind: Kind, missing: bool, named: bool
) -> None:
    """Hooks that pass need not be there; Argo CD may never come to one after install, which is then named."""
    report = check(FakeCluster(), bundle(), {"app": [thing(kind, annotations=annotations, spec={})]})
    assert (bool(report.missing), bool(report.absent_hooks)) == (missing, named)


def test_a_hook_that_is_there_is_compared() -> None:
    """Optional does not mean anything goes."""
    hook = thing(JOBS, annotations={"helm.sh/hook": "post-install"}, spec={"parallelism": 1})
    assert not compared(hook, put(alive(hook), "spec/parallelism", 2)).equal


@pytest.mark.parametrize(("replicas", "equal"), [(2, True), (3, True), (5, True), (6, False), (1, False)])
def test_an_autoscaler_decides_between_its_bounds(replicas: int, equal: bool) -> None:
    """Its workload may have any count that it could have set, and no other."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "it"}
    scaler = thing(SCALERS, "scaler", spec={"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 5})
    live = put(alive(deployment()), "spec/replicas", replicas)
    report = check(FakeCluster(live, alive(scaler)), bundle(), {"app": [deployment(), scaler]})
    assert report.equal is equal


def test_what_admission_adds_to_bare_pods() -> None:
    """Token volume and node tolerations come by themselves on a Pod; the same on a template was put there."""
    token = {"name": "kube-api-access-x7k2p"}
    reference = thing(PODS, spec={"containers": [{"name": "main"}]})
    live = put(alive(reference), "spec/volumes", [token])
    live["spec"]["tolerations"] = [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}]
    assert compared(reference, live).equal
    live["spec"]["tolerations"].append(GPU)
    assert not compared(reference, live).equal
    assert not compared(deployment(), put(alive(deployment()), f"{POD}/volumes", [token])).equal


@pytest.mark.parametrize(
    ("kind", "added", "equal"),
    [
        (DAEMONSETS, {"type": "kwok"}, True),
        (DAEMONSETS, {"type": "other"}, False),
        (DAEMONSETS, {"type": "kwok", "more": "x"}, False),
        (DEPLOYMENTS, {"type": "kwok"}, False),
    ],
)
def test_what_the_fence_of_a_kind_cluster_adds(kind: Kind, added: dict[str, str], equal: bool) -> None:
    """The label of simulated nodes, to what a DaemonSet selects: whether it selects anything by itself or not."""
    for own in ({}, {"node": "gpu"}):
        template = {"spec": {"containers": [{"name": "main"}], **({"nodeSelector": own} if own else {})}}
        reference = thing(kind, spec={"template": template})
        assert compared(reference, put(alive(reference), f"{POD}/nodeSelector", {**own, **added})).equal is equal


def test_a_selector_that_was_lost_is_not_taken_for_the_fence() -> None:
    """It may add; what the manifest asks for has to be there."""
    template = {"spec": {"containers": [{"name": "main"}], "nodeSelector": {"node": "gpu"}}}
    reference = thing(DAEMONSETS, spec={"template": template})
    assert not compared(reference, put(alive(reference), f"{POD}/nodeSelector", {"type": "kwok"})).equal


def test_namespaces_are_filled_in_where_there_are_any() -> None:
    """A namespaced object without one lives in that of its release; a cluster-scoped one has none, whatever it says."""
    role = put(thing(CLUSTERROLES), "metadata/namespace", "ns")
    elsewhere = put(thing(CONFIGMAPS), "metadata/namespace", "there")
    found = expected({"app": [thing(CONFIGMAPS), role, elsewhere]}, bundle(), KINDS)
    assert set(found) == {
        Reference("configmaps", "ns", "it"),
        Reference("configmaps", "there", "it"),
        Reference("clusterroles.rbac.authorization.k8s.io", "", "it"),
    }


def test_an_object_of_two_releases() -> None:
    """The last one counts, of a CRD the first: Helm leaves a CRD alone that it finds."""
    rendered = {name: [thing(CRDS, spec=name), thing(CONFIGMAPS, data={name: "x"})] for name in ("one", "two")}
    found = expected(rendered, bundle("one", "two"), KINDS)
    assert {one.kind.kind: one.release for one in found.values()} == {CRDS.kind: "one", CONFIGMAPS.kind: "two"}


def test_an_older_version_of_a_kind_is_read_at_that_version() -> None:
    """The server prefers autoscaling/v2; a chart that renders v1 is compared with v1."""
    found = expected(
        {
            "app": [
                put(
                    thing(SCALERS, spec={"scaleTargetRef": {"kind": "X", "name": "x"}, "maxReplicas": 2}),
                    "apiVersion",
                    "autoscaling/v1",
                )
            ]
        },
        bundle(),
        KINDS,
    )
    assert [one.kind.api_version for one in found.values()] == ["autoscaling/v1"]


def test_the_message_is_a_diff_of_bounded_length() -> None:
    """Object, path, both values; after twenty findings a count."""
    report = compared(thing(CONFIGMAPS, data={"a": "1"}), put(alive(thing(CONFIGMAPS)), "data", {"a": "2"}))
    with pytest.raises(ParityBroken, match=r"configmaps ns/it\n +data\.a\n +- '1'\n +\+ '2'"):
        report.require()
    items = [thing(CONFIGMAPS, f"c{number}") for number in range(25)]
    with pytest.raises(ParityBroken, match=r"25 differences(?s:.*)and 5 more"):
        check(FakeCluster(), bundle(), {"app": items}).require()


def test_the_message_keeps_secrets() -> None:
    """Of a Secret's values only the length is told."""
    live = alive(thing(SECRETS, data={"password": encoded("geheim")}))
    report = compared(thing(SECRETS, data={"password": encoded("much-longer-one")}), live)
    assert not report.equal
    told = "\n".join(report.lines())
    assert "(20 characters)" in told
    assert encoded("geheim") not in told
