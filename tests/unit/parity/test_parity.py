"""Lane parity: what counts as the same object, and what must never pass for it."""

import base64
import copy
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.bundles.model import Bundle, Chart, Folder
from harness.cluster.api import ApiError, Cluster, Listing, Resources
from harness.expected.objects import Expected, expected
from harness.objects import CONFIGMAPS, DAEMONSETS, DEPLOYMENTS, JOBS, NAMESPACES, PODS, Kind, Reference
from harness.parity.check import ParityBroken, ParityReport, check, delivered
from harness.parity.compare import Difference, differences, dotted

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
SERVED = {f"{kind.api_version}/{kind.kind}" for kind in KINDS}
DIGEST = "0123456789ab"
SUMS = ("a" * 64, "b" * 64)
GPU = {"key": "nvidia.com/gpu", "operator": "Exists"}
FAKE = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}


class FakeCluster(Cluster):
    """Holds objects; `stores` is what its API server makes of an object that it is sent. `refuses` are methods."""

    def __init__(
        self,
        *items: dict[str, Any],
        stores: Callable[[dict[str, Any]], Any] = lambda item: None,
        refuses: Collection[str] = (),
    ) -> None:
        self.items, self.stores, self.refuses = items, stores, refuses

    def resources(self) -> Resources:
        return Resources(list(KINDS), [])

    def list(self, kind: Kind, **options: Any) -> Listing:
        return Listing([item for item in self.items if item["kind"] == kind.kind], "1")

    def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        if method == "GET":
            kind = next(kind for kind in KINDS if path.endswith(f"/{kind.plural}"))
            return {"items": [{"metadata": item["metadata"]} for item in self.items if item["kind"] == kind.kind]}
        assert options["query"]["dryRun"] == "All"
        if method in self.refuses:
            raise ApiError(422, "Invalid", "field is immutable", where=path)
        assert path.endswith("/it") == (method == "PUT") == ("name" in options["body"]["metadata"])
        kept: dict[str, Any] = copy.deepcopy(dict(options["body"]))
        self.stores(kept)
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


@pytest.mark.parametrize(
    ("path", "value", "equal"),
    [("spec/paused", True, True), (f"{POD}/tolerations", [GPU], False), (f"{POD}/nodeSelector", {"a": "b"}, False)],
)
def test_null_asks_for_nothing(path: str, value: Any, equal: bool) -> None:
    """As if the field were absent: what others may fill in they may fill in, and nothing else."""
    reference = put(deployment(tolerations=[]), path, "x")
    *way, last = path.split("/")
    place = reference
    for part in way:
        place = place[part]
    place[last] = None
    live = put(alive(reference), path, value)
    assert compared(reference, live).equal is equal
    assert compared(reference, put(live, path, None)).equal


@pytest.mark.parametrize("value", [{}, [], "", False, 0])
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


def twice(one: dict[str, Any], other: dict[str, Any], live: dict[str, Any], *made: dict[str, Any]) -> ParityReport:
    """What is there, beside two renderings of it, and what helm made where it did."""
    released = {"app": list(made)} if made else {}
    return check(FakeCluster(live), bundle(), {"app": [one]}, again={"app": [other]}, released=released, served=SERVED)


def password(value: Any) -> dict[str, Any]:
    return thing(SECRETS, data={} if value is None else {"password": value}, type="Opaque")


A, B, C = (encoded(letter * 20) for letter in "abc")


@pytest.mark.parametrize(
    ("one", "other", "live", "made", "equal", "noted"),
    [
        (A, B, C, C, True, "compared with the release"),
        (A, B, C, B, False, ""),
        (A, A, A, C, True, ""),
        (A, A, C, C, False, ""),
        (A, B, None, C, False, ""),
        (A, B, C, None, True, "not compared"),
        (A, B, "", None, False, ""),
        (A, B, 7, None, False, ""),
        (A, B, None, None, False, ""),
        (A, None, None, None, True, ""),
        (None, B, C, None, True, "not compared"),
        (A, A, C, None, False, ""),
    ],
    ids=[
        "as the release has it",
        "not as the release has it",
        "as each rendering has it",
        "as only the release has it: it was made of something else",
        "lost, though the release has it",
        "some value, where there is no release",
        "an empty value",
        "a value of another type",
        "no value",
        "no value, as in one rendering",
        "some value, as in one rendering",
        "another value than each rendering has",
    ],
)
def test_what_renderings_do_not_agree_on(
    one: str | None, other: str | None, live: Any, made: str | None, equal: bool, noted: str
) -> None:
    """Values made at random are as the release says that helm made, or at least there; all others are as rendered."""
    report = twice(password(one), password(other), alive(password(live)), *([password(made)] if made else []))
    assert report.equal is equal
    assert noted in "".join(report.notes())


