"""What the three shapes that a controller pulls have in common with each other and with the helm shape."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.bundles.contract.check import check
from harness.bundles.delivery import Target
from harness.bundles.model import Bundle
from harness.bundles.read import read_delivery
from harness.bundles.shapes import argocd
from harness.errors import DataError, UsageError
from harness.formats import go_yaml
from harness.publishing.oci.artifact import pack_chart, pack_directory
from harness.recipes.load import Catalog
from harness.recipes.resolve import resolve
from harness.recipes.values import parse_set
from tests.fakes.bundles import (
    GIT_SHAPES,
    GOLDEN,
    LANES,
    NAME,
    REAL,
    REFERENCES,
    TARGETS,
    make,
    needs_references,
    small,
    tree,
)

SHAPES = sorted(LANES)


def load(file: Path) -> Any:
    return go_yaml.load_all(file.read_text())[0]


def delivered(directory: Path, shape: str) -> dict[str, tuple[str, Any]]:
    """(namespace, values) by release, as the shape has them."""
    found: dict[str, tuple[str, Any]] = {}
    if shape == "flux":
        for file in directory.glob("*/helmrelease.yaml"):
            spec = load(file)["spec"]
            found[spec["releaseName"]] = (spec["targetNamespace"], spec["values"])
    elif shape == "argocd":
        for file in directory.glob("*/application.yaml"):
            item = load(file)
            values = go_yaml.load_all(item["spec"]["source"]["helm"]["values"])[0]
            found[item["metadata"]["name"]] = (item["spec"]["destination"]["namespace"], values)
    else:
        for folder in directory.glob("[0-9]*"):
            release = folder.name[4:]
            template = (directory / "templates" / f"{release}.yaml").read_text()
            assert f'.Files.Get "{folder.name}/values.yaml"' in template
            namespace = template.split("destination:\n    namespace: ")[1].split("\n")[0]
            found[release] = (namespace, load(folder / "values.yaml"))
    return found


def charts(directory: Path) -> Mapping[str, bytes]:
    """The files of all charts within a bundle, by release and path, less what the helm shape adds to a folder."""
    found = {}
    for path, data in tree(directory).items():
        folder, _, rest = path.partition("/")
        rest = rest.removeprefix("chart/")
        if rest == "Chart.yaml" or rest.startswith("templates/") or path.endswith("chart/values.yaml"):
            found[f"{folder.lstrip('0123456789').removeprefix('-')}/{rest}"] = data
    return found


@pytest.mark.parametrize("shape", [*SHAPES, *GIT_SHAPES])
def test_the_bundle_of_the_small_recipe_is_the_committed_one_in_every_shape(shape: str, tmp_path: Path) -> None:
    """Every byte of a bundle is reviewed. KWOK_UPDATE_GOLDEN=1 writes what is made now."""
    golden = GOLDEN / shape / NAME
    made = make(shape, tmp_path / "bundle")
    if os.environ.get("KWOK_UPDATE_GOLDEN") == "1":
        shutil.rmtree(golden, ignore_errors=True)
        shutil.copytree(made, golden)
    assert tree(made) == tree(golden)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_input_gives_the_same_artifact(shape: str, tmp_path: Path) -> None:
    """Neither places nor the umask leave a trace: the digest is that of the content."""
    shutil.copytree(GOLDEN / "data", tmp_path / "data")
    old = os.umask(0o077)
    try:
        one = make(shape, tmp_path / "one" / "bundle", tmp_path / "data")
        os.umask(0)
        other = make(shape, tmp_path / "other")
    finally:
        os.umask(old)
    pack = pack_chart if shape == "argocd-helm" else pack_directory
    assert pack(one).digest == pack(other).digest
    assert all(str(tmp_path).encode() not in data for data in tree(one).values())


@pytest.mark.parametrize("shape", SHAPES)
def test_checksums_cover_every_file_of_every_shape(shape: str, tmp_path: Path) -> None:
    """What `sha256sum --check` reads; it knows of every file but itself."""
    made = make(shape, tmp_path / "bundle")
    listed = [line.split("  ", 1)[1] for line in (made / "checksums.txt").read_text().splitlines()]
    assert listed == sorted(set(tree(made)) - {"checksums.txt"})
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "checksums.txt"], cwd=made, check=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_releases_namespaces_and_values_are_those_of_the_helm_lane(shape: str, tmp_path: Path) -> None:
    """What a lane creates can be compared, because every shape delivers the same releases. A null stays a null."""
    shutil.copytree(GOLDEN / "data", tmp_path / "data")
    values = tmp_path / "data" / "recipes" / "components" / "gpu-operator" / "values.yaml"
    values.write_text(
        values.read_text() + "\ngone: null\nexpression: '{{ .Values.x }}'\ntext: |2\n    two\n\n  lines\n"
    )
    helm = BuiltinBundler().make(small(tmp_path / "data"), "helm", tmp_path / "helm")
    expected = {folder.release: (folder.namespace, load(folder.path / "values.yaml")) for folder in helm.folders}
    assert expected["gpu-operator"][1]["gone"] is None
    assert delivered(make(shape, tmp_path / "bundle", tmp_path / "data"), shape) == expected


@pytest.mark.parametrize("shape", SHAPES)
def test_charts_in_the_bundle_are_those_of_the_helm_lane(shape: str, tmp_path: Path) -> None:
    """The same files to the byte; the chart of a data root with the defaults of its author."""
    BuiltinBundler().make(small(), "helm", tmp_path / "helm")
    expected = charts(tmp_path / "helm")
    assert {path.split("/")[0] for path in expected} == {
        "certificates",
        "gpu-operator-post",
        "gpu-operator-pre",
        "tuning",
    }
    found = charts(make(shape, tmp_path / "bundle"))
    assert {path: data for path, data in found.items() if path in expected} == expected


@pytest.mark.parametrize("shape", SHAPES)
def test_an_artifact_of_the_built_in_bundler_keeps_the_contract(shape: str, tmp_path: Path) -> None:
    """Bundler, packer and contract agree about one and the same artifact."""
    made = make(shape, tmp_path / "bundle")
    artifact = (pack_chart if shape == "argocd-helm" else pack_directory)(made)
    manifest = load_json(artifact.manifest)
    assert check(made, shape, manifest, TARGETS[shape], layer=artifact.layer) == ()


def load_json(data: bytes) -> Any:
    return go_yaml.load_all(data.decode())[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_that_is_pulled_needs_an_address(shape: str, tmp_path: Path) -> None:
    """A usage error, before anything is written."""
    with pytest.raises(UsageError, match="where it will be published"):
        BuiltinBundler().make(small(), shape, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_bundle_can_be_made_before_its_tag_is_known(shape: str, tmp_path: Path) -> None:
    """A tag that names the content is computed from a bundle with an empty one."""
    target = Target(TARGETS[shape].repository, "", True)
    bundle = BuiltinBundler().make(small(), shape, tmp_path / "bundle", target)
    assert bundle == Bundle(tmp_path / "bundle", shape, (), bundle.document)
    assert bundle.document["kind"] == "RecipeResult"


@pytest.mark.parametrize("shape", ["helm", *SHAPES])
def test_no_two_releases_have_one_name(shape: str, tmp_path: Path) -> None:
    """A component called like the manifests after another one's chart would be written over them."""
    shutil.copytree(GOLDEN / "data", tmp_path / "data")
    for path in ("recipes/registry.yaml", "recipes/overlays/base.yaml", "recipes/overlays/eks-training-kubeflow.yaml"):
        file = tmp_path / "data" / path
        file.write_text(file.read_text().replace("name: scheduler", "name: gpu-operator-post"))
    target = TARGETS.get(shape)
    with pytest.raises(DataError, match="two releases called gpu-operator-post"):
        BuiltinBundler().make(small(tmp_path / "data"), shape, tmp_path / "bundle", target)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_component_that_got_lost_is_seen_when_the_bundle_is_read(shape: str, tmp_path: Path) -> None:
    """The recipe in the bundle says what there has to be."""
    made = make(shape, tmp_path / "bundle")
    recipe = made / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("name: tuning", "name: turning"))
    with pytest.raises(DataError, match="does not deliver turning"):
        read_delivery(made, shape)


