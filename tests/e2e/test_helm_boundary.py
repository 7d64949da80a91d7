"""The real helm: what it renders of a bundle, how it fails, and that calls do not get into each other's way."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.bundles.model import Bundle, Chart, Folder
from harness.bundles.read import read
from harness.helm.client import Helm, RenderFailed
from harness.recipes.load import Catalog
from harness.recipes.resolve import resolve
from harness.settings import ROOT

pytestmark = pytest.mark.e2e

SMALL = ROOT / "tests" / "golden" / "bundles" / "data" / "recipes"
REFERENCES = ROOT.parent / "shared" / "aicr-bundles"
KUBERNETES = "v1.34.10"

Tools = Callable[[str], Path]


@pytest.fixture
def helm(tools: Tools, tmp_path: Path) -> Helm:
    return Helm(tools("helm"), tmp_path / "home")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """The small recipe's."""
    return BuiltinBundler().make(resolve(Catalog.load(SMALL), "eks-training-kubeflow"), "helm", tmp_path / "bundle")


def folder(bundle: Bundle, release: str) -> Folder:
    (found,) = (folder for folder in bundle.folders if folder.release == release)
    return found


def objects(helm: Helm, folder: Folder) -> dict[str, dict[str, Any]]:
    return {item["kind"]: item for item in helm.template(folder, kube_version=KUBERNETES)}


def test_a_local_chart_gets_its_defaults_and_the_recipe_on_top(helm: Helm, bundle: Bundle) -> None:
    """Values of the recipe and the run's placement win; a hook is rendered with the rest."""
    found = objects(helm, folder(bundle, "certificates"))
    assert set(found) == {"Deployment", "Job"}
    assert found["Deployment"]["spec"]["replicas"] == 2
    pod = found["Deployment"]["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"aicr.nvidia.com/node-type": "system"}
    assert [toleration["key"] for toleration in pod["tolerations"]] == ["kwok.x-k8s.io/node"]


def test_cluster_values_win(helm: Helm, bundle: Bundle) -> None:
    """They are what the person who deploys fills in."""
    certificates = folder(bundle, "certificates")
    (certificates.path / "cluster-values.yaml").write_text("replicas: 5\n")
    assert objects(helm, certificates)["Deployment"]["spec"]["replicas"] == 5


def test_text_that_looks_like_something_else_reaches_manifests_as_text(helm: Helm, bundle: Bundle) -> None:
    """12e3, y and 0644 go through values.yaml, Helm and back without becoming numbers or true."""
    data = objects(helm, folder(bundle, "tuning"))["ConfigMap"]["data"]
    assert {key: data[key] for key in ("build", "answer", "mode")} == {"build": "12e3", "answer": "y", "mode": "0644"}
    assert json.loads(data["selector"]) == {"aicr.nvidia.com/node-type": "accelerated"}


def test_manifests_before_and_after_a_chart_render_with_its_values(helm: Helm, bundle: Bundle) -> None:
    """They look values up by the component's name, and know their namespace."""
    assert objects(helm, folder(bundle, "gpu-operator-pre"))["Namespace"]["metadata"]["name"] == "gpu-operator"
    data = objects(helm, folder(bundle, "gpu-operator-post"))["ConfigMap"]["data"]
    assert data["nvidia.conf"].splitlines() == ["NVreg_RestrictProfilingToAdminUsers=0", "NVreg_EnableGpuFirmware=1"]


@pytest.mark.skipif(not REFERENCES.is_dir(), reason="the reference bundles (../shared) are not beside this clone")
@pytest.mark.parametrize("name", ["h100-eks-ubuntu-training-kubeflow", "kind-inference"])
def test_local_charts_of_the_aicr_command_line_render(helm: Helm, name: str) -> None:
    """CRDs of a megabyte among them; each folder gives at least one object."""
    local = [folder for folder in read(REFERENCES / name / "helm" / "bundle").folders if folder.chart.path]
    assert len(local) == 2
    for each in local:
        assert helm.template(each, kube_version=KUBERNETES)


def broken(bundle: Bundle, template: str) -> Folder:
    tuning = folder(bundle, "tuning")
    (tuning.path / "templates" / "sysctl.yaml").write_text(template)
    return tuning


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("a: 1\nb: {{ .Values.none.such }}\n", r"tuning/templates/sysctl\.yaml:2:\d+: .*nil pointer"),
        ("{{ if }}\n", r"tuning/templates/sysctl\.yaml:1\): missing value for if"),
        ("a: b: c\n", r"YAML parse error on tuning/templates/sysctl\.yaml"),
        ("{{ fail `choose a driver` }}", r"tuning/templates/sysctl\.yaml:1:\d+\): choose a driver"),
        ("a: b\n", "renders something that is not a Kubernetes object"),
    ],
)
def test_a_chart_that_does_not_render_is_one_clear_error(helm: Helm, bundle: Bundle, template: str, what: str) -> None:
    """It names the folder, the component, the template and the line, and helm's usage text is not part of it."""
    with pytest.raises(RenderFailed, match=what) as caught:
        helm.template(broken(bundle, template), kube_version=KUBERNETES)
    assert caught.value.where == "002-tuning (component tuning)"
    assert "Use --debug" not in str(caught.value)


