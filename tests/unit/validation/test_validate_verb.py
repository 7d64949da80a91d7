"""`validate`: from the command line to a verdict, and what a stranger gets wrong."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from harness.__main__ import run
from harness.exits import Exit
from harness.objects import NODES
from tests.fakes.api import FakeApi

SNAPSHOT = "measurements: [{type: K8s, subtypes: [{subtype: server, data: {version: v1.34.0}}]}]\n"
ENTRY = {
    "name": "mine",
    "phase": "deployment",
    "image": "a/b:c",
    "localCommand": ["/bin/sh", "-c", "echo seen"],
    "access": {"rules": []},
}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A directory with a recipe, a snapshot and a catalog, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    recipe = {
        "kind": "RecipeResult",
        "apiVersion": "aicr.run/v1alpha2",
        "constraints": [{"name": "K8s.server.version", "value": ">= 1.30"}],
        "validation": {"deployment": {"checks": ["mine"], "constraints": [{"name": "unread", "value": "1"}]}},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    (tmp_path / "snapshot.yaml").write_text(SNAPSHOT)
    (tmp_path / "data" / "validators").mkdir(parents=True)
    (tmp_path / "data" / "validators" / "catalog.yaml").write_text(yaml.safe_dump({"validators": [ENTRY]}))
    return tmp_path


@pytest.fixture
def cluster(here: Path) -> Iterator[str]:
    with FakeApi() as api:
        api.documents["/apis/authorization.k8s.io/v1/subjectaccessreviews"] = {"status": {"allowed": True}}
        api.put(NODES, {"metadata": {"name": "gpu-1", "labels": {"type": "kwok"}}})
        yield str(api.kubeconfig(here))


WORDS = ["validate", "--recipe", "./recipe.yaml", "--snapshot", "snapshot.yaml", "--data", "data"]


def test_a_passed_validation_is_told_and_kept(here: Path, cluster: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Constraints, checks, the three numbers; the report as CTRF; the summary of requirements."""
    more = ["--kubeconfig", cluster, "--context", "fake", "--output", "report.json", "--evidence", "evidence"]
    assert run([*WORDS, *more]) is Exit.OK
    shown = capsys.readouterr().out
    assert "K8s.server.version  >= 1.30   v1.34.0" in shown
    assert "PASSED recipe: 1 constraint passed; 1 check declared, 1 evaluated, 1 passed" in shown
    assert "the cluster is a simulated one: 1 of 1 nodes are simulated by KWOK" in shown
    document = json.loads((here / "report.json").read_text())
    assert [(each["name"], each["status"]) for each in document["results"]["tests"]] == [("mine", "passed")]
    assert (here / "evidence" / "PRODUCT.yaml").is_file()


def test_a_failed_check_ends_with_1_unless_that_is_not_wanted(here: Path, cluster: str) -> None:
    """The report is the same."""
    entry = {**ENTRY, "localCommand": ["/bin/sh", "-c", "exit 1"]}
    (here / "data" / "validators" / "catalog.yaml").write_text(yaml.safe_dump({"validators": [entry]}))
    theirs = ["--kubeconfig", cluster, "--context", "fake"]
    assert run([*WORDS, *theirs]) is Exit.FAILURE
    assert run([*WORDS, *theirs, "--fail-on-error=false"]) is Exit.OK


def test_the_gate_is_not_softened(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither by --fail-on-error=false nor by --no-cluster, and nothing is asked of a cluster."""
    (here / "snapshot.yaml").write_text(SNAPSHOT.replace("1.34", "1.20"))
    assert run([*WORDS, "--no-cluster", "--fail-on-error=false"]) is Exit.FAILURE
    assert "readiness check failed: K8s.server.version expected >= 1.30, got v1.20.0" in capsys.readouterr().err


def test_a_plan_says_what_would_run_and_what_has_no_effect(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a cluster, and without a snapshot."""
    assert run(["validate", "--recipe", "./recipe.yaml", "--data", "data", "--plan"]) is Exit.OK
    shown = capsys.readouterr()
    assert "deployment  mine" in shown.out


def test_without_a_cluster_the_constraints_decide(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every check of the catalog is skipped."""
    assert run([*WORDS, "--no-cluster"]) is Exit.OK
    shown = capsys.readouterr().out
    assert "skipped - no-cluster mode" in shown
    assert "1 check declared, 0 evaluated, 0 passed" in shown


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["validate"], Exit.USAGE, "Missing option '--recipe'"),
        ([*WORDS, "--phase", "deploy"], Exit.USAGE, 'invalid phase "deploy"'),
        ([*WORDS, "--executor", "pod"], Exit.USAGE, "'pod' is not one of"),
        ([*WORDS, "--data", "gone"], Exit.USAGE, "'gone' does not exist"),
        ([*WORDS, "--node-selector", "x"], Exit.USAGE, "'x' is not KEY=VALUE"),
        (["validate", "--recipe", "no-such-recipe"], Exit.USAGE, "unknown recipe 'no-such-recipe'"),
        (["validate", "--recipe", "./gone.yaml"], Exit.SETTINGS, "gone.yaml: cannot be read: No such file"),
        (["validate", "--recipe", "./snapshot.yaml"], Exit.SETTINGS, "is not a recipe: it has no kind"),
        ([*WORDS[:3], "--snapshot", "gone.yaml"], Exit.SETTINGS, "gone.yaml: cannot be read"),
        ([*WORDS[:3], "--snapshot", "recipe.yaml"], Exit.SETTINGS, "recipe.yaml:"),
        ([*WORDS[:3], "--no-cluster"], Exit.FAILURE, "no snapshot is given to evaluate them on"),
        ([*WORDS[:5], "--no-cluster"], Exit.SETTINGS, '"mine" in phase deployment matches no validator'),
        (WORDS, Exit.CLUSTER_NOT_READY, "is not up"),
    ],
)
def test_what_a_stranger_gets_wrong_is_one_message_with_its_code(
    here: Path, words: list[str], code: Exit, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, nothing on stdout."""
    assert run(["-o", "runtime=host", *words]) is code
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""