@pytest.mark.parametrize("there", [True, False])
def test_an_object_that_only_one_rendering_has(there: bool) -> None:
    """Without a release nobody knows whether helm would have made it: both is fine, and told once."""
    cluster = FakeCluster(*([alive(password(A))] if there else []), alive(thing(CONFIGMAPS)))
    report = check(cluster, bundle(), {"app": [password(A), thing(CONFIGMAPS)]}, again={"app": [thing(CONFIGMAPS)]})
    assert report.equal
    assert report.notes() == (
        "parity: it depends on when the chart is rendered whether there is secrets ns/it: not expected",
    )


@pytest.mark.parametrize(
    ("rendered", "live", "equal"),
    [
        ("a: 1\nb: 2\n", "a: 1\nb: 2", True),
        ("a: 1\nb: 2", "a: 1\nb: 2\n\n", True),
        ("a: 1\nb: 2\n", "a: 1\n\nb: 2\n", False),
        ("a: 1\n", "a: 1 \n", False),
        ("a: 1\n", "\na: 1\n", False),
    ],
)
def test_newlines_at_the_end_of_a_text_are_no_difference(rendered: str, live: str, equal: bool) -> None:
    """The end of a template is another one for helm and for its post-renderer; nothing else of a text is left out."""
    assert compared(thing(CONFIGMAPS, data={"a": rendered}), alive(thing(CONFIGMAPS, data={"a": live}))).equal is equal
    stored = alive(thing(SECRETS, data={"a": encoded(live)}))
    for field, text in (("stringData", rendered), ("data", encoded(rendered))):
        assert compared(thing(SECRETS, "it", **{field: {"a": text}}), stored).equal is equal


def test_bytes_of_a_secret_are_compared_as_they_are() -> None:
    """What is no text has no newline at its end that could be left out."""
    one, other = (base64.b64encode(content).decode() for content in (b"\xff\n", b"\xff"))
    assert not compared(thing(SECRETS, data={"a": one}), alive(thing(SECRETS, data={"a": other}))).equal


def test_what_does_not_vary_is_compared_in_an_object_that_varies() -> None:
    """One random value excuses no other one."""
    one, other = password(A), password(B)
    live = put(alive(password(C)), "data/other", encoded("z"))
    report = twice(one, other, live)
    assert [each.path for each in report.differences] == [("data", "other")]


@pytest.mark.parametrize(
    ("live", "equal"), [({"helm.sh/chart": f"app-1.0.0_{DIGEST}"}, True), ({"helm.sh/chart": "app-1.0.0"}, False)]
)
def test_checksums_may_follow_from_the_digest_that_flux_appends(live: dict[str, str], equal: bool) -> None:
    """A checksum that differs in a release without such a digest tells of a real difference."""
    sums = [thing(CONFIGMAPS, annotations={"checksum/config": each}) for each in SUMS]
    for each, labels in zip(sums, ({"helm.sh/chart": "app-1.0.0"}, live), strict=True):
        each["metadata"]["labels"] = labels
    assert compared(sums[0], alive(sums[1])).equal is equal


def test_a_digest_in_one_release_excuses_no_other() -> None:
    """Checksums of a release are judged by its own labels."""
    sums = [thing(CONFIGMAPS, annotations={"checksum/config": each}) for each in SUMS]
    labelled = [thing(CONFIGMAPS, "other"), thing(CONFIGMAPS, "other")]
    for each, label in zip(labelled, ("app-1.0.0", f"app-1.0.0_{DIGEST}"), strict=True):
        each["metadata"]["labels"] = {"chart": label}
    rendered = {"app": [labelled[0]], "next": [sums[0]]}
    report = check(FakeCluster(alive(labelled[1]), alive(sums[1])), bundle("app", "next"), rendered)
    assert [each.reference.name for each in report.differences] == ["it"]


LIMITS = {"limits": {"cpu": "1"}}
SERVER = [  # what a chart renders, what is there, what the server makes of the rendering
    pytest.param(DEPLOYMENTS, "spec/schedulerName", "", "default", "default", True, id="an empty text for a default"),
    pytest.param(SCALERS, "spec/averageValue", "1024Mi", "1Gi", "1Gi", True, id="a quantity in another notation"),
    pytest.param(SECRETS, "data", {"a": "YW\nI="}, {"a": "YWI="}, {"a": "YWI="}, True, id="wrapped base64"),
    pytest.param(SECRETS, "stringData", {"a": None}, {}, {}, True, id="null in stringData"),
    pytest.param(PODS, "spec/resources", {}, LIMITS, LIMITS, True, id="what admission adds"),
    pytest.param(PODS, "spec/resources", {}, LIMITS, {}, False, id="what admission does not add"),
    pytest.param(DEPLOYMENTS, "spec/schedulerName", "", "other", "default", False, id="another value than the default"),
    pytest.param(WIDGETS, "spec/a", 1, None, None, True, id="a field that is not kept"),
    pytest.param(WIDGETS, "spec/a", 1, None, 1, False, id="a field that was lost"),
]