@needs_references
@pytest.mark.parametrize("name", ["eks-training", "h100-eks-ubuntu-training-kubeflow", "kind-inference"])
@pytest.mark.parametrize("shape", SHAPES)
def test_real_recipes_are_delivered_as_the_aicr_command_line_delivers_them(
    shape: str, name: str, tmp_path: Path
) -> None:
    """The same root and children, releases, generators and sources, in whatever order."""
    recipe = resolve(Catalog.load(REAL), name)
    target = Target(f"registry.example:5000/aicr/{name}", "0.0.0-abc1234", True)
    bundler = BuiltinBundler([parse_set("nodewright-customizations:enabled=true")])
    ours = read_delivery(bundler.make(recipe, shape, tmp_path / "b", target).directory, shape)
    theirs = read_delivery(REFERENCES / name / LANES[shape] / "bundle", shape)
    assert ours.root == theirs.root
    assert set(ours.applications) == set(theirs.applications)
    assert set(ours.releases) == set(theirs.releases)
    assert set(ours.generators) == set(theirs.generators)
    assert set(ours.sources) == set(theirs.sources)


def test_a_root_leaves_the_finalizers_of_its_children_out_of_the_comparison_alone() -> None:
    """What a sync respects it writes back as it remembers it, and with it the status of an Application."""
    spec = argocd.root("top", {"path": "."}, "ServerSideApply=true")["spec"]
    assert [each["jsonPointers"] for each in spec["ignoreDifferences"]] == [["/metadata/finalizers"]]
    assert spec["syncPolicy"]["syncOptions"] == ["ServerSideApply=true"]
    assert "syncOptions" not in argocd.root("top", {"path": "."})["spec"]["syncPolicy"]
