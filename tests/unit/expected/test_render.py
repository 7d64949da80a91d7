"""Releases are rendered before anything is installed, with the API versions that they would find."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from harness.bundles.model import Bundle, Chart, Folder
from harness.expected.render import render
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
    """Answers with the objects of a release, and remembers which API versions it was told."""

    def __init__(self, objects: dict[str, list[dict[str, Any]]]) -> None:
        self._objects = objects
        self.told: dict[str, list[tuple[str, ...]]] = {}

    def template(self, folder: Folder, *, kube_version: str, api_versions: Sequence[str] = ()) -> list[dict[str, Any]]:
        self.told.setdefault(folder.release, []).append(tuple(api_versions))
        if folder.release == "broken":
            raise RenderFailed("does not render")
        return self._objects.get(folder.release, [])


def folder(tmp_path: Path, release: str, *after: str, template: str = "", remote: bool = False) -> Folder:
    chart = tmp_path / release / "chart" / "templates"
    chart.mkdir(parents=True)
    (chart / "x.yaml").write_text(template)
    where = None if remote else chart.parent
    return Folder(1, release, release, release, tmp_path / release, Chart(release, "1", "", where), after)


def rendered(helm: FakeHelm, *folders: Folder) -> dict[str, list[dict[str, Any]]]:
    return render(cast(Helm, helm), Bundle(Path(), "helm", folders, {}), kube_version="v1.34.0")


def test_every_release_is_rendered(tmp_path: Path) -> None:
    """The result has each release, also one that renders nothing."""
    helm = FakeHelm({"a": [{"kind": "Service"}]})
    assert rendered(helm, folder(tmp_path, "a"), folder(tmp_path, "b")) == {"a": [{"kind": "Service"}], "b": []}


def test_a_chart_that_asks_is_told_what_the_releases_below_it_bring(tmp_path: Path) -> None:
    """Served versions of CRDs, through all its dependencies; not those of releases beside it."""
    helm = FakeHelm({"crds": [crd("x.io", "Widget", "v0", "v1")], "beside": [crd("y.io", "Other", "v1")]})
    asks = "{{ .Capabilities.APIVersions.Has }}"
    rendered(
        helm,
        folder(tmp_path, "crds"),
        folder(tmp_path, "beside"),
        folder(tmp_path, "middle", "crds"),
        folder(tmp_path, "top", "middle", template=asks),
        folder(tmp_path, "alone", template=asks),
    )
    assert helm.told["top"] == [(), ("x.io/v1", "x.io/v1/Widget")]
    assert helm.told["middle"] == [()]
    assert helm.told["alone"] == [()]


def test_a_chart_that_is_elsewhere_may_ask(tmp_path: Path) -> None:
    """What a remote chart looks at is not known here, so it is told."""
    helm = FakeHelm({"crds": [crd("x.io", "Widget", "v1")]})
    rendered(helm, folder(tmp_path, "crds"), folder(tmp_path, "top", "crds", remote=True))
    assert helm.told["top"] == [(), ("x.io/v1", "x.io/v1/Widget")]


def test_a_chart_that_does_not_render_ends_it(tmp_path: Path) -> None:
    """The error is helm's own, and nothing is returned in its place."""
    with pytest.raises(RenderFailed, match="does not render"):
        rendered(FakeHelm({}), folder(tmp_path, "a"), folder(tmp_path, "broken"))
