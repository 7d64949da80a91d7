"""What an upgrade must take away, and what it may leave."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.bundles.delivery import Delivery
from harness.cells.prepare import Prepared
from harness.cells.upgrade import Vanished, _never_back, require_change, vanished
from harness.errors import DataError, VerdictFailed
from harness.objects import DEPLOYMENTS, NAMESPACES, Kind, Objects
from harness.verdict import Passed, Waiting
from harness.waiting.loop import Judged

CRDS = Kind("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
QUEUES = Kind("example.com/v1", "queues", "Queue")
SERVED = (DEPLOYMENTS, NAMESPACES, CRDS, QUEUES)


def item(kind: Kind, name: str, annotations: dict[str, str] | None = None, **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, "annotations": annotations or {}}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **rest}


def prepared(
    *objects: dict[str, Any], delivery: Delivery | None = None, directory: Path = Path(), by_argocd: bool = False
) -> Prepared:
    folder = SimpleNamespace(release="a", namespace="a")
    bundle = SimpleNamespace(folders=(folder,), directory=directory, by_argocd=by_argocd)
    publication = delivery and SimpleNamespace(delivery=delivery)
    return Prepared(
        cast(Any, SimpleNamespace(name="eks")),
        cast(Any, bundle),
        {"a": list(objects)},
        cast(Any, None),
        cast(Any, publication),
        cast(Any, None),
    )


def test_what_only_the_earlier_bundle_renders_must_go() -> None:
    """What both have stays; a workload that only the earlier one has is named with its namespace."""
    left = vanished(
        prepared(item(DEPLOYMENTS, "stays"), item(DEPLOYMENTS, "goes")), prepared(item(DEPLOYMENTS, "stays")), SERVED
    )
    assert left.members == {("apps/v1", "deployments", "Deployment", "a", "goes")}
    assert left.kept == ()


def test_what_others_may_depend_on_is_told_and_not_waited_for() -> None:
    """CRDs, namespaces, and what the chart says to keep."""
    keep = {"helm.sh/resource-policy": "keep"}
    definition = item(CRDS, "queues.example.com", spec={"group": "example.com"})
    left = vanished(prepared(item(NAMESPACES, "n"), item(DEPLOYMENTS, "d", keep), definition), prepared(), SERVED)
    assert left.members == frozenset()
    assert tuple(map(str, left.kept)) == (
        "customresourcedefinitions.apiextensions.k8s.io queues.example.com",
        "deployments.apps a/d",
        "namespaces n",
    )


def test_only_argo_cd_keeps_what_it_is_told_not_to_prune() -> None:
    """helm and Flux do not know the annotation, and take the object away."""
    unpruned = {"argocd.argoproj.io/sync-options": "ServerSideApply=true, Prune=false"}
    objects = item(DEPLOYMENTS, "d", unpruned)
    assert names_kept(vanished(prepared(objects), prepared(by_argocd=True), SERVED)) == ["deployments.apps a/d"]
    left = vanished(prepared(objects), prepared(), SERVED)
    assert left.kept == ()
    assert len(left.members) == 1


def names_kept(left: Vanished) -> list[str]:
    return [str(each) for each in left.kept]


def test_objects_of_a_kind_that_may_go_with_its_definition_are_not_watched() -> None:
    """A kind that is not served any more cannot be asked for, and its objects are gone."""
    definition = item(CRDS, "queues.example.com", spec={"group": "example.com"})
    assert vanished(prepared(definition, item(QUEUES, "q")), prepared(), SERVED).members == frozenset()
    assert vanished(prepared(item(QUEUES, "q")), prepared(), SERVED).members == {
        ("example.com/v1", "queues", "Queue", "a", "q")
    }


def test_a_hook_goes_by_its_own_policy() -> None:
    """Whether it is there after an install says nothing about pruning."""
    assert (
        vanished(prepared(item(DEPLOYMENTS, "d", {"helm.sh/hook": "pre-install"})), prepared(), SERVED).members
        == frozenset()
    )


def test_the_deployers_own_objects_must_go_too() -> None:
    """An Application that is left would bring its release back."""
    before = Delivery("argocd", "root", applications=("stays", "goes"))
    after = Delivery("argocd", "root", applications=("stays",))
    assert vanished(prepared(delivery=before), prepared(delivery=after), SERVED).members == {
        ("argoproj.io/v1alpha1", "applications", "Application", "argocd", "goes")
    }
    before = Delivery("flux", "", releases=(("flux-system", "r"),), generators=(("flux-system", "g"),))
    assert {
        each[2:]
        for each in vanished(prepared(delivery=before), prepared(delivery=Delivery("flux", "")), SERVED).members
    } == {
        ("HelmRelease", "flux-system", "r"),
        ("ArtifactGenerator", "flux-system", "g"),
    }


def test_an_upgrade_that_changes_nothing_is_refused(tmp_path: Path) -> None:
    """The same bytes would be pushed under the same tag: green, and nothing tried."""
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "values.yaml").write_text("a: 1" if name != "three" else "a: 2")
    one, two, three = (prepared(directory=tmp_path / name) for name in ("one", "two", "three"))
    with pytest.raises(DataError, match="nothing would be upgraded"):
        require_change(one, two)
    require_change(one, three)


def test_what_comes_back_fails_at_once() -> None:
    """It was seen to be gone, so whoever makes it again will do so for ever."""
    _never_back(Judged(Objects({}), Passed("gone"), 0.0))
    with pytest.raises(VerdictFailed, match=r"reappeared after it was pruned: Deployment a/d: is still there"):
        _never_back(Judged(Objects({}), Waiting("is still there", "Deployment a/d"), 1.0))
