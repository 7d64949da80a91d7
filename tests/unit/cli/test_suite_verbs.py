"""`test` and `assert`: what they print, what they refuse, and with which exit code."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.errors import ClusterError, DataError, HarnessError, UsageError
from harness.evidence import recordings
from harness.evidence.replay import replay
from harness.exits import Exit
from harness.objects import CONFIGMAPS, NAMESPACES
from tests.fakes.api import FakeApi
from tests.fakes.suite_runs import HEAD, KINDS, serve, steps

MAP = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, data: {a: '1'}}"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory, a state and a place for recordings of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KWOK_DEBUG_ARTIFACTS_DIR", str(tmp_path / "artifacts"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "suite").mkdir()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeApi]:
    with FakeApi() as api:
        serve(api, *KINDS)
        api.kubeconfig(tmp_path)
        yield api


def run(*words: str, given: str = "") -> tuple[Exit, str]:
    result = CliRunner().invoke(cli, list(words), input=given, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return Exit(result.return_value or 0), result.output


def suite(text: str) -> None:
    Path("suite/chainsaw-test.yaml").write_text(HEAD + text)


GOOD = "spec: {steps: [{try: [{assert: {resource: {($values.a): 1}}}]}]}\n"


def test_a_green_run_is_code_0_and_recorded(tmp_path: Path) -> None:
    """Values from files and options; the recording is where those of cells are."""
    suite(GOOD)
    Path("v.yaml").write_text("a: 2\n")
    code, output = run("test", "suite", "--no-cluster", "--values", "v.yaml", "--set", "a=1")
    assert code is Exit.OK
    assert "PASSED 1 test: 1 passed" in output
    assert replay(recordings.find(tmp_path / "artifacts", "")).closed


def test_a_failure_is_code_1_with_place_message_and_report() -> None:
    """What is printed names file and line; the report has the same."""
    suite(GOOD)
    code, output = run("test", "suite", "--no-cluster", "--set", "a=2", "--report", "JSON", "--report-path", "out")
    assert code is Exit.FAILURE
    assert "✗ suite/chainsaw-test.yaml:5: a, step 1, try assert: failed" in output
    assert json.loads(Path("out/kwok-suites.json").read_text())["tests"][0]["status"] == "failed"


@pytest.mark.parametrize("language", ["chainsaw", "kuttl"])
def test_a_folder_that_cannot_be_listed_is_an_error(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tests would be missing, and the run be green without them."""
    suite(GOOD)
    Path("suite/step").mkdir()
    Path("suite/step/00-a.yaml").write_text("apiVersion: kuttl.dev/v1beta1\nkind: TestStep\n")
    Path("suite/closed").mkdir()

    def refusing(real: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def listing(path: Any = ".") -> Any:
            if str(path).endswith("closed"):
                raise PermissionError(13, "Permission denied", str(path))
            return real(path)

        return listing

    for name in ("listdir", "scandir"):  # of os: what all ways to list a folder end in
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    with pytest.raises(DataError, match=r"closed: cannot be read: Permission denied"):
        run("test", "suite", "--no-cluster", "--language", language, "--set", "a=1")


def test_a_folder_that_takes_no_report_is_refused_before_anything_runs() -> None:
    """A run of an hour must not end without its reports."""
    suite("spec: {steps: [{try: [{script: {content: touch ran}}]}]}\n")
    Path("file").touch()
    for path in ("/proc/none", "file/below"):
        with pytest.raises(UsageError, match="cannot be written to"):
            run("test", "suite", "--no-cluster", "--allow-scripts", "--report", "JSON", "--report-path", path)
    for name in ("", "../up", "a/b", ".."):
        with pytest.raises(UsageError, match="not the name of a file"):
            run("test", "suite", "--no-cluster", "--allow-scripts", "--report", "JSON", "--report-name", name)
    assert not Path("suite/ran").exists()


def test_a_report_that_cannot_be_written_keeps_the_others_and_the_verdict() -> None:
    """It is a failure, and the last line still says how the tests ended."""
    suite(GOOD)
    Path("kwok-suites-ctrf.json").mkdir()
    words = ["test", "suite", "--no-cluster", "--set", "a=1", "--report", "CTRF", "--report", "JSON"]
    result = CliRunner().invoke(cli, words, standalone_mode=False)
    assert isinstance(result.exception, HarnessError)
    assert "kwok-suites-ctrf.json: the report cannot be written: Is a directory" in str(result.exception)
    assert Path("kwok-suites.json").is_file()
    assert "PASSED 1 test" in result.output


def test_nothing_judged_is_code_1_and_0_for_chainsaw() -> None:
    """No test in the folder, all skipped; chainsaw's own code with --compat."""
    assert run("test", "suite", "--no-cluster")[0] is Exit.FAILURE
    assert run("test", "suite", "--no-cluster", "--compat", "chainsaw")[0] is Exit.OK
    suite("spec: {skip: true, steps: [{try: [{sleep: {duration: 0s}}]}]}\n")
    code, output = run("test", "suite", "--no-cluster")
    assert code is Exit.FAILURE
    assert "all tests were skipped: nothing was judged" in output
    suite("spec: {steps: [{try: [{sleep: {duration: 0s}}]}]}\n")
    assert run("test", "suite", "--no-cluster")[0] is Exit.FAILURE
    assert run("test", "suite", "--no-cluster", "--compat", "chainsaw")[0] is Exit.OK
    suite(GOOD)
    assert run("test", "suite", "--no-cluster", "--set", "a=2", "--compat", "kuttl")[0] is Exit.FAILURE


def test_types_of_go_can_be_compared() -> None:
    """--compat strict: an integer is no float, as for chainsaw."""
    suite("spec: {steps: [{try: [{assert: {resource: {($values.a == `1`): true}}}]}]}\n")
    assert run("test", "suite", "--no-cluster", "--set", "a=1")[0] is Exit.OK
    assert run("test", "suite", "--no-cluster", "--set", "a=1", "--compat", "strict")[0] is Exit.FAILURE


BAD = {
    "unknown field": ("spec: {stps: []}\n", [], DataError, "unknown field 'stps'"),
    "malformed YAML": ("spec: [\n", [], DataError, "not valid YAML"),
    "a tree that does not compile": (steps("assert: {resource: {a: a->b}}"), [], DataError, "no place in a value"),
    "an expression": (steps("assert: {resource: {(a b): 1}}"), [], DataError, "column"),
    "an unknown function": (steps("assert: {resource: {(nothing(a)): 1}}"), [], DataError, "unknown function nothing"),
    "a script": (steps("script: {content: a}"), ["--no-cluster"], UsageError, "runs a program: script at"),
    "a missing variable": (GOOD, ["--no-cluster", "--env", "NOT_SET_HERE"], UsageError, "NOT_SET_HERE is not set"),
    "both": (GOOD, ["--no-cluster", "--kubeconfig", "kubeconfig"], UsageError, "exclude each other"),
    "writes nowhere": (GOOD, ["--allow-writes"], UsageError, "needs --context"),
    "reads and writes": (GOOD, ["--allow-writes", "--read-only"], UsageError, "exclude each other"),
    "a shard of nothing": (GOOD, ["--no-cluster", "--shard-index", "1"], UsageError, "needs --shard-count"),
    "a context of nothing": (GOOD, ["--context", "x"], UsageError, "add --kubeconfig"),
    "no kubeconfig": (GOOD, ["--kubeconfig", "nope", "--context", "x"], UsageError, "file not found"),
    "a foreign cluster without its context": (GOOD, ["--kubeconfig", "kubeconfig"], UsageError, "context is missing"),
    "no cluster": (GOOD, ["-"], ClusterError, "is not up"),
}


@pytest.mark.parametrize(("text", "words", "kind", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_clear_error(
    api: FakeApi, text: str, words: list[str], kind: type[HarnessError], message: str
) -> None:
    """Before anything is sent to a cluster; the class says the exit code."""
    suite(text)
    options = [word for word in words if word != "-"]
    with pytest.raises(kind, match=message):
        run("test", "suite", *options)
    assert api.bodies == []


def test_a_pipe_and_a_huge_file_are_refused() -> None:
    """Neither is waited for, neither is read."""
    os.mkfifo("suite/chainsaw-test.yaml")
    with pytest.raises(DataError, match="not a regular file"):
        run("test", "suite", "--no-cluster")
    Path("suite/chainsaw-test.yaml").unlink()
    Path("suite/chainsaw-test.yaml").write_bytes(b"# " + b"x" * 10_000_000)
    with pytest.raises(DataError, match="larger than"):
        run("test", "suite", "--no-cluster")


def test_a_foreign_cluster_is_read_and_only_written_to_where_that_is_allowed(api: FakeApi) -> None:
    """--read-only sends nothing; without it, and without --allow-writes, nothing is begun."""
    api.put(CONFIGMAPS, {"metadata": {"name": "m"}, "data": {"a": "1"}}, namespace="ns")
    api.put(NAMESPACES, {"metadata": {"name": "ns"}})
    suite(steps(f"assert: {{resource: {MAP}}}"))
    foreign = ["--kubeconfig", "kubeconfig", "--context", "fake"]
    assert run("test", "suite", *foreign, "--read-only")[0] is Exit.OK
    before = len(api.requests)
    with pytest.raises(UsageError, match="was not created by the harness"):
        run("test", "suite", *foreign)
    assert (api.bodies, len(api.requests)) == ([], before)
    suite(steps(f"apply: {{resource: {MAP}}}"))
    assert run("test", "suite", *foreign, "--allow-writes")[0] is Exit.OK
    assert api.bodies != []


def test_a_cluster_that_does_not_answer_is_not_up(api: FakeApi) -> None:
    """One error with the code of a cluster that is not up, before any test."""
    suite(steps(f"assert: {{resource: {MAP}}}"))
    api.stop()
    with pytest.raises(ClusterError, match="no connection") as caught:
        run("test", "suite", "--kubeconfig", "kubeconfig", "--context", "fake", "--read-only")
    assert caught.value.exit is Exit.CLUSTER_NOT_READY
    api.start()


def test_options_win_over_the_configuration(api: FakeApi) -> None:
    """How objects are deleted, grace periods, templates."""
    Path("config.yaml").write_text(
        "apiVersion: chainsaw.kyverno.io/v1alpha2\nkind: Configuration\n"
        "spec: {deletion: {propagation: Background}, templating: {enabled: true}}\n"
    )
    pod = "{apiVersion: v1, kind: Pod, metadata: {name: p, annotations: {a: (b)}}}"
    suite(steps(f"apply: {{resource: {pod}}}"))
    options = ["--deletion-propagation-policy", "Orphan", "--force-termination-grace-period", "3s", "--no-template"]
    foreign = ["--kubeconfig", "kubeconfig", "--context", "fake", "--allow-writes"]
    assert run("test", "suite", "--config", "config.yaml", *options, *foreign)[0] is Exit.OK
    [made] = [body for verb, path, _, body in api.bodies if verb == "POST" and path.endswith("/pods")]
    assert (made["metadata"]["annotations"], made["spec"]) == ({"a": "(b)"}, {"terminationGracePeriodSeconds": 3})
    [gone] = [body for verb, path, _, body in api.bodies if verb == "DELETE" and path.endswith("/pods/p")]
    assert gone["propagationPolicy"] == "Orphan"


def test_a_cluster_of_the_command_line_is_known_by_its_name(api: FakeApi) -> None:
    """To be read by a suite that names it; its kubeconfig is relative to the working directory."""
    api.put(CONFIGMAPS, {"metadata": {"name": "m"}, "data": {"a": "1"}}, namespace="default")
    suite(f"spec: {{cluster: other, steps: [{{try: [{{assert: {{resource: {MAP}}}}}]}}]}}\n")
    api.put(NAMESPACES, {"metadata": {"name": "default"}})
    assert run("test", "suite", "--no-cluster", "--cluster", "other=kubeconfig:fake")[0] is Exit.OK
    assert api.bodies == []
    with pytest.raises(UsageError, match="NAME=VALUE"):
        run("test", "suite", "--no-cluster", "--cluster", "kubeconfig")


def test_assert_judges_objects_of_a_file_or_of_stdin() -> None:
    """Holds: 0; does not: 1, with the lines and the diff of chainsaw."""
    Path("tree").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: '1'}\n")
    Path("other").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: '2'}\n")
    assert run("assert", "-f", "tree", "-r", "tree") == (Exit.OK, "Assertion(s) PASSED\n")
    assert run("assert", "-f", "tree", "-r", "-", given=Path("tree").read_text())[0] is Exit.OK
    code, output = run("assert", "-f", "tree", "-r", "other")
    assert code is Exit.FAILURE
    assert '* data.a: Invalid value: "2": Expected value: "1"' in output
    assert "+++ actual" in output


def test_assert_judges_objects_of_a_cluster_and_writes_nothing(api: FakeApi) -> None:
    """By watch; a tree that does not hold fails at the timeout."""
    api.put(CONFIGMAPS, {"metadata": {"name": "m"}, "data": {"a": "1"}}, namespace="default")
    Path("tree").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: '1'}\n")
    foreign = ["--kubeconfig", "kubeconfig", "--context", "fake"]
    assert run("assert", "-f", "tree", *foreign)[0] is Exit.OK
    assert run("assert", "-f", "tree", "-n", "elsewhere", "--timeout", "100ms", *foreign)[0] is Exit.FAILURE
    assert api.bodies == []


def test_assert_refuses_what_it_cannot_judge() -> None:
    """An empty file, a tree that does not compile, a file and a cluster at once."""
    Path("empty").write_text("")
    Path("broken").write_text("(a b): 1\n")
    Path("good").write_text("a: 1\n")
    for words in (["-f", "empty", "-r", "good"], ["-f", "broken", "-r", "good"], ["-f", "good", "-r", "empty"]):
        with pytest.raises(DataError):
            run("assert", *words)
    with pytest.raises(DataError):
        run("assert", "-f", "good", "-r", "-", given="")
    with pytest.raises(UsageError, match="exclude each other"):
        run("assert", "-f", "good", "-r", "good", "--kubeconfig", "x")
