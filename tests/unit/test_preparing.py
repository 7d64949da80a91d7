"""What is expected of a recipe: before there is a cluster, on it, and once everything is installed."""

import base64
import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.bundles.model import Bundle, Chart, Folder
from harness.cells.prepare import Prepared
from harness.cluster.api import Cluster, Listing, Resources
from harness.expected.workloads import expect
from harness.objects import DEPLOYMENTS, PODS
from harness.recipes.model import Component, Criteria, Recipe, RegistryEntry, Scheduling

NOTHING: Any = None
VERSIONS = {"v1", "apps/v1", "apps/v1/Deployment"}
RECIPE = Recipe(
    "r",
    Criteria(),
    (),
    (),
    (
        Component(
            *("app", "ns", "Helm", "", "", "", "", "", "", {}, (), (), (), (), False, (), ""),
            RegistryEntry("app", (), "", "", "", "", "helm", Scheduling(), ""),
        ),
    ),
    {},
    Path(),
    (),
)
BUNDLE = Bundle(Path(), "helm", (Folder(1, "app", "app", "ns", Path(), Chart("app", "1")),), {})


def deployment(name: str) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": 1}}


def deployments(names: str) -> dict[str, list[dict[str, Any]]]:
    return {"app": [deployment(name) for name in names]}


def cluster(made: str | None) -> Cluster:
    """With a release of helm that made these Deployments, or none."""
    release = {"name": "app", "namespace": "ns", "version": 1}
    manifest = "".join(f"---\n{json.dumps(deployment(name))}\n" for name in made or "")
    packed = base64.b64encode(gzip.compress(json.dumps({**release, "manifest": manifest}).encode()))
    secret = {"metadata": {"name": "s"}, "data": {"release": base64.b64encode(packed).decode()}}
    fake = SimpleNamespace(
        version=lambda: "v1.34.10",
        api_versions=lambda: VERSIONS,
        resources=lambda: Resources([DEPLOYMENTS, PODS], []),
        list=lambda *a, **k: Listing([] if made is None else [secret], "1"),
    )
    return cast(Cluster, fake)


class FakeRenderer:
    """Renders to other Deployments on the cluster than without one, and others again afterwards."""

    def __init__(self, before: str, after: str) -> None:
        self._before, self._after = before, after
        self.told: list[Any] = []

    def before(self, rendered: object, helm: object, **options: Any) -> dict[str, list[dict[str, Any]]]:
        self.told.append(options)
        return deployments(self._before)

    def after(self, rendered: object, helm: object, **options: Any) -> dict[str, list[dict[str, Any]]]:
        self.told.append(options)
        return deployments(self._after)


def prepared(renderer: FakeRenderer) -> Prepared:
    rendered = deployments("a")
    expectation = expect(RECIPE, BUNDLE, rendered, empty_allowed={"ns/x"})
    return Prepared(RECIPE, BUNDLE, rendered, expectation, None, cast(Any, renderer))


def names(expectation: Any) -> str:
    return "".join(sorted(workload.name for workload in expectation.expected.workloads))


def test_what_a_chart_makes_on_this_cluster_is_expected() -> None:
    """Where it asks the cluster before anything is installed; what is declared stays declared."""
    renderer = FakeRenderer("ab", "ab")
    here = prepared(renderer).on(cluster(None), NOTHING)
    assert names(here.expectation) == "ab"
    assert here.expectation.empty_allowed == {"ns/x"}
    assert renderer.told == [{"kube_version": "v1.34.10", "served": VERSIONS}]


@pytest.mark.parametrize(
    ("before", "after", "made", "expected"),
    [
        ("a", "a", "a", "a"),
        ("a", "a", None, "a"),
        ("a", "ab", "ab", "ab"),
        ("a", "ab", "a", "a"),
        ("ab", "a", "a", "a"),
        ("ab", "a", "ab", "ab"),
        ("a", "ab", None, "a"),
        ("ab", "a", None, "a"),
        ("ab", "ab", "a", "ab"),
    ],
    ids=[
        "always the same",
        "always the same, no release",
        "made once it saw what came before",
        "not made, though it would be now",
        "not made, though it was to be",
        "made, though it would not be now",
        "it would be made now, and nobody knows",
        "it was to be made, and nobody knows",
        "lost on the way",
    ],
)
def test_what_is_expected_once_everything_is_installed(
    before: str, after: str, made: str | None, expected: str
) -> None:
    """Workloads that depend on the moment of rendering are expected where helm says that it made them."""
    renderer = FakeRenderer(before, after)
    here = prepared(renderer).on(cluster(None), NOTHING)
    found = here.installed(cluster(made), NOTHING, upgraded=True)
    assert names(found.expectation) == expected
    assert found.expectation.empty_allowed == {"ns/x"}
    assert renderer.told[-1] == {"kube_version": "v1.34.10", "served": VERSIONS, "upgraded": True}
    assert set(found.made) == (set() if made is None else {"app"})
