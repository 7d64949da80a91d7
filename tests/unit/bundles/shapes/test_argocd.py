import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.bundles.delivery import Target
from harness.bundles.read import read_delivery
from harness.errors import DataError
from harness.recipes.load import Catalog
from harness.recipes.resolve import resolve
from tests.fakes.bundles import GOLDEN, REAL, REFERENCES, RELEASES, TARGETS, make, needs_references

TARGET = TARGETS["argocd"]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make("argocd", tmp_path / "bundle")


def child(directory: Path, folder: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((directory / folder / "application.yaml").read_text())
    return found


def source(directory: Path, folder: str) -> dict[str, Any]:
    """Where a child comes from, without its values."""
    found: dict[str, Any] = child(directory, folder)["spec"]["source"]
    return {key: value for key, value in found.items() if key != "helm"}


def test_the_root_includes_the_children_of_its_own_artifact(bundle: Path) -> None:
    """Applied by the lane, and everything else follows from it."""
    root = yaml.safe_load((bundle / "app-of-apps.yaml").read_text())
    assert (root["metadata"]["name"], root["metadata"]["namespace"]) == ("nvidia-stack", "argocd")
    assert root["spec"]["source"] == {
        "repoURL": f"oci://{TARGET.repository}",
        "targetRevision": TARGET.tag,
        "path": ".",
        "directory": {"recurse": True, "include": "*/application.yaml"},
    }
    assert root["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}


def test_charts_come_from_the_artifact_or_from_their_repository(bundle: Path) -> None:
    """A path, a chart of an http repository, and the whole address of an OCI chart."""
    own = {"repoURL": f"oci://{TARGET.repository}", "targetRevision": TARGET.tag}
    assert source(bundle, "001-certificates") == {**own, "path": "001-certificates/chart"}
    assert source(bundle, "002-tuning") == {**own, "path": "002-tuning/chart"}
    assert source(bundle, "004-gpu-operator") == {
        "repoURL": "https://charts.example.com/nvidia",
        "chart": "gpu-operator",
        "targetRevision": "v26.3.1",
    }
    assert source(bundle, "006-scheduler") == {
        "repoURL": "oci://registry.example.com/charts/gang-scheduler",
        "chart": "gang-scheduler",
        "targetRevision": "0.14.1",
    }


def test_an_oci_chart_is_asked_for_by_its_tag(tmp_path: Path) -> None:
    """A tag cannot have the plus sign of a version; Helm pushes it with an underscore."""
    shutil.copytree(GOLDEN / "data", tmp_path / "data")
    registry = tmp_path / "data" / "recipes" / "registry.yaml"
    registry.write_text(registry.read_text().replace("0.14.1", "0.14.1+gpu"))
    made = make("argocd", tmp_path / "bundle", tmp_path / "data")
    assert source(made, "006-scheduler")["targetRevision"] == "0.14.1_gpu"


def test_waves_are_the_levels_of_the_graph(bundle: Path) -> None:
    """Seconds pass between two waves, so what does not depend on each other is in the same one."""
    wave = "argocd.argoproj.io/sync-wave"
    found = {
        path.name: child(bundle, path.name)["metadata"]["annotations"][wave] for path in sorted(bundle.glob("[0-9]*"))
    }
    assert found == {
        "001-certificates": "0",
        "002-tuning": "0",
        "003-gpu-operator-pre": "1",
        "004-gpu-operator": "2",
        "005-gpu-operator-post": "3",
        "006-scheduler": "4",
    }


def test_children_make_their_namespace_apply_on_the_server_and_try_again_soon(bundle: Path) -> None:
    """Large CRDs do not fit into a client-side apply; a CRD of another child may come a moment later."""
    policy = child(bundle, "006-scheduler")["spec"]["syncPolicy"]
    assert set(policy["syncOptions"]) == {"CreateNamespace=true", "ServerSideApply=true"}
    assert policy["automated"] == {"prune": True, "selfHeal": True}
    assert policy["retry"]["backoff"] == {"duration": "2s", "factor": 2, "maxDuration": "10s"}


def test_the_delivery_of_the_built_in_bundle(bundle: Path) -> None:
    """The children are what the files say, not what happens to be there."""
    found = read_delivery(bundle, "argocd")
    assert found.root == "nvidia-stack"
    assert found.applications == RELEASES
    assert (found.releases, found.generators, found.sources) == ((), (), ())


def test_children_that_the_root_does_not_include_are_not_expected(bundle: Path) -> None:
    """A root that looks only at its own directory has no children, and that is an error, not a pass."""
    root = bundle / "app-of-apps.yaml"
    root.write_text(root.read_text().replace("recurse: true", "recurse: false"))
    with pytest.raises(DataError, match="delivers nothing"):
        read_delivery(bundle, "argocd")


def test_a_child_that_is_there_twice_is_an_error(bundle: Path) -> None:
    """The second would take over what the first has made."""
    shutil.copytree(bundle / "001-certificates", bundle / "007-certificates")
    with pytest.raises(DataError, match="delivers certificates twice"):
        read_delivery(bundle, "argocd")


@needs_references
@pytest.mark.parametrize("name", ["eks-training", "h100-eks-ubuntu-training-kubeflow", "kind-inference"])
def test_real_charts_and_values_are_those_of_the_aicr_command_line(name: str, tmp_path: Path) -> None:
    """For every chart at a repository: address, chart, version (theirs loses its v), namespace, values."""
    target = Target(f"registry.example:5000/aicr/{name}", "abc1234", True)
    made = BuiltinBundler().make(resolve(Catalog.load(REAL), name), "argocd", tmp_path / "b", target).directory
    ours = {item["metadata"]["name"]: item for item in (child(made, path.name) for path in made.glob("[0-9]*"))}
    reference = REFERENCES / name / "argocd-oci" / "bundle"
    remote = 0
    for path in sorted(reference.glob("[0-9]*")):
        theirs = child(reference, path.name)
        if "chart" not in theirs["spec"]["source"]:
            continue
        remote += 1
        spec, expected = ours[theirs["metadata"]["name"]]["spec"], theirs["spec"]
        for key in ("repoURL", "chart", "targetRevision"):
            assert spec["source"][key].removeprefix("v") == expected["source"][key].removeprefix("v"), path.name
        assert spec["destination"] == expected["destination"], path.name
        assert yaml.safe_load(spec["source"]["helm"]["values"]) == expected["source"]["helm"]["valuesObject"], path.name
    assert remote > 10
