"""`matrix`: what is printed where, and which exit code a selection ends with."""

import json
from pathlib import Path

import pytest

from harness.__main__ import run
from harness.exits import Exit
from harness.settings import ROOT

CHANGED = ROOT / "kwok" / "recipes" / "overlays" / "gb200-eks-training.yaml"
NOTHING = ["matrix", "--tier", "2", "--changed", str(ROOT / "README.md")]


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing from the environment, and no colours."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("KWOK_RECIPES", raising=False)
    monkeypatch.delenv("DEPLOYER", raising=False)


def test_a_table_says_why_each_cell_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """For people: recipe, lane, reason, and a line that counts what is left out."""
    assert run(["matrix", "--tier", "2", "--changed", str(CHANGED)]) is Exit.OK
    shown = capsys.readouterr()
    row = "gb200-eks-training  helm      its own overlay: overlays/gb200-eks-training.yaml changed"
    assert shown.out.splitlines()[1] == row
    assert "tier 2: 1 cells of 1 recipes; left out: 5 generic, 6 not touched" in shown.out
    assert "1 file named" in shown.out
    assert shown.err == ""


def test_why_says_it_of_what_is_left_out_too(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each recipe that does not run."""
    assert run(["matrix", "--tier", "2", "--changed", str(CHANGED), "--why"]) is Exit.OK
    shown = capsys.readouterr().out
    assert "h100-eks-inference                 all       not touched: nothing that it is made of changed" in shown
    assert "eks-training                       all       generic: tier 1 tests it whatever has changed" in shown


def test_github_gets_one_line_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """stdout is what `fromJSON` reads; what people want to know goes to stderr."""
    assert run(["matrix", "--tier", "1", "--recipes", "eks", "--format", "github"]) is Exit.OK
    shown = capsys.readouterr()
    assert shown.out.count("\n") == 1
    assert json.loads(shown.out)["include"][1] == {
        "recipe": "eks",
        "deployer": "argocd-oci",
        "cells": "eks/argocd-oci",
    }
    assert "tier 1: 6 cells of 1 recipes" in shown.err


def test_github_gets_a_job_for_each_shard(capsys: pytest.CaptureFixture[str]) -> None:
    """With its name and its cells; --shard gives the cells of one, each with a job."""
    words = ["matrix", "--tier", "1", "--recipes", "eks", "--shards", "3", "--format", "github"]
    assert run(words) is Exit.OK
    entries = json.loads(capsys.readouterr().out)["include"]
    assert [entry["shard"] for entry in entries] == ["1/3", "2/3", "3/3"]
    assert sorted(cell for entry in entries for cell in entry["cells"].split()) == [
        "eks/argocd-git",
        "eks/argocd-helm-oci",
        "eks/argocd-oci",
        "eks/flux-git",
        "eks/flux-oci",
        "eks/helm",
    ]
    assert run([*words, "--shard", "1"]) is Exit.OK
    one = json.loads(capsys.readouterr().out)["include"]
    assert [entry["cells"] for entry in one] == entries[0]["cells"].split()


def test_more_cells_than_jobs_are_grouped_and_that_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A matrix that GitHub would refuse as a whole."""
    monkeypatch.setattr("harness.cli.matrix.MOST_JOBS", 7)
    assert run(["matrix", "--tier", "3", "--format", "github"]) is Exit.OK
    shown = capsys.readouterr()
    assert len(json.loads(shown.out)["include"]) == 7
    assert "more cells than the 7 jobs that a matrix can have: grouped into 7 shards" in shown.err


def test_json_has_the_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    """Of what runs and of what does not, with the files that changed."""
    assert run(["matrix", "--tier", "2", "--changed", str(CHANGED), "--format", "json"]) is Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert document["tier"] == 2
    assert document["change"] == {"what": "1 file named", "files": [str(CHANGED)]}
    reason = "its own overlay: overlays/gb200-eks-training.yaml changed"
    assert document["cells"] == [{"recipe": "gb200-eks-training", "deployer": "helm", "reason": reason}]
    assert {"recipe": "eks", "deployer": "", "reason": "generic: tier 1 tests it whatever has changed"} in document[
        "leftOut"
    ]


def test_json_has_the_shards_with_what_they_are_expected_to_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the results of earlier sweeps."""
    tests = [{"name": "kwok/eks/helm", "status": "passed", "duration": 21_000}]
    (tmp_path / "kwok-results.json").write_text(json.dumps({"results": {"tests": tests}}))
    words = ["matrix", "--tier", "1", "--recipes", "eks", "-d", "helm", "--shards", "1", "--history", str(tmp_path)]
    assert run([*words, "--format", "json"]) is Exit.OK
    assert json.loads(capsys.readouterr().out)["shards"] == [{"shard": "1/1", "seconds": 21.0, "cells": ["eks/helm"]}]


def test_covering_says_what_it_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    """And how much is left: each of twelve recipes once, four template paths under six lanes."""
    assert run(["matrix", "--tier", "3", "--covering"]) is Exit.OK
    shown = capsys.readouterr().out
    assert "12 of 72 cells cover 12 recipes and 24 pairs of template path and lane" in shown
    assert shown.count("  covered: by ") == 60


@pytest.mark.parametrize("form", ["table", "json", "github"])
def test_an_empty_selection_is_a_failure(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Said in a sentence: nothing was tested, and that is not green by accident."""
    assert run([*NOTHING, "--format", form]) is Exit.FAILURE
    shown = capsys.readouterr()
    assert "error: nothing is selected: tier 2: 0 cells of 0 recipes; left out: 5 generic, 7 not touched" in shown.err
    assert "--allow-empty" in shown.err
    if form == "github":
        assert shown.out == ""


def test_an_empty_selection_may_be_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    """For tier 2 in CI, where most changes touch no recipe."""
    assert run([*NOTHING, "--allow-empty", "--format", "github"]) is Exit.OK
    assert capsys.readouterr().out == '{"include":[]}\n'


def test_an_empty_shard_is_a_failure_too(capsys: pytest.CaptureFixture[str]) -> None:
    """A job that has nothing to do should not have been started."""
    words = ["matrix", "--tier", "1", "--recipes", "eks", "-d", "helm", "--shards", "2", "--shard", "2"]
    assert run(words) is Exit.FAILURE
    assert "shard 2/2 has no cells" in capsys.readouterr().err
    assert run([*words, "--allow-empty"]) is Exit.OK


def test_lanes_may_be_others_than_those_of_the_tier(capsys: pytest.CaptureFixture[str]) -> None:
    """In the order in which they are always run, each once."""
    words = ["matrix", "--tier", "2", "--changed", str(CHANGED), "--format", "github"]
    for named, lanes in (
        (["-d", "flux-oci", "-d", "helm", "-d", "helm"], ["helm", "flux-oci"]),
        (["-d", "all"], ["helm", "argocd-oci", "argocd-helm-oci", "flux-oci", "argocd-git", "flux-git"]),
    ):
        assert run([*words, *named]) is Exit.OK
        assert [entry["deployer"] for entry in json.loads(capsys.readouterr().out)["include"]] == lanes


def test_several_files_may_follow_changed(capsys: pytest.CaptureFixture[str]) -> None:
    """As a shell gives them."""
    other = CHANGED.with_name("h100-aks-training.yaml")
    assert run(["matrix", "--tier", "2", "--changed", str(CHANGED), str(other), "--format", "json"]) is Exit.OK
    assert [cell["recipe"] for cell in json.loads(capsys.readouterr().out)["cells"]] == [
        "gb200-eks-training",
        "h100-aks-training",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Missing option '--tier'"),
        (["--tier", "4"], "4 is not in the range 1<=x<=3"),
        (["--tier", "2"], "either --base REF or --changed FILE..."),
        (["--tier", "2", "--base", "main", "--changed", "x"], "either --base REF or --changed FILE..."),
        (["--tier", "1", "--base", "main"], "does not depend on what has changed"),
        (["--tier", "1", "eks"], "unexpected 'eks'"),
        (["--tier", "2", "--changed", "--format", "json"], "'--format' is no file"),
        (["--tier", "1", "--shard", "1"], "there is no shard 1"),
        (["--tier", "1", "--shards", "2", "--shard", "3"], "there is no shard 3 of 2"),
        (["--tier", "1", "--shards", "257"], "from 1 to 256"),
        (["--tier", "1", "--deployer", "hlem"], "did you mean helm"),
        (["--tier", "1", "--recipes", "eks-trainng"], "unknown recipe"),
        (["--tier", "1", "--recipes", "nothing-*"], "no testable recipe is called"),
        (["--tier", "1", "--criteria", "eks"], "'eks' is not KEY=VALUE"),
        (["--tier", "1", "--criteria", "service=ecs"], "did you mean eks"),
        (["--tier", "1", "--criteria", "service=eks", "--criteria", "service=aks"], "a second service"),
    ],
)
def test_a_wrong_word_is_a_usage_error(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 64, nothing on stdout."""
    assert run(["matrix", *words]) is Exit.USAGE
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""


def test_faulty_data_is_exit_code_10(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory that is not recipe data, or that git cannot be asked about."""
    assert run(["-o", f"recipes={tmp_path}", "matrix", "--tier", "1"]) is Exit.SETTINGS
    assert run(["-o", f"recipes={tmp_path / 'none'}", "matrix", "--tier", "2", "--base", "main"]) is Exit.SETTINGS
    assert str(tmp_path) in capsys.readouterr().err
