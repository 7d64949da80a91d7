"""Releases are rendered before there is a cluster, on it before anything is installed, and afterwards."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from harness.bundles.model import Bundle, Chart, Folder
from harness.expected.render import Renderer
from harness.helm.client import Helm, RenderFailed


def crd(group: str, kind: str, *versions: str) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "spec": {
            "group": group,
            "names": {"kind": kind},
            "versions": [{"name": name, "served": name != "v0"} for name in versions],
        },
    }


class FakeHelm:
    """Answers with the objects of a release, and remembers what it was told."""

    def __init__(self, objects: dict[str, list[dict[str, Any]]]) -> None:
        self._objects = objects
        self.told: dict[str, list[tuple[str, ...]]] = {}
        self.fetched: list[str] = []
        self.options: list[dict[str, Any]] = []

    def fetch(self, folder: Folder, directory: Path) -> Path:
        self.fetched.append(folder.release)
        return folder.path / "chart"

    def template(
        self, folder: Folder, *, kube_version: str, api_versions: Sequence[str] = (), **options: Any
    ) -> list[dict[str, Any]]:
        assert folder.chart.path is not None
        self.told.setdefault(folder.release, []).append(tuple(api_versions))
        self.options.append({"version": kube_version, **options})
        if folder.release == "broken":
            raise RenderFailed("does not render")
        return self._objects.get(folder.release, [])


def folder(tmp_path: Path, release: str, *after: str, template: str = "", remote: bool = False) -> Folder:
    chart = tmp_path / release / "chart" / "templates"
    chart.mkdir(parents=True)
    (chart / "x.yaml").write_text(template)
    where = None if remote else chart.parent
    return Folder(1, release, release, release, tmp_path / release, Chart(release, "1", "", where), after)


def renderer(helm: FakeHelm, *folders: Folder) -> Renderer:
    bundle = Bundle(Path(), "helm", folders, {})
    return Renderer(cast(Helm, helm), bundle, kube_version="v1.34.0", directory=Path("nowhere"))


ASKS = "{{ .Capabilities.APIVersions.Has }}"


def test_every_release_is_rendered(tmp_path: Path) -> None:
    """The result has each release, also one that renders nothing."""
    helm = FakeHelm({"a": [{"kind": "Service"}]})
    found = renderer(helm, folder(tmp_path, "a"), folder(tmp_path, "b")).alone()
    assert found == {"a": [{"kind": "Service"}], "b": []}


def test_a_chart_that_asks_is_told_what_the_releases_below_it_bring(tmp_path: Path) -> None:
    """Served versions of CRDs, through all its dependencies; not those of releases beside it."""
    helm = FakeHelm({"crds": [crd("x.io", "Widget", "v0", "v1")], "beside": [crd("y.io", "Other", "v1")]})
    renderer(
        helm,
        folder(tmp_path, "crds"),
        folder(tmp_path, "beside"),
        folder(tmp_path, "middle", "crds"),
        folder(tmp_path, "top", "middle", template=ASKS),
        folder(tmp_path, "alone", template=ASKS),
    ).alone()
    assert helm.told["top"] == [(), ("x.io/v1", "x.io/v1/Widget")]
    assert helm.told["middle"] == [()]
    assert helm.told["alone"] == [()]


@pytest.mark.parametrize(
    "broken", [{}, {"spec": None}, {"spec": {"group": "x.io", "versions": [1], "names": []}}, {"spec": {"versions": 1}}]
)
def test_a_broken_crd_serves_nothing(tmp_path: Path, broken: dict[str, Any]) -> None:
    """The API server will say what is wrong with it."""
    item = {"kind": "CustomResourceDefinition", **broken}
    helm = FakeHelm({"crds": [item]})
    renderer(helm, folder(tmp_path, "crds"), folder(tmp_path, "top", "crds", template=ASKS)).alone()
    assert helm.told["top"] == [()]


def test_a_chart_that_is_elsewhere_is_fetched_once(tmp_path: Path) -> None:
    """And rendered from what was fetched, as often as wanted."""
    helm = FakeHelm({"crds": [crd("x.io", "Widget", "v1")]})
    made = renderer(helm, folder(tmp_path, "crds"), folder(tmp_path, "top", "crds", template=ASKS, remote=True))
    rendered = made.alone()
    made.before(rendered, cast(Helm, helm), kube_version="v1.34.0", served=["v1"])
    assert helm.fetched == ["top"]
    assert helm.told["top"] == [(), ("x.io/v1", "x.io/v1/Widget"), ("v1", "x.io/v1", "x.io/v1/Widget")]


@pytest.mark.parametrize(
    ("template", "version", "before", "after"),
    [
        (ASKS, "v1.34.0", True, True),
        ("{{ lookup }}", "v1.34.0", True, True),
        ("{{ randAlpha 5 }}", "v1.34.0", False, True),
        ("{{ .Capabilities.KubeVersion }}", "v1.34.0", False, False),
        ("{{ .Capabilities.KubeVersion }}", "v1.34.10", True, False),
        ("{{ .Values.x }}", "v1.34.10", False, False),
    ],
)
def test_a_chart_is_rendered_again_where_that_may_matter(
    tmp_path: Path, template: str, version: str, before: bool, after: bool
) -> None:
    """On the cluster where it asks the cluster, afterwards also where it comes out otherwise each time."""
    helm, here = FakeHelm({}), FakeHelm({})
    made = renderer(helm, folder(tmp_path, "a", template=template))
    rendered = made.before(made.alone(), cast(Helm, here), kube_version=version, served=["v1", "v1/Pod"])
    assert here.told.get("a", []) == ([("v1", "v1/Pod")] if before else [])
    made.after(rendered, cast(Helm, here), kube_version=version, served=["x/v1"], upgraded=True)
    assert here.told.get("a", [])[before:] == ([("x/v1",)] if after else [])
    assert all(options["lookup"] for options in here.options)
    assert [options.get("upgrade", False) for options in here.options] == [False] * before + [True] * after
    assert "lookup" not in helm.options[0]


def test_a_chart_that_does_not_render_ends_it(tmp_path: Path) -> None:
    """The error is helm's own, and nothing is returned in its place."""
    with pytest.raises(RenderFailed, match="does not render"):
        renderer(FakeHelm({}), folder(tmp_path, "a"), folder(tmp_path, "broken")).alone()
