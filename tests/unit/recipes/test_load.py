"""Loading: one broken file refuses the directory, with file and line, before anything is created."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import DataError, UsageError
from harness.exits import Exit
from harness.names import API_VERSION
from harness.recipes.load import Catalog
from tests.fakes.recipes import Data, ref


def overlay(spec: dict[str, Any]) -> Callable[[Data], object]:
    return lambda data: data.overlay("x", spec)


def text(path: str, content: str) -> Callable[[Data], object]:
    return lambda data: data.file(path, content)


def registry(*entries: dict[str, Any]) -> Callable[[Data], object]:
    return lambda data: data.registry(*entries)


HEAD = f"apiVersion: {API_VERSION}\nkind: RecipeMetadata\n"
HELM: dict[str, Any] = {"helm": {}}
BROKEN: dict[str, tuple[Callable[[Data], object], str, str]] = {
    "duplicate key": (text("overlays/x.yaml", HEAD + "kind: RecipeMetadata\n"), "overlays/x.yaml:3", "duplicate key"),
    "no kind": (text("overlays/x.yaml", f"apiVersion: {API_VERSION}\n"), "overlays/x.yaml", "kind is missing"),
    "wrong kind": (
        text("overlays/x.yaml", f"apiVersion: {API_VERSION}\nkind: RecipeMixin\n"),
        "overlays/x.yaml:2",
        "kind is 'RecipeMixin'",
    ),
    "overlay among mixins": (text("mixins/x.yaml", HEAD), "mixins/x.yaml:2", "kind is 'RecipeMetadata'"),
    "wrong version": (
        text("overlays/x.yaml", "apiVersion: v1\nkind: RecipeMetadata\n"),
        "overlays/x.yaml:1",
        "apiVersion is 'v1'",
    ),
    "no name": (text("overlays/x.yaml", HEAD), "overlays/x.yaml", "name is missing"),
    "name of another file": (
        text("overlays/x.yaml", HEAD + "metadata: {name: y}\n"),
        "overlays/x.yaml:3",
        "metadata.name is 'y', but the file is x.yaml",
    ),
    "unknown field at the top": (text("overlays/x.yaml", HEAD + "status: {}\n"), "overlays/x.yaml:3", "'status'"),
    "unknown field in spec": (overlay({"mixin": []}), "overlays/x.yaml:6", "unknown field 'mixin'"),
    "unknown criterion": (overlay({"criteria": {"cloud": "eks"}}), "overlays/x.yaml:7", "unknown field 'cloud'"),
    "criterion that is no text": (overlay({"criteria": {"service": False}}), "overlays/x.yaml:7", "must be text"),
    "nodes that are no number": (overlay({"criteria": {"nodes": "8"}}), "overlays/x.yaml:7", "whole number"),
    "unknown phase": (overlay({"validation": {"deploy": {}}}), "overlays/x.yaml:7", "unknown field 'deploy'"),
    "unknown field in a phase": (
        overlay({"validation": {"deployment": {"check": []}}}),
        "overlays/x.yaml:8",
        "unknown field 'check'",
    ),
    "check of a phase that is no text": (
        overlay({"validation": {"deployment": {"checks": [1]}}}),
        "overlays/x.yaml:9",
        "checks holds 1, expected text",
    ),
    "constraint of a phase without a value": (
        overlay({"validation": {"deployment": {"constraints": [{"name": "k"}]}}}),
        "overlays/x.yaml:9",
        "value is missing",
    ),
    "unknown field of a component": (
        overlay({"componentRefs": [{"name": "a", "values": "x"}]}),
        "overlays/x.yaml:8",
        "unknown field 'values'",
    ),
    "component without a name": (
        overlay({"componentRefs": [{"type": "Helm"}]}),
        "overlays/x.yaml:7",
        "name is missing",
    ),
    "component twice": (
        overlay({"componentRefs": [ref("a"), ref("a")]}),
        "overlays/x.yaml:10",
        "component 'a' is given twice",
    ),
    "unknown component": (overlay({"componentRefs": [{"name": "c"}]}), "overlays/x.yaml:7", "unknown component 'c'"),
    "unknown type": (
        overlay({"componentRefs": [{"name": "a", "type": "helm"}]}),
        "overlays/x.yaml:8",
        "it must be Helm or Kustomize",
    ),
    "version that YAML takes for a number": (
        overlay({"componentRefs": [{"name": "a", "version": 1.1}]}),
        "overlays/x.yaml:8",
        'write version: "1.1"',
    ),
    "enabled that is no boolean": (
        overlay({"componentRefs": [{"name": "a", "overrides": {"enabled": "false"}}]}),
        "overlays/x.yaml:9",
        "enabled must be true or false",
    ),
    "constraint twice": (
        overlay({"constraints": [{"name": "k", "value": "1"}, {"name": "k", "value": "2"}]}),
        "overlays/x.yaml:9",
        "constraint 'k' is given twice",
    ),
    "constraint without a value": (overlay({"constraints": [{"name": "k"}]}), "overlays/x.yaml:7", "value is missing"),
    "mixin twice": (overlay({"mixins": ["m", "m"]}), "overlays/x.yaml:8", "names 'm' twice"),
    "unknown mixin": (overlay({"mixins": ["n"]}), "overlays/x.yaml", "unknown mixin 'n'"),
    "missing values file": (
        overlay({"componentRefs": [{"name": "a", "valuesFile": "components/a/none.yaml"}]}),
        "overlays/x.yaml:8",
        "components/a/none.yaml does not exist",
    ),
    "missing manifest": (
        overlay({"componentRefs": [{"name": "a", "manifestFiles": ["none.yaml"]}]}),
        "overlays/x.yaml:8",
        "none.yaml does not exist",
    ),
    "missing manifest of a mixin": (
        lambda data: data.mixin("x", {"componentRefs": [{"name": "a", "preManifestFiles": ["none.yaml"]}]}),
        "mixins/x.yaml:8",
        "none.yaml does not exist",
    ),
    "manifest that is a directory": (
        overlay({"componentRefs": [{"name": "a", "manifestFiles": ["manifests"]}]}),
        "overlays/x.yaml:8",
        "manifests is not a file",
    ),
    "manifest outside": (
        overlay({"componentRefs": [{"name": "a", "manifestFiles": ["../outside.yaml"]}]}),
        "overlays/x.yaml:8",
        "../outside.yaml leaves",
    ),
    "values file through a symlink": (
        overlay({"componentRefs": [{"name": "a", "valuesFile": "link.yaml"}]}),
        "overlays/x.yaml:8",
        "link.yaml leaves",
    ),
    "overlay that is a symlink to outside": (
        lambda data: (data.directory / "overlays" / "x.yaml").symlink_to(data.directory.parent / "outside.yaml"),
        "overlays/x.yaml",
        "leaves",
    ),
    "values file that is a list": (
        lambda data: (data.file("v.yaml", "- a\n"), overlay({"componentRefs": [ref("a", valuesFile="v.yaml")]})(data)),
        "v.yaml",
        "expected a YAML mapping",
    ),
    "base values that are broken": (
        lambda data: (
            data.file("components/a/values.yaml", "a: 1\na: 2\n"),
            data.file("components/a/more.yaml", ""),
            data.overlay("x", {"componentRefs": [ref("a", valuesFile="components/a/more.yaml")]}),
        ),
        "components/a/values.yaml:2",
        "duplicate key",
    ),
    "unknown base": (overlay({"base": "y"}), "overlays/x.yaml", "unknown base 'y' (chain x → y)"),
    "base of itself": (overlay({"base": "x"}), "overlays/x.yaml", "circle: x → x"),
    "bases in a circle": (
        lambda data: [data.overlay(name, {"base": base}) for name, base in (("x", "y"), ("y", "z"), ("z", "x"))],
        "overlays/z.yaml",
        "circle: x → y → z → x",
    ),
    "base of base": (lambda data: data.overlay("base", {"base": "base"}), "overlays/base.yaml", "circle: base → base"),
    "other file type": (text("overlays/x.yml", HEAD), "overlays/x.yml", "is not a recipe file"),
    "folder among overlays": (text("overlays/deep/x.yaml", HEAD), "overlays/deep", "is not a recipe file"),
    "registry without kind of component": (registry({"name": "a"}), "registry.yaml:4", "one of helm, kustomize"),
    "registry with two kinds": (
        registry({"name": "a", **HELM, "kustomize": {}}),
        "registry.yaml:4",
        "not helm, kustomize",
    ),
    "registry with an unknown field": (registry({"name": "a", **HELM, "chart": "x"}), "registry.yaml:6", "'chart'"),
    "registry with an unknown default": (
        registry({"name": "a", "helm": {"defaultSource": "x"}}),
        "registry.yaml:6",
        "unknown field 'defaultSource'",
    ),
    "registry with an unknown path": (
        registry({"name": "a", **HELM, "nodeScheduling": {"system": {"nodeSelector": ["x"]}}}),
        "registry.yaml:8",
        "unknown field 'nodeSelector'",
    ),
    "registry with a name twice": (
        registry({"name": "a", **HELM}, {"name": "a", **HELM}),
        "registry.yaml:6",
        "'a' names a",
    ),
    "registry with a key twice": (
        registry({"name": "a", **HELM, "valueOverrideKeys": ["k"]}, {"name": "b", **HELM, "valueOverrideKeys": ["k"]}),
        "registry.yaml:8",
        "'k' names a already",
    ),
    "registry with a key that is a name": (
        registry({"name": "a", **HELM}, {"name": "b", **HELM, "valueOverrideKeys": ["a"]}),
        "registry.yaml:6",
        "'a' names a already",
    ),
    "missing health check": (
        registry({"name": "a", **HELM, "healthCheck": {"assertFile": "checks/a.yaml"}}),
        "registry.yaml:7",
        "checks/a.yaml does not exist",
    ),
    "missing local chart": (
        registry({"name": "a", "helm": {"defaultRepository": "file://charts", "defaultChart": "c"}}),
        "registry.yaml:4",
        "charts/c/Chart.yaml does not exist",
    ),
    "local chart outside": (
        registry({"name": "a", "helm": {"defaultRepository": "file://../..", "defaultChart": "c"}}),
        "registry.yaml:4",
        "leaves",
    ),
}


@pytest.mark.parametrize(("breaks", "where", "what"), BROKEN.values(), ids=BROKEN)
def test_broken_data_is_one_error_with_file_and_line(
    tmp_path: Path, breaks: Callable[[Data], object], where: str, what: str
) -> None:
    """Each fault in the data is a DataError (exit 10) that says what, and where: file, and line if there is one."""
    (tmp_path / "outside.yaml").write_text(HEAD)
    data = Data(tmp_path, "a")
    (data.directory / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    data.mixin("m", {})
    data.load()
    breaks(data)
    with pytest.raises(DataError) as caught:
        data.load()
    assert what in str(caught.value)
    assert caught.value.where.startswith(f"{data.directory}/{where}")
    assert caught.value.where.removeprefix(f"{data.directory}/{where}") in ("", ":1")
    assert caught.value.exit is Exit.SETTINGS


def test_every_overlay_is_refused_without_base(tmp_path: Path) -> None:
    """A directory without overlays/base.yaml is no recipe data."""
    data = Data(tmp_path, "a")
    (data.directory / "overlays" / "base.yaml").unlink()
    with pytest.raises(DataError, match=r"base\.yaml is missing"):
        data.load()


@pytest.mark.parametrize("path", ["nothing", "recipes/registry.yaml"], ids=["missing", "a file"])
def test_a_directory_that_is_none_is_refused(tmp_path: Path, path: str) -> None:
    """Pointing the settings at something else is said plainly."""
    Data(tmp_path, "a")
    with pytest.raises(DataError, match="is not a recipes directory"):
        Catalog.load(tmp_path / path)


def test_a_directory_without_a_registry_is_refused(tmp_path: Path) -> None:
    """registry.yaml must be there."""
    with pytest.raises(DataError, match=r"registry\.yaml does not exist"):
        Catalog.load(tmp_path)


def test_an_unknown_recipe_lists_near_names(tmp_path: Path) -> None:
    """A mistyped recipe is a usage error (exit 64) that proposes what was probably meant."""
    data = Data(tmp_path, "a")
    data.overlay("eks-training", {})
    with pytest.raises(UsageError, match="unknown recipe 'eks-trainin'") as caught:
        data.load().overlay("eks-trainin")
    assert "eks-training" in caught.value.do
    assert caught.value.exit is Exit.USAGE


def test_the_chain_runs_from_base_to_the_overlay(tmp_path: Path) -> None:
    """An empty base means `base`."""
    data = Data(tmp_path, "a")
    data.overlay("eks", {"base": ""})
    data.overlay("eks-training", {"base": "eks"})
    catalog = data.load()
    assert catalog.chain("eks-training") == ("base", "eks", "eks-training")
    assert catalog.chain("base") == ("base",)


CLASSES: dict[str, tuple[dict[str, Any] | None, bool, bool]] = {
    "no criteria": (None, False, False),
    "empty criteria": ({}, False, False),
    "service any": ({"service": "any"}, False, False),
    "service null": ({"service": None}, False, False),
    "service empty": ({"service": ""}, False, False),
    "only an accelerator": ({"accelerator": "h100"}, False, False),
    "a service": ({"service": "eks"}, True, True),
    "a service, any accelerator": ({"service": "eks", "accelerator": "any", "intent": "training"}, True, True),
    "a service and an accelerator": ({"service": "eks", "accelerator": "h100"}, True, False),
}


@pytest.mark.parametrize(("criteria", "testable", "generic"), CLASSES.values(), ids=CLASSES)
def test_a_recipe_is_testable_by_its_service(
    tmp_path: Path, criteria: dict[str, Any] | None, testable: bool, generic: bool
) -> None:
    """Testable needs a service that is not any, empty or null; generic is testable for any accelerator."""
    data = Data(tmp_path, "a")
    data.overlay("x", {} if criteria is None else {"criteria": criteria})
    catalog = data.load()
    assert ("x" in catalog.testable(), "x" in catalog.generic()) == (testable, generic)


def test_hidden_files_and_pages_are_no_recipes(tmp_path: Path) -> None:
    """An editor's leftovers and a README do not refuse the directory."""
    data = Data(tmp_path, "a")
    data.file("overlays/.x.yaml.swp", "")
    data.file("overlays/README.md", "")
    assert data.load().names() == ("base",)
