"""Manifests before and after a chart are plain objects, as the reference tool makes them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.bundles.model import Bundle
from harness.formats.go_yaml import load_all
from harness.recipes.resolve import resolve
from harness.recipes.values import NodePlacement, parse_set
from tests.fakes.recipes import Data, ref

NOWHERE = NodePlacement({}, [], {}, [])
HELM = {
    "defaultRepository": "https://charts.example.com",
    "defaultChart": "vendor/the-chart",
    "defaultVersion": "v1.2.3",
}


def made(tmp_path: Path, text: str, *sets: str, overlay: Any = None, entry: Any = None, **fields: Any) -> Bundle:
    """The helm bundle of a recipe whose component `a` has a chart and a manifest of `text` after it."""
    data = Data(tmp_path)
    data.registry({"name": "a", "helm": {**HELM, "defaultNamespace": "home"}, **(entry or {})})
    data.file("manifests/some.yaml", text)
    data.overlay("x", {"componentRefs": [ref("a", **fields)], **(overlay or {})})
    overrides = [parse_set(text) for text in sets]
    return BuiltinBundler(overrides, NOWHERE).make(resolve(data.load(), "x"), "helm", tmp_path / "bundle")


def objects(bundle: Bundle, release: str) -> list[Any]:
    folder = next(folder for folder in bundle.folders if folder.release == release)
    return [item for file in sorted(folder.path.glob("templates/*")) for item in load_all(file.read_text())]


TEXT = """\
metadata:
  name: {{ (index .Values "a").name }}
  namespace: {{ .Release.Namespace }}
  labels:
    helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
    app.kubernetes.io/managed-by: {{ .Release.Service }}
"""


def test_a_manifest_has_the_final_values_and_the_chart_of_its_component(tmp_path: Path) -> None:
    """Names and labels are those of the chart that the component is about, not of what carries the manifest."""
    bundle = made(tmp_path, TEXT, "a:name=mine")
    labels = {"helm.sh/chart": "the-chart-1.2.3", "app.kubernetes.io/managed-by": "Helm"}
    assert objects(bundle, "a-post") == [{"metadata": {"name": "mine", "namespace": "home", "labels": labels}}]


@pytest.mark.parametrize(
    ("annotations", "left"),
    [
        ({"helm.sh/hook": "post-install,post-upgrade", "helm.sh/hook-weight": "5", "a": "b"}, {"a": "b"}),
        ({"helm.sh/hook": "crd-install", "helm.sh/hook-delete-policy": "before-hook-creation"}, {}),
        (
            {"helm.sh/hook": "post-install, pre-delete", "helm.sh/hook-weight": "5"},
            {"helm.sh/hook": "pre-delete", "helm.sh/hook-weight": "5"},
        ),
        ({"helm.sh/resource-policy": "keep"}, {"helm.sh/resource-policy": "keep"}),
    ],
)
def test_hooks_are_taken_out(tmp_path: Path, annotations: dict[str, str], left: dict[str, str]) -> None:
    """The order of releases does what they are for; those of a deletion have no such order."""
    bundle = made(tmp_path, yaml.safe_dump({"kind": "Job", "metadata": {"name": "a", "annotations": annotations}}))
    assert objects(bundle, "a-post")[0]["metadata"]["annotations"] == left


def test_braces_in_a_rendered_text_are_no_instructions_to_helm(tmp_path: Path) -> None:
    """What a template says literally is delivered literally: an alert of Prometheus has braces of its own."""
    bundle = made(tmp_path, "metadata:\n  name: a\ndata: '{{ `{{ $labels.pod }}` }}'\n")
    file = bundle.directory / "002-a-post" / "templates" / "some.yaml"
    assert '{{ "{{" }} $labels.pod }}' in file.read_text()


def test_a_manifest_that_renders_to_nothing_is_left_out(tmp_path: Path) -> None:
    """A condition that does not hold leaves no object; the release is there, and empty."""
    bundle = made(tmp_path, "# nothing\n---\n{{ if false }}a: b{{ end }}\n")
    assert [folder.release for folder in bundle.folders] == ["a", "a-post"]
    assert objects(bundle, "a-post") == []


@pytest.mark.parametrize(("service", "nodes", "pods"), [("gke", 0, "32"), ("gke", 4, "128"), ("eks", 4, None)])
def test_gke_gets_a_quota_for_critical_pods(tmp_path: Path, service: str, nodes: int, pods: str | None) -> None:
    """Where the registry says that a component has such pods, its namespace gets a quota that admits them."""
    overlay = {"criteria": {"service": service, "nodes": nodes}}
    bundle = made(tmp_path, "", overlay=overlay, entry={"gkeCriticalPriority": True})
    before = bundle.folders[0].release == "a-pre"
    assert before == (pods is not None)
    if pods:
        (quota,) = objects(bundle, "a-pre")
        assert (quota["kind"], quota["metadata"]["namespace"], quota["spec"]["hard"]) == (
            "ResourceQuota",
            "home",
            {"pods": pods},
        )


def test_a_link_in_a_chart_becomes_what_it_leads_to(tmp_path: Path) -> None:
    """A file beside the chart and a directory in it, as Helm follows them; the recipe is made of them too."""
    data = Data(tmp_path)
    data.registry(
        {"name": "a", "helm": {"defaultRepository": "file://charts", "defaultChart": "app", "defaultNamespace": "a"}}
    )
    data.overlay("x", {"componentRefs": [{"name": "a"}]})
    chart = tmp_path / "charts" / "app"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: app\nversion: 1.0.0\n")
    (tmp_path / "charts" / "common.tpl").write_text("common")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.yaml").write_text("kind: A\n")
    (chart / "templates" / "_common.tpl").symlink_to("../../common.tpl")
    (chart / "templates" / "more").symlink_to(tmp_path / "more")
    recipe = resolve(data.load(), "x")
    bundle = BuiltinBundler().make(recipe, "helm", tmp_path / "bundle")
    made = bundle.folders[0].path / "chart" / "templates"
    assert (made / "_common.tpl").read_text() == "common"
    assert (made / "more" / "a.yaml").read_text() == "kind: A\n"
    assert not any(path.is_symlink() for path in bundle.directory.rglob("*"))
    assert chart / "templates" / "more" / "a.yaml" in recipe.files
