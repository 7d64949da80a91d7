"""Objects that two releases make are found in what they render."""

from pathlib import Path
from typing import Any

import pytest

from harness.bundles.contract.check import ContractBroken
from harness.bundles.model import Bundle, Chart, Folder
from harness.bundles.shared_objects import require_no_shared_objects
from harness.exits import Exit

FOLDERS = tuple(
    Folder(number, name, name, namespace, Path(), Chart(name, "1"))
    for number, (name, namespace) in enumerate([("first", "a"), ("second", "b"), ("third", "a")], 1)
)
BUNDLE = Bundle(Path(), "helm", FOLDERS, {})


def item(kind: str, name: str | None = "x", group: str = "", namespace: str = "", **more: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, **({"namespace": namespace} if namespace else {})}
    metadata |= more.pop("metadata", {})
    return {"apiVersion": f"{group}/v1" if group else "v1", "kind": kind, "metadata": metadata, **more}


def crd(scope: str = "Namespaced", **more: Any) -> dict[str, Any]:
    spec = {"group": "example.com", "scope": scope, "names": {"kind": "Widget"}, **more}
    return item("CustomResourceDefinition", "widgets.example.com", "apiextensions.k8s.io", spec=spec)


def check(*rendered: list[dict[str, Any]]) -> tuple[str, ...]:
    names = [folder.release for folder in FOLDERS]
    return require_no_shared_objects(BUNDLE, dict(zip(names, (*rendered, [], []), strict=False)), where="x")


RBAC = "rbac.authorization.k8s.io"
SHARED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "cluster-wide": (
        item("ClusterRole", group=RBAC, rules=[]),
        item("ClusterRole", group=RBAC, rules=[{}]),
        f"releases first and second both make ClusterRole.{RBAC} x",
    ),
    "namespace": (item("Namespace"), item("Namespace"), "both make Namespace x"),
    "in a namespace that is named": (
        item("ConfigMap", namespace="c"),
        item("ConfigMap", namespace="c"),
        "both make ConfigMap c/x",
    ),
    "of two versions": (
        {**item("CronJob", group="batch", namespace="c"), "apiVersion": "batch/v1beta1"},
        item("CronJob", group="batch", namespace="c"),
        "CronJob.batch c/x",
    ),
    "CRDs that differ": (crd(versions=[1]), crd(versions=[2]), "widgets.example.com, and the two differ"),
}


@pytest.mark.parametrize(("one", "other", "what"), SHARED.values(), ids=SHARED)
def test_an_object_of_two_releases_breaks_the_contract(one: dict[str, Any], other: dict[str, Any], what: str) -> None:
    """Red, with the object and both releases, before a cluster is touched."""
    with pytest.raises(ContractBroken) as caught:
        check([one], [other])
    assert what in str(caught.value)
    assert caught.value.exit is Exit.FAILURE
    assert [(v.rule, v.where) for v in caught.value.violations] == [("shared-object", "release second")]


APART: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "namespaces of the releases": (item("ConfigMap"), item("ConfigMap")),
    "kinds": (item("ConfigMap", namespace="c"), item("Secret", namespace="c")),
    "groups": (item("Service", namespace="c"), item("Service", group="serving.knative.dev", namespace="c")),
    "hooks": (item("Job", namespace="c", metadata={"annotations": {"helm.sh/hook": "pre-install"}}),) * 2,
    "without a name": (item("Job", None, namespace="c", metadata={"generateName": "x-"}),) * 2,
    "malformed": ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": None},) * 2,
}


@pytest.mark.parametrize(("one", "other"), APART.values(), ids=APART)
def test_objects_that_are_two_are_left_alone(one: dict[str, Any], other: dict[str, Any]) -> None:
    """One name is not one object: namespaces, kinds and groups tell them apart, and a hook belongs to no release."""
    assert check([one], [other]) == ()


def test_the_scope_of_a_kind_is_that_of_its_crd() -> None:
    """A custom kind without a namespace is one object in the whole cluster, if its CRD says so."""
    widget = item("Widget", group="example.com")
    assert check([crd()], [widget], [{**widget, "metadata": {"name": "y"}}]) == ()
    with pytest.raises(ContractBroken, match=r"releases first and second both make Widget\.example\.com x"):
        check([crd("Cluster"), widget], [widget])


def test_objects_of_two_releases_in_one_namespace_meet() -> None:
    """The namespace of a release is that of what it renders without one."""
    with pytest.raises(ContractBroken, match="releases first and third both make ConfigMap a/x"):
        check([item("ConfigMap")], [], [item("ConfigMap")])


def test_an_equal_crd_is_a_note() -> None:
    """helm and Flux leave a CRD alone that is there, so nothing is lost."""
    assert check([crd()], [crd()]) == ("releases first and second bring the same CRD widgets.example.com",)


def test_a_release_that_repeats_itself_is_not_meant() -> None:
    """Within one release that is helm's business."""
    assert check([item("ConfigMap"), item("ConfigMap")]) == ()
