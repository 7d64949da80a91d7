from pathlib import Path

import pytest
import yaml

from harness.bundles.read import read_delivery
from harness.errors import DataError
from tests.fakes.bundles import NAME, RELEASES, TARGETS, make

TARGET = TARGETS["argocd-helm"]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make("argocd-helm", tmp_path / "bundle")


def test_the_chart_is_called_and_versioned_as_helm_will_ask_for_it(bundle: Path) -> None:
    """By the last step of the address and by the tag, which is SemVer."""
    chart = yaml.safe_load((bundle / "Chart.yaml").read_text())
    assert (chart["name"], chart["version"], chart["apiVersion"]) == (NAME, TARGET.tag, "v2")
    assert TARGET.tag.startswith("0.0.0-")


def test_nothing_in_the_chart_says_where_it_is_published(bundle: Path) -> None:
    """That comes with repoURL and targetRevision, so the same bytes work in any registry."""
    for file in bundle.rglob("*"):
        if file.is_file():
            assert "registry.example:5000" not in file.read_text(), file
    assert yaml.safe_load((bundle / "values.yaml").read_text()) == {
        "appName": "aicr-stack",
        "repoURL": "",
        "targetRevision": "",
    }


def test_the_delivery_of_the_built_in_wrapper_chart(bundle: Path) -> None:
    """The root that the lane waits for, and a child for each release."""
    found = read_delivery(bundle, "argocd-helm")
    assert found.root == "aicr-stack"
    assert found.applications == RELEASES


def test_the_root_is_called_as_the_chart_has_it(bundle: Path) -> None:
    """Two bundles in one Argo CD need two names."""
    values = bundle / "values.yaml"
    values.write_text(values.read_text().replace("aicr-stack", "other-stack"))
    assert read_delivery(bundle, "argocd-helm").root == "other-stack"


def test_a_wrapper_chart_without_releases_delivers_nothing(bundle: Path) -> None:
    """The root alone would be healthy."""
    for folder in bundle.glob("[0-9]*"):
        folder.rename(bundle / f"x{folder.name}")
    with pytest.raises(DataError, match="delivers nothing"):
        read_delivery(bundle, "argocd-helm")
