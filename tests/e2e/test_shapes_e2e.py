"""The shapes that a controller pulls, read by the tools that the controllers themselves use: helm and kustomize."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.bundles.bundlers.builtin import BuiltinBundler
from harness.bundles.delivery import Target
from harness.bundles.read import read_delivery
from harness.formats import go_yaml
from harness.processes import commands
from harness.processes.commands import CommandFailed
from harness.recipes.load import Catalog
from harness.recipes.model import Recipe
from harness.recipes.resolve import resolve
from harness.settings import ROOT, load

pytestmark = pytest.mark.e2e

Tools = Callable[[str], Path]

RECIPES = sorted(path.stem for path in (ROOT / "kwok" / "recipes" / "overlays").glob("*training*.yaml"))
PARENT = "oci://registry.example:5000/aicr"


def recipe(name: str) -> Recipe:
    return resolve(Catalog.load(ROOT / "kwok" / "recipes"), name)


def target(name: str, tag: str = "0.0.0-abc1234") -> Target:
    return Target(f"{PARENT.removeprefix('oci://')}/{name}", tag, plain_http=True)


def template(helm: Path, directory: Path, *words: str) -> list[dict[str, Any]]:
    command: list[str | Path] = [helm, "template", "aicr-test-stack", directory, "--namespace", "argocd", *words]
    return [item for item in go_yaml.load_all(commands.run(command, timeout=60).stdout) if item]


@pytest.mark.parametrize("name", RECIPES)
def test_the_wrapper_chart_yields_the_root_and_its_children(name: str, tools: Tools, tmp_path: Path) -> None:
    """With an address: the root pulls the same chart, children what the helm lane installs, with the same values."""
    directory = BuiltinBundler().make(recipe(name), "argocd-helm", tmp_path / "bundle", target(name)).directory
    helm = BuiltinBundler().make(recipe(name), "helm", tmp_path / "helm")
    words = ("--set", f"repoURL={PARENT}/", "--set", "targetRevision=0.0.0-def5678")
    found = {item["metadata"]["name"]: item["spec"] for item in template(tools("helm"), directory, *words)}

    delivery = read_delivery(directory, "argocd-helm")
    assert set(found) == {delivery.root, *delivery.applications}
    own = {"repoURL": f"{PARENT}/{name}", "targetRevision": "0.0.0-def5678"}
    root = found[delivery.root]["source"]
    assert {key: root[key] for key in ("repoURL", "targetRevision", "path")} == {**own, "path": "."}
    passed_on = go_yaml.load_all(root["helm"]["values"])[0]
    assert passed_on == {"appName": "aicr-stack", "repoURL": f"{PARENT}/", "targetRevision": "0.0.0-def5678"}
    for folder in helm.folders:
        child = found[folder.release]
        values = go_yaml.load_all((folder.path / "values.yaml").read_text())
        assert go_yaml.load_all(child["source"]["helm"]["values"]) == values, folder.release
        assert child["destination"]["namespace"] == folder.namespace
        if folder.chart.path:
            assert {key: child["source"][key] for key in own} == own
            assert (directory / child["source"]["path"] / "Chart.yaml").is_file()


def test_the_wrapper_chart_asks_for_its_address_and_knows_its_version(tools: Tools, tmp_path: Path) -> None:
    """A root that pulls from nowhere would be found out minutes later."""
    name = "eks-training"
    directory = BuiltinBundler().make(recipe(name), "argocd-helm", tmp_path / "bundle", target(name)).directory
    with pytest.raises(CommandFailed, match="set repoURL to the address"):
        template(tools("helm"), directory)
    found = template(tools("helm"), directory, "--set", f"repoURL={PARENT}", "--set", "appName=other-stack")
    (root,) = [item for item in found if item["metadata"]["name"] == "other-stack"]
    assert root["spec"]["source"]["targetRevision"] == "0.0.0-abc1234"


@pytest.fixture
def kustomize(tools: Tools) -> Path:
    """The kustomize that kustomize-controller is built with stands for it."""
    if "kustomize" not in load(environment={}).tools.pins:
        pytest.skip("there is no pin for kustomize in settings.yaml")
    return tools("kustomize")


@pytest.mark.parametrize("name", RECIPES)
def test_kustomize_builds_the_flux_tree_as_it_was_written(name: str, kustomize: Path, tmp_path: Path) -> None:
    """Every release, generator and source comes out once, and values survive: nulls, numbers, words like y."""
    directory = BuiltinBundler().make(recipe(name), "flux", tmp_path / "bundle", target(name)).directory
    built = go_yaml.load_all(commands.run([kustomize, "build", directory], timeout=60).stdout)
    files = [*directory.glob("*/helmrelease.yaml"), *directory.glob("*/artifactgenerator.yaml")]
    written = [go_yaml.load_all(file.read_text())[0] for file in (*files, *directory.glob("sources/*.yaml"))]
    key = lambda item: (item["kind"], item["metadata"]["name"])  # noqa: E731
    assert sorted(built, key=key) == sorted(written, key=key)


def test_kustomize_refuses_what_the_contract_calls_a_missing_path(kustomize: Path, tmp_path: Path) -> None:
    """The rule is the consumer's own."""
    golden = ROOT / "tests" / "golden" / "bundles" / "flux" / "eks-training-kubeflow"
    shutil.copytree(golden, tmp_path / "bundle")
    commands.run([kustomize, "build", tmp_path / "bundle"], timeout=60)
    (tmp_path / "bundle" / "scheduler" / "helmrelease.yaml").unlink()
    with pytest.raises(CommandFailed, match=r"scheduler/helmrelease\.yaml"):
        commands.run([kustomize, "build", tmp_path / "bundle"], timeout=60)
