from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.bundles.delivery import Target
from harness.bundles.read import read, read_delivery
from harness.bundles.shapes.flux import source_names
from harness.errors import DataError, UsageError
from harness.recipes.load import Catalog
from harness.recipes.resolve import resolve
from tests.fakes.bundles import REAL, REFERENCES, TARGETS, make, needs_references, small


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make("flux", tmp_path / "bundle")


def load(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


def test_everything_that_is_to_be_applied_is_listed_once_and_in_order(bundle: Path) -> None:
    """Without its kustomization Flux would apply every YAML file it finds, templates of charts too."""
    listed = load(bundle / "kustomization.yaml")["resources"]
    objects = [*bundle.glob("*/helmrelease.yaml"), *bundle.glob("*/artifactgenerator.yaml"), *bundle.glob("sources/*")]
    assert listed == sorted(file.relative_to(bundle).as_posix() for file in objects)
    assert len(listed) == 6 + 4 + 2


def test_dependencies_follow_the_graph_of_the_recipe(bundle: Path, tmp_path: Path) -> None:
    """The same as in the helm lane, so independent components go side by side."""
    helm = BuiltinBundler().make(small(), "helm", tmp_path / "helm")
    expected = {folder.release: folder.depends_on for folder in helm.folders}
    assert expected["tuning"] == ()
    assert expected["gpu-operator-pre"] == ("tuning", "certificates")
    assert read_delivery(bundle, "flux").depends_on == expected


def test_a_release_has_the_name_that_helm_gives_it(bundle: Path) -> None:
    """Flux would put the namespace in front, and charts name their objects after the release."""
    spec = load(bundle / "gpu-operator-pre" / "helmrelease.yaml")["spec"]
    assert spec["releaseName"] == "gpu-operator-pre"
    assert spec["targetNamespace"] == "gpu-operator"
    assert spec["install"] == {"createNamespace": True}


def test_a_chart_of_the_bundle_comes_through_a_generator_in_a_directory_of_its_own(bundle: Path) -> None:
    """At the root of an artifact helm-controller takes the chart for content outside of it."""
    generator = load(bundle / "certificates" / "artifactgenerator.yaml")
    release = load(bundle / "certificates" / "helmrelease.yaml")
    assert generator["spec"]["sources"] == [{"alias": "bundle", "kind": "OCIRepository", "name": "aicr-bundle"}]
    (artifact,) = generator["spec"]["artifacts"]
    assert artifact["copy"] == [{"from": "@bundle/certificates/chart/**", "to": "@artifact/certificates/"}]
    assert (bundle / "certificates" / "chart" / "Chart.yaml").is_file()
    reference = {"kind": "ExternalArtifact", "name": artifact["name"], "namespace": "flux-system"}
    assert release["spec"]["chartRef"] == reference
    assert "chart" not in release["spec"]


def test_charts_of_repositories_come_through_one_source_for_each_repository(bundle: Path) -> None:
    """An OCI repository is of type oci; the chart, its version and the source are named by the release."""
    sources = {file.name: load(file)["spec"] for file in (bundle / "sources").iterdir()}
    assert sources == {
        "helmrepo-charts-example-com-nvidia.yaml": {"url": "https://charts.example.com/nvidia", "interval": "10m"},
        "helmrepo-registry-example-com-charts.yaml": {
            "url": "oci://registry.example.com/charts",
            "type": "oci",
            "interval": "10m",
        },
    }
    assert load(bundle / "scheduler" / "helmrelease.yaml")["spec"]["chart"]["spec"] == {
        "chart": "gang-scheduler",
        "version": "0.14.1",
        "sourceRef": {"kind": "HelmRepository", "name": "registry-example-com-charts", "namespace": "flux-system"},
    }


@pytest.mark.parametrize(
    ("target", "insecure"),
    [
        pytest.param(Target("registry.example.com/aicr/x", "t", True), True, id="the registry of the run"),
        pytest.param(Target("registry.example.com/aicr/x", "t", False), None, id="with TLS"),
        pytest.param(Target("registry.example.co/aicr/x", "t", True), None, id="a host that only begins alike"),
    ],
)
def test_only_the_registry_of_the_run_is_asked_without_tls(
    target: Target, insecure: bool | None, tmp_path: Path
) -> None:
    """Charts may be mirrored there; any other registry keeps its TLS, and http repositories have no such key."""
    made = BuiltinBundler().make(small(), "flux", tmp_path / "b", target).directory
    assert load(made / "sources" / "helmrepo-registry-example-com-charts.yaml")["spec"].get("insecure") is insecure
    assert "insecure" not in load(made / "sources" / "helmrepo-charts-example-com-nvidia.yaml")["spec"]


def test_two_addresses_never_share_a_source() -> None:
    """Names are made of host and path, where different addresses can come out alike."""
    urls = ["https://a.example/b", "oci://a.example/b", "https://a-example/b", "https://other.example", ""]
    names = source_names(urls)
    assert set(names) == set(urls) - {""}
    assert len(set(names.values())) == 4
    assert names["https://other.example"] == "other-example"
    assert source_names(reversed(urls)) == names


def test_the_delivery_of_the_built_in_flux_bundle(bundle: Path) -> None:
    """The set that has to become Ready, by namespace and name."""
    found = read_delivery(bundle, "flux")
    names = ("certificates", "gpu-operator-post", "gpu-operator-pre", "gpu-operator", "scheduler", "tuning")
    assert found.root == ""
    assert found.applications == ()
    assert found.releases == tuple(("flux-system", name) for name in names)
    generators = ("certificates-chart", "gpu-operator-post-chart", "gpu-operator-pre-chart", "tuning-chart")
    assert found.generators == tuple(("flux-system", name) for name in generators)
    assert found.sources == (
        ("HelmRepository", "flux-system", "charts-example-com-nvidia"),
        ("HelmRepository", "flux-system", "registry-example-com-charts"),
    )


def test_a_listed_file_that_is_missing_is_an_error(bundle: Path) -> None:
    """Fewer releases than the bundle names must never be enough."""
    (bundle / "tuning" / "helmrelease.yaml").unlink()
    with pytest.raises(DataError, match="cannot be read") as caught:
        read_delivery(bundle, "flux")
    assert caught.value.where.endswith("tuning/helmrelease.yaml")


def test_only_shapes_that_are_pulled_have_a_delivery(bundle: Path) -> None:
    """Helm is driven by the lane itself."""
    with pytest.raises(UsageError, match="no controller pulls bundles of shape 'helm'"):
        read_delivery(bundle, "helm")


def test_reading_a_bundle_gives_its_recipe_and_no_folders(bundle: Path) -> None:
    """There is nothing in it that helm installs."""
    found = read(bundle, "flux")
    assert (found.shape, found.folders) == ("flux", ())
    assert found.document["deploymentOrder"] == ["certificates", "tuning", "gpu-operator", "scheduler"]


@needs_references
@pytest.mark.parametrize(
    ("name", "releases", "generators", "sources"),
    [
        ("eks-training", 13, set(), 10),
        (
            "h100-eks-ubuntu-training-kubeflow",
            16,
            {"kubeflow-trainer-post-chart", "nodewright-customizations-chart"},
            11,
        ),
        ("kind-inference", 16, {"agentgateway-crds-post-chart", "agentgateway-post-chart"}, 9),
    ],
)
def test_what_real_bundles_lead_to_is_read_out_of_them(
    name: str, releases: int, generators: set[str], sources: int
) -> None:
    """Counted by hand in the files of the aicr command line; all three lanes deliver the same releases."""
    found = read_delivery(REFERENCES / name / "flux-oci" / "bundle", "flux")
    assert len(found.releases) == releases
    assert {namespace for namespace, _ in found.releases} == {"flux-system"}
    assert {generator for _, generator in found.generators} == generators
    assert len(found.sources) == sources
    names = {release for _, release in found.releases}
    assert found.depends_on["prometheus-adapter"] == ("nvsentinel",)
    for lane, shape, root in (
        ("argocd-oci", "argocd", "nvidia-stack"),
        ("argocd-helm-oci", "argocd-helm", "aicr-stack"),
    ):
        other = read_delivery(REFERENCES / name / lane / "bundle", shape)
        assert (other.root, set(other.applications)) == (root, names)


@needs_references
def test_real_values_and_sources_are_those_of_the_aicr_command_line(tmp_path: Path) -> None:
    """Namespace, values, and the chart at the same address (versions lose their v there)."""
    name = "kind-inference"
    target = replace(TARGETS["flux"], repository=f"registry.example:5000/aicr/{name}")
    made = BuiltinBundler().make(resolve(Catalog.load(REAL), name), "flux", tmp_path / "b", target).directory
    reference = REFERENCES / name / "flux-oci" / "bundle"
    for file in sorted(reference.glob("*/helmrelease.yaml")):
        theirs, ours = load(file)["spec"], load(made / file.parent.name / "helmrelease.yaml")["spec"]
        assert ours["targetNamespace"] == theirs["targetNamespace"]
        assert ours["values"] == theirs["values"], file.parent.name
        assert ("chart" in ours, "chartRef" in ours) == ("chart" in theirs, "chartRef" in theirs)
        if "chart" in theirs:
            chart, expected = ours["chart"]["spec"], theirs["chart"]["spec"]
            assert chart["version"].removeprefix("v") == expected["version"].removeprefix("v")
            assert (chart["chart"], chart["sourceRef"]) == (expected["chart"], expected["sourceRef"])
    for file in (reference / "sources").iterdir():
        assert load(made / "sources" / file.name) == load(file)