def test_a_chart_for_other_kubernetes_versions_says_so(helm: Helm, bundle: Bundle) -> None:
    """The version of the cluster counts, not the one that helm was built with."""
    tuning = folder(bundle, "tuning")
    with (tuning.path / "Chart.yaml").open("a") as file:
        file.write('kubeVersion: ">=1.35.0"\n')
    with pytest.raises(RenderFailed, match="does not support this Kubernetes version"):
        helm.template(tuning, kube_version=KUBERNETES)
    assert helm.template(tuning, kube_version="v1.35.0")


def test_a_missing_dependency_says_what_to_do(helm: Helm, bundle: Bundle) -> None:
    """A chart in git without its charts/ is a frequent mistake."""
    certificates = folder(bundle, "certificates")
    with (certificates.path / "chart" / "Chart.yaml").open("a") as file:
        file.write("dependencies: [{name: sub, version: 1.0.0, repository: https://example.com}]\n")
    with pytest.raises(RenderFailed, match="missing in charts/ directory: sub") as caught:
        helm.template(certificates, kube_version=KUBERNETES)
    assert "helm dependency build" in caught.value.do


def test_a_repository_that_does_not_answer_is_one_clear_error(helm: Helm, bundle: Bundle) -> None:
    """Which chart, which address, and why."""
    operator = folder(bundle, "gpu-operator")
    for repository in ("http://127.0.0.1:9/charts", "oci://127.0.0.1:9/charts"):
        remote = Folder(4, "gpu-operator", "gpu-operator", "gpu", operator.path, Chart("x", "1.0.0", repository))
        with pytest.raises(RenderFailed, match="could not be fetched") as caught:
            helm.template(remote, kube_version=KUBERNETES)
        assert "127.0.0.1:9" in caught.value.what


def test_calls_at_the_same_time_do_not_share_a_home(helm: Helm, bundle: Bundle, tmp_path: Path) -> None:
    """Four at once give what one gives, and leave nothing in the home."""
    certificates = folder(bundle, "certificates")
    alone = helm.template(certificates, kube_version=KUBERNETES)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(helm.template, certificates, kube_version=KUBERNETES) for _ in range(4)]
    assert [future.result() for future in futures] == [alone] * 4
    assert list((tmp_path / "home").iterdir()) == []


def test_the_same_bundle_renders_anywhere(helm: Helm, bundle: Bundle, tmp_path: Path) -> None:
    """No object carries the place of its bundle."""
    shutil.copytree(bundle.directory, tmp_path / "elsewhere" / "copy")
    here, there = ([helm.template(f, kube_version=KUBERNETES) for f in b.folders if f.chart.path] for b in (
        bundle,
        read(tmp_path / "elsewhere" / "copy"),
    ))  # fmt: skip
    assert here == there
