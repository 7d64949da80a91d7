"""`suite`: what a plan prints, what is refused before a cluster is made, and with which exit code."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.endtoend.model import ClusterWanted
from harness.errors import DataError, UsageError
from harness.exits import Exit
from tests.fakes.endtoend import GOOD, RUNS, write

SKIPPED = "cases: [{name: a, path: cases/a, skips: {host: [{step: runs, class: execution, why: nothing runs}]}}]\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory, a state, no engine, and a place for evidence of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KWOK_DEBUG_ARTIFACTS_DIR", str(tmp_path / "artifacts"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'none.sock'}")


def run(*words: str) -> tuple[Exit, str]:
    result = CliRunner().invoke(cli, list(words), standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return Exit(result.return_value or 0), result.output


def test_a_plan_says_what_is_judged_where_and_why_not(tmp_path: Path) -> None:
    """Both runtimes, each step with its reason; it needs no cluster."""
    write(tmp_path, "cluster: {real: [default]}\n" + SKIPPED, a=GOOD + RUNS)
    code, output = run("suite", "plan", ".")
    assert code is Exit.OK
    assert "case a: 1 of 2 steps are judged" in output
    assert "– runs: needs-execution: nothing runs" in output
    assert "case a: 2 of 2 steps are judged" in output


def test_a_plan_tells_what_would_be_red(tmp_path: Path) -> None:
    """A skip that is not declared is red before anything is run."""
    write(tmp_path, "cluster: {real: [default]}\n", a=GOOD + RUNS)
    code, output = run("suite", "plan", ".", "--runtime", "host")
    assert code is Exit.FAILURE
    assert "✗ runs: " in output
    assert run("suite", "plan", ".", "--runtime", "kind")[0] is Exit.OK


def test_a_plan_for_scripts(tmp_path: Path) -> None:
    """JSON has the same facts."""
    write(tmp_path, SKIPPED, a=GOOD + RUNS)
    code, output = run("suite", "plan", ".", "--runtime", "host", "--json")
    assert code is Exit.OK
    [found] = json.loads(output)
    assert [(step["name"], step["judged"], step["class"]) for step in found["cases"][0]["steps"]] == [
        ("make", True, None),
        ("runs", False, "execution"),
    ]


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_wrong_file_is_code_10(tmp_path: Path, verb: str) -> None:
    """Nothing is made for it."""
    write(tmp_path, "cluser: {}\n", a=GOOD)
    with pytest.raises(DataError) as refused:
        run("suite", verb, ".")
    assert refused.value.exit is Exit.SETTINGS
    assert not (tmp_path / "artifacts").exists()


def test_real_gpus_need_real_nodes(tmp_path: Path) -> None:
    """The host runtime has none."""
    write(tmp_path, "", a=GOOD)
    with pytest.raises(UsageError, match="there is no real node"):
        run("-o", "runtime=host", "suite", "run", ".", "--gpu", "real")


def test_pods_are_held_unless_the_suite_says_otherwise() -> None:
    """A suite that says nothing proves what it can."""
    assert ClusterWanted().pods == "hold"
