"""The AI-conformance suite as its files say it: what it covers, how long it waits, and what values leave out."""

from pathlib import Path

import pytest

from harness.__main__ import run
from harness.assertions.candidates import Resolved, Standing, compile_assertion
from harness.assertions.expressions.context import Context
from harness.assertions.lint import findings_of
from harness.assertions.outcome import Holds
from harness.assertions.proof import claims_of, proof_of
from harness.assertions.proof_fields import API, CONTROLLER, EXECUTION
from harness.assertions.tree import compile_tree
from harness.exits import Exit
from harness.formats.documents import Document
from harness.recipes.load import Catalog
from harness.recipes.overrides import packaged
from harness.recipes.resolve import resolve
from harness.settings import ROOT
from tests.conformance.ai_conformance import (
    CLUSTER,
    NOT_OF_THE_STACK,
    OFF_IN_THE_RECIPE,
    OFFLINE,
    RECIPE,
    SUITE,
    asserted,
    bindings,
    documents,
    read_test,
    trees,
)

FOLDERS = sorted(folder for folder in CLUSTER.iterdir() if folder.is_dir())
LEFT_OUT = CLUSTER / "left-out.yaml"
EVERYTHING = {"components": {OFF_IN_THE_RECIPE: {"enabled": True}}}
LONG = {"gpu-operator", "nvidia-dra-driver-gpu"}

by_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def test_each_of_the_sixteen_components_has_one_test() -> None:
    """Those that the recipe delivers, and block storage, which it switches off."""
    recipe = resolve(Catalog.load(ROOT / "kwok" / "recipes"), RECIPE)
    delivered = {component.name for component in recipe.components} - NOT_OF_THE_STACK
    assert len(delivered) == 15
    assert OFF_IN_THE_RECIPE in {component.name for component in recipe.disabled}
    assert [folder.name for folder in FOLDERS] == sorted(delivered | {OFF_IN_THE_RECIPE})
    assert [read_test(folder)["metadata"]["name"] for folder in FOLDERS] == [folder.name for folder in FOLDERS]


@by_folder
def test_a_test_waits_as_long_as_is_documented(folder: Path) -> None:
    """Ten minutes for the GPU operator and the DRA driver, five for others; two for namespaces and definitions."""
    spec = read_test(folder)["spec"]
    assert spec["timeouts"] == {"assert": "10m" if folder.name in LONG else "5m"}
    short = {step["name"] for step in spec["steps"] if step.get("timeouts") == {"assert": "2m"}}
    assert short == {step["name"] for step in spec["steps"]} & {"namespace", "definitions", "classes"}


@by_folder
def test_a_test_makes_nothing_in_a_cluster(folder: Path) -> None:
    """It asserts and does nothing else, in a namespace that is there: chainsaw would make one for itself."""
    spec = read_test(folder)["spec"]
    assert spec["namespace"] == "default"
    assert {key for step in spec["steps"] for operation in step["try"] for key in operation} == {"assert"}
    assert all(step.keys() <= {"name", "timeouts", "bindings", "try"} for step in spec["steps"])


@by_folder
def test_every_file_is_asserted_once_where_nothing_is_left_out(folder: Path) -> None:
    """No tree is forgotten, and no file is missing."""
    assert sorted(asserted(folder, EVERYTHING)) == trees(folder)


@by_folder
def test_a_component_that_the_values_disable_is_not_looked_at(folder: Path) -> None:
    """All that is asserted then says nothing of any object."""
    assert set(asserted(folder, {"components": {folder.name: {"enabled": False}}})) == {LEFT_OUT}
    others = {"components": {"another": {"enabled": False}}}
    assert (set(asserted(folder, others)) == {LEFT_OUT}) == (folder.name == OFF_IN_THE_RECIPE)


def test_what_is_left_out_holds_and_says_so_only_then(tmp_path: Path) -> None:
    """The tree in its place is about no object, and does not hold for a component that is enabled."""
    (tree,) = documents(LEFT_OUT, tmp_path)
    for enabled, standing in ((False, Standing.HOLDS), (True, Standing.NOT_YET)):
        found = compile_assertion(tree).resolve(Context(bindings={"enabled": enabled}))
        assert isinstance(found, Resolved)
        assert found.judge_assert([], Context(bindings={"enabled": enabled})).standing is standing


def test_alertmanager_alone_is_left_out_on_simulated_clusters() -> None:
    """The values for them name what every simulated run switches off of the stack, and nothing else is left out."""
    values = Document.read(SUITE / "simulated.yaml").data
    assert values == {"components": {"kube-prometheus-stack": {"alertmanager": {"enabled": False}}}}
    assert "kubeprometheusstack:alertmanager.enabled=false" in {override.text for override in packaged()}
    without = {folder.name for folder in FOLDERS if LEFT_OUT in asserted(folder, values)}
    assert without == {"kube-prometheus-stack", OFF_IN_THE_RECIPE}
    assert asserted(CLUSTER / "kube-prometheus-stack", values).count(LEFT_OUT) == 1


@by_folder
def test_every_tree_compiles_and_names_one_object(folder: Path, tmp_path: Path) -> None:
    """Without a remark: chainsaw judges it as we do."""
    for file in trees(folder):
        for tree in documents(file, tmp_path):
            assertion = compile_assertion(tree)
            assert findings_of(assertion.tree) == []
            found = assertion.resolve(Context())
            assert isinstance(found, Resolved)
            assert found.target is not None
            assert found.target.name


@by_folder
def test_workloads_prove_something_on_real_nodes_alone_and_a_policy_where_its_operator_runs(
    folder: Path, tmp_path: Path
) -> None:
    """What simulated nodes cannot prove is kept apart by file: workloads, the policy, and what the API itself says."""
    proofs = {"workloads.yaml": EXECUTION, "alertmanager.yaml": EXECUTION, "policy.yaml": CONTROLLER}
    for file in trees(folder):
        for tree in documents(file, tmp_path):
            assert proof_of(claims_of(tree)) == proofs.get(file.name, API), file


def test_the_offline_test_of_the_recipe_holds(capsys: pytest.CaptureFixture[str]) -> None:
    """Of what the command line prints; not of another recipe, nor of a command that failed."""
    spec = read_test(OFFLINE / "recipe")["spec"]
    (operation,) = spec["steps"][0]["try"]
    check = compile_tree(operation["script"]["check"])
    known = bindings(spec["bindings"], {"values": None})
    assert known["recipe"] == RECIPE
    printed = {}
    for name in (RECIPE, "h100-eks-ubuntu-inference"):
        assert run(["recipes", "show", name]) is Exit.OK
        printed[name] = capsys.readouterr().out

    def holds(recipe: str, error: str | None) -> bool:
        said = {"stdout": printed[recipe], "stderr": "", "error": error}
        return isinstance(check.judge(None, Context(bindings={**known, **said})), Holds)

    assert holds(RECIPE, None)
    assert not holds("h100-eks-ubuntu-inference", None)
    assert not holds(RECIPE, "exit status 1")
