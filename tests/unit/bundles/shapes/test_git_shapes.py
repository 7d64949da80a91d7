"""Bundles that are pulled from Git: the same releases as everywhere, with what only Git can do."""

import os
from pathlib import Path
from typing import Any

import pytest

from harness.bundles.contract.check import check
from harness.bundles.read import read_delivery
from harness.bundles.shapes import pulled
from harness.formats import go_yaml
from harness.publishing.git.transport import GIT
from tests.fakes.bundles import GIT_SHAPES, RELEASES, TARGETS, make

OCI_TWIN = {"argocd-git": "argocd", "flux-git": "flux"}


def load(file: Path) -> Any:
    return go_yaml.load_all(file.read_text())[0]


@pytest.mark.parametrize("shape", GIT_SHAPES)
def test_it_keeps_its_contract_and_delivers_every_release(shape: str, tmp_path: Path) -> None:
    """As the shape of the registry does, under the same names."""
    directory = make(shape, tmp_path / "bundle")
    assert check(directory, shape, {}, TARGETS[shape]) == ()
    assert sorted(read_delivery(directory, shape).names) == sorted(RELEASES)
    assert pulled(shape).deployer == pulled(OCI_TWIN[shape]).deployer


@pytest.mark.parametrize("shape", GIT_SHAPES)
def test_the_same_content_is_the_same_commit(shape: str, tmp_path: Path) -> None:
    """Wherever and whenever it is made; other content is another commit."""
    ids = set()
    for name in ("a", "b"):
        directory = make(shape, tmp_path / name)
        os.utime(directory / "recipe.yaml", (0, 0))
        ids.add(GIT.pack(directory, pulled(shape), TARGETS[shape]).digest)
    assert len(ids) == 1
    (directory / "recipe.yaml").write_text("other\n")
    assert GIT.pack(directory, pulled(shape), TARGETS[shape]).digest not in ids


def test_a_remote_chart_of_argo_cd_has_its_values_in_the_repository(tmp_path: Path) -> None:
    """Two sources: the chart, and the repository of the bundle as `values`; its file is what the other shape says."""
    directory = make("argocd-git", tmp_path / "git")
    spec = load(directory / "004-gpu-operator" / "application.yaml")["spec"]
    chart, values = spec["sources"]
    assert "source" not in spec
    assert chart["helm"]["valueFiles"] == ["$values/004-gpu-operator/values.yaml"]
    assert values == {"repoURL": TARGETS["argocd-git"].url, "targetRevision": "main", "ref": "values"}
    twin = load(make("argocd", tmp_path / "oci") / "004-gpu-operator" / "application.yaml")["spec"]["source"]
    assert {**chart, "helm": None} == {**twin, "helm": None}
    inline = go_yaml.load_all(twin["helm"]["values"])[0]
    assert load(directory / "004-gpu-operator" / "values.yaml") == inline


def test_a_chart_of_the_bundle_is_a_path_with_its_values_beside_it(tmp_path: Path) -> None:
    """In the repository and at the branch that the root is of."""
    directory = make("argocd-git", tmp_path / "git")
    source = load(directory / "002-tuning" / "application.yaml")["spec"]["source"]
    root = load(directory / "app-of-apps.yaml")["spec"]["source"]
    assert (source["repoURL"], source["targetRevision"]) == (root["repoURL"], root["targetRevision"])
    assert source["path"] == "002-tuning/chart"
    assert source["helm"] == {"valueFiles": ["../values.yaml"]}


def test_flux_names_a_chart_of_the_bundle_by_its_path(tmp_path: Path) -> None:
    """Anew with each commit, since its version may stay; nothing is cut out of the repository."""
    directory = make("flux-git", tmp_path / "git")
    chart = load(directory / "tuning" / "helmrelease.yaml")["spec"]["chart"]["spec"]
    assert chart["chart"] == "./tuning/chart"
    assert chart["reconcileStrategy"] == "Revision"
    assert chart["sourceRef"] == {"kind": "GitRepository", "name": "aicr-bundle", "namespace": "flux-system"}
    assert read_delivery(directory, "flux-git").generators == ()
    assert not list(directory.rglob("artifactgenerator.yaml"))