@pytest.mark.parametrize("refuses", [(), ("PUT",)], ids=["replaced", "created"])
@pytest.mark.parametrize(("kind", "path", "rendered", "live", "stored", "equal"), SERVER)
def test_what_the_server_makes_of_a_manifest_is_no_difference(
    kind: Kind, path: str, rendered: Any, live: Any, stored: Any, equal: bool, refuses: tuple[str, ...]
) -> None:
    """It is asked to store the reference without storing it: in place of the object, or beside it."""

    def stores(item: dict[str, Any]) -> None:
        if item["spec" if path.startswith("spec") else path.partition("/")[0]] is not None:
            put(item, path, stored)

    item = thing(kind, spec={"x": 1})
    there = alive(put(copy.deepcopy(item), path, live) if live is not None else item)
    report = compared(put(item, path, rendered), there, stores=stores, refuses=refuses)
    assert report.equal is equal, report.lines()


def test_a_server_that_refuses_excuses_nothing() -> None:
    """Nothing is known then, so the difference stays."""
    reference = thing(WIDGETS, spec={"a": 1})
    live = put(alive(reference), "spec/a", None)
    assert not compared(reference, live, stores=lambda item: item["spec"].clear(), refuses=("PUT", "POST")).equal


def test_a_field_that_the_server_does_not_keep() -> None:
    """It is named."""
    reference = thing(WIDGETS, spec={"kept": 1, "unknown": 2})
    live = put(alive(reference), "spec/unknown", None)
    report = compared(reference, live, stores=lambda item: item["spec"].pop("unknown"))
    assert [each.path for each in report.dropped] == [("spec", "unknown")]


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


def test_what_an_upgrade_may_leave_is_not_unexpected() -> None:
    """What its chart, or Argo CD's annotation, says to keep is there and is no difference; others are."""
    left = [
        alive(thing(CONFIGMAPS, name, annotations={"meta.helm.sh/release-name": "app"})) for name in ("kept", "stray")
    ]
    kept = (Reference("configmaps", "ns", "kept"), Reference("configmaps", "ns", "went"))
    report = check(FakeCluster(*left, alive(thing(CONFIGMAPS))), bundle(), {"app": [thing(CONFIGMAPS)]}, kept=kept)
    assert (report.missing, report.unexpected) == ((), (Reference("configmaps", "ns", "stray"),))


def test_a_hook_of_argo_cds_own_may_be_gone_where_it_delivers() -> None:
    """It was taken away once it had succeeded; helm leaves it there, as an object like any other."""
    job = thing(JOBS, "migrate", annotations={"argocd.argoproj.io/hook": "Sync"})
    assert check(FakeCluster(), bundle(), {"app": [job]}).missing == (Reference("jobs.batch", "ns", "migrate"),)
    assert check(FakeCluster(), replace(bundle(), delivered_as="argocd"), {"app": [job]}).missing == ()


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


def test_long_texts_are_shown_from_where_they_differ() -> None:
    """What is the same for two hundred characters is no difference to look at."""
    text = "rules: " + "a" * 300
    shown = str(Difference(Reference("configmaps", "monitoring", "adapter"), ("data", "x"), f"{text}\n", text))
    assert shown.count("..." + "a" * 10) == 2
    assert "a\\n'" in shown


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


@pytest.mark.parametrize(
    ("annotations", "found"),
    [({"kwok-harness/conversion": "Webhook"}, []), ({}, ["spec.conversion.strategy", "spec.conversion.webhook"])],
    ids=["by the cluster", "by a lane"],
)
def test_a_conversion_that_the_cluster_took_out_is_no_difference(annotations: dict[str, str], found: list[str]) -> None:
    """The annotation says that the webhook was asked for; without it somebody lost it."""
    crds = Kind("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
    webhook = {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"]}}
    item = {"metadata": {"name": "a.example.com"}, "spec": {"conversion": webhook, "group": "example.com"}}
    spec = {"conversion": {"strategy": "None"}, "group": "example.com"}
    live = {"metadata": {"name": "a.example.com", "annotations": annotations}, "spec": spec}
    reference = Reference(str(crds), "", "a.example.com")
    assert [dotted(each.path) for each in differences(reference, Expected("rel", crds, item), live)] == found
