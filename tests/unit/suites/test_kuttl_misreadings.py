"""What kuttl silently misreads is refused, with the file, the line and the reason."""

import math
import os
from pathlib import Path

import pytest

from harness.assertions.lint import Severity
from harness.suites import kuttl
from harness.suites.kuttl import Options
from harness.suites.model import Program, Show
from harness.suites.problems import SuiteInvalid

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
STEP = "apiVersion: kuttl.dev/v1beta1\nkind: TestStep\n"
ASSERT = "apiVersion: kuttl.dev/v1beta1\nkind: TestAssert\n"
SUITE = "apiVersion: kuttl.dev/v1beta1\nkind: TestSuite\n"

# name: (files, what the message has, where it points)
REFUSED: dict[str, tuple[dict[str, str], str, str]] = {
    "unknown field of a step": (
        {"00-a.yaml": STEP + "Commands: []\n"},
        "unknown field 'Commands': kuttl ignores it\n  did you mean commands?",
        "00-a.yaml:3",
    ),
    "unknown field of a command": (
        {"00-a.yaml": STEP + "commands:\n- command: a\n  ignoreFailures: true\n"},
        "did you mean ignoreFailure?",
        "00-a.yaml:5",
    ),
    "unknown field of a TestAssert": ({"00-assert.yaml": ASSERT + "timeouts: 3\n"}, "did you mean timeout?", ":3"),
    "ignoreFailure of an assert command": (
        {"00-assert.yaml": ASSERT + "commands:\n- command: a\n  ignoreFailure: true\n"},
        "a command of a TestAssert has no ignoreFailure",
        ":5",
    ),
    "error for errors": ({"00-error.yaml": POD}, "only the name `errors` makes it a file of errors", "00-error.yaml"),
    "error with more words": ({"00-error-pods.yaml": POD}, "only the name `errors`", "00-error-pods.yaml"),
    "yml": ({"00-a.yml": POD}, "reads .yaml only", "00-a.yml"),
    "a dot in a name": ({"00-a.b.yaml": POD}, "its name has a dot", "00-a.b.yaml"),
    "step in an assert file": (
        {"00-assert.yaml": POD + "---\n" + STEP + "commands: [{command: a}]\n"},
        "kuttl looks for it in the cluster: a TestStep does not count",
        "00-assert.yaml:5",
    ),
    "assert in a file to apply": ({"00-a.yaml": ASSERT}, "kuttl applies it to the cluster", "00-a.yaml:1"),
    "assert in an errors file": ({"00-errors.yaml": ASSERT}, "looks for it in the cluster", "00-errors.yaml:1"),
    "two times": (
        {"00-assert.yaml": ASSERT + "timeout: 5\n---\n" + ASSERT + "timeout: 6\n"},
        "only the last one counts",
        "00-assert.yaml:5",
    ),
    "two times in two files": (
        {"00-assert.yaml": ASSERT + "timeout: 5\n", "00-assert-more.yaml": ASSERT + "timeout: 6\n"},
        "a second TestAssert in step 0 that differs",
        "00-assert.yaml:1",
    ),
    "a negative time": ({"00-assert.yaml": ASSERT + "timeout: -1\n"}, "kuttl looks at nothing and passes", ":3"),
    "a time as text": ({"00-assert.yaml": ASSERT + "timeout: 5s\n"}, "expected a whole number of seconds", ":3"),
    "command and script": (
        {"00-a.yaml": STEP + "commands:\n- command: a\n  script: b\n"},
        "command and script: one of them",
        ":4",
    ),
    "an empty command": ({"00-a.yaml": STEP + "commands:\n- namespaced: true\n"}, "neither command nor script", ":4"),
    "a namespaced script": (
        {"00-a.yaml": STEP + "commands:\n- script: a\n  namespaced: true\n"},
        "use $NAMESPACE in the script",
        ":5",
    ),
    "background in a step": (
        {"00-a.yaml": STEP + "commands:\n- command: a\n  background: true\n"},
        "runs this command in the foreground",
        ":5",
    ),
    "a quote that is not closed": ({"00-a.yaml": STEP + "commands:\n- command: a 'b\n"}, "does not split", ":4"),
    "labels beside a name": (
        {"00-a.yaml": STEP + "delete:\n- {apiVersion: v1, kind: Pod, name: a, labels: {b: c}}\n"},
        "kuttl ignores labels if a name is given",
        ":4",
    ),
    "a collector of nothing": ({"00-assert.yaml": ASSERT + "collectors:\n- {tail: 3}\n"}, "neither pod nor", ":4"),
    "a collector of two kinds": (
        {"00-assert.yaml": ASSERT + "collectors:\n- {command: a, pod: b}\n"},
        "a collector of type command has no pod: kuttl does nothing",
        ":4",
    ),
    "a collector of no kind": (
        {"00-assert.yaml": ASSERT + "collectors:\n- {type: pods, pod: b}\n"},
        "did you mean pod?",
        ":4",
    ),
    "a file without a selector": (
        {"00-a.yaml": "apiVersion: kuttl.dev/v1beta1\nkind: TestFile\n---\n" + POD},
        "kuttl leaves the file out",
        ":1",
    ),
    "a suite in a test": ({"00-a.yaml": SUITE}, "a TestSuite is not allowed in a test", ":1"),
    "an object without a name": ({"00-a.yaml": "apiVersion: v1\nkind: Pod\n"}, "cannot be applied", ":1"),
    "an object without a kind": ({"00-a.yaml": "metadata: {name: a}\n"}, "apiVersion is missing", ":1"),
    "a path that leads nowhere": ({"00-a.yaml": STEP + "apply: [$NOWHERE/x.yaml]\n"}, "does not exist", ":3"),
    "a text for a document": ({"00-a.yaml": "just text\n"}, "expected a YAML mapping", "00-a.yaml"),
    "YAML that does not parse": ({"00-a.yaml": "a: [\n"}, "not valid YAML", "00-a.yaml"),
    "a wrong kubeconfigLoading": ({"00-a.yaml": STEP + "kubeconfigLoading: lazy\n"}, "did you mean Lazy?", ":3"),
    "a named file of kuttl": (
        {"00-a.yaml": STEP + "apply: [x.yaml]\n", "x.yaml": STEP},
        "does not count in a file that a TestStep names",
        "x.yaml:1",
    ),
}


def written(tmp_path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = tmp_path / "case" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    """One clear error before anything runs, which names the line."""
    files, what, where = REFUSED[name]
    with pytest.raises(SuiteInvalid) as caught:
        kuttl.load(written(tmp_path, files))
    assert what in str(caught.value)
    assert any(f"{where}" in problem.place for problem in caught.value.problems)
    assert len(caught.value.problems) == 1


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Problems of several files, and several of one document, are one error."""
    files = {"00-a.yaml": STEP + "aply: []\nasert: []\n", "01-error.yaml": POD, "02-b.yaml": "a: [\n"}
    with pytest.raises(SuiteInvalid) as caught:
        kuttl.load(written(tmp_path, files))
    assert len(caught.value.problems) == 4


def test_lenient_takes_unknown_fields_for_warnings(tmp_path: Path) -> None:
    """The suite is then run as kuttl runs it; everything else stays refused."""
    heard: list[str] = []
    suite = kuttl.load(
        written(tmp_path, {"00-a.yaml": STEP + "Commands: []\n"}),
        Options(lenient=True),
        lambda problem: heard.append(problem.what),
    )
    assert suite.tests[0].steps[0].try_ == ()
    assert heard == ["unknown field 'Commands': kuttl ignores it"]
    with pytest.raises(SuiteInvalid):
        kuttl.load(written(tmp_path, {"01-error.yaml": POD}), Options(lenient=True))


WARNED: dict[str, tuple[dict[str, str], str, str]] = {
    "a time in a step": ({"00-a.yaml": STEP + "timeout: 30\n"}, "a TestStep has no timeout", ":3"),
    "NAMESPACE in an object": (
        {"00-a.yaml": POD + "spec:\n  x: [a, {b: '$NAMESPACE-c'}]\n"},
        "$NAMESPACE is not replaced",
        ":5",
    ),
    "a status that is applied": ({"00-a.yaml": POD + "status: {phase: Running}\n"}, "a status that is applied", ":4"),
    "a variable for no shell": ({"00-a.yaml": STEP + "commands:\n- command: a $ts\n"}, "it is empty", ":4"),
    "a shell's words": ({"00-a.yaml": STEP + "commands:\n- command: a | b\n"}, "no shell reads a command", ":4"),
    "a file without a number": ({"00-a.yaml": POD, "assert.yaml": POD}, "its name has no number", "assert.yaml"),
    "a path above the test that is not there": (
        {"00-a.yaml": STEP + "commands:\n- command: helm install a ../charts/a\n"},
        "../charts/a does not exist, seen from",
        ":4",
    ),
    "such a path as the value of an option": (
        {"00-assert.yaml": ASSERT + "commands:\n- command: helm template --values=../v.yaml a b\n"},
        "../v.yaml does not exist",
        ":4",
    ),
    "a condition that no StatefulSet has": (
        {"00-a.yaml": STEP + "commands:\n- command: kubectl wait sts/db --for=condition=Ready\n"},
        "nothing sets a condition Ready of a StatefulSet",
        ":4",
    ),
    "a phase for a condition": (
        {"00-a.yaml": STEP + "commands:\n- command: kubectl -n a wait pods b --for condition=Succeeded=true\n"},
        "nothing sets a condition Succeeded of a Pod",
        ":4",
    ),
    "bytes that nobody fills": (
        {"00-a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nbinaryData:\n  b: ''\n  c: AA==\n"},
        "binaryData b is empty",
        ":5",
    ),
}


@pytest.mark.parametrize("name", WARNED)
def test_it_is_a_warning(tmp_path: Path, name: str) -> None:
    """kuttl does what was written, which may not be what was meant."""
    files, what, where = WARNED[name]
    (problem,) = kuttl.check(written(tmp_path, files))
    assert problem.severity is Severity.WARNING
    assert what in problem.what
    assert where in problem.place


@pytest.mark.parametrize(
    "command",
    [
        "kubectl wait deploy/a --for=condition=available",
        "kubectl wait job a --for condition=Complete=true",
        "kubectl wait pod a --for=condition=example.com/gate",
        "kubectl wait --for=jsonpath={.status.phase}=Succeeded pod/a",
        "kubectl wait crd a.b.c --for=condition=Established",
        "kubectl get pod --for=condition=Succeeded",
        "cat ../case/00-a.yaml ../$NAMESPACE/a ./later",
    ],
)
def test_a_command_that_does_what_it_says(tmp_path: Path, command: str) -> None:
    """Conditions that Kubernetes or somebody else sets, and paths that are there or to come, are no warning."""
    assert kuttl.check(written(tmp_path, {"00-a.yaml": STEP + f"commands:\n- command: {command}\n"})) == []


def test_an_error_in_the_suite_file_hides_none_in_its_tests(tmp_path: Path) -> None:
    """A wrong report format and folders that are not there are told with what is wrong in the tests beside the file."""
    folder = written(tmp_path, {"00-assert.yaml": STEP + "commands: [{command: a $b}]\n"})
    (folder / "kuttl-test.yaml").write_text(SUITE + "testDirs: [elsewhere]\nreportFormat: XML\n")
    told = [problem.what for problem in kuttl.check(folder)]
    for what in ("kuttl writes JSON", "elsewhere is not a folder", "a TestStep does not count", "$b before a shell"):
        assert any(what in one for one in told)
    assert len(told) == 4


def test_warnings_are_told_with_errors(tmp_path: Path) -> None:
    """A suite that is refused tells what else is worth a look, so that one reading is enough."""
    heard: list[str] = []
    files = {"00-a.yaml": STEP + "timeout: 3\n", "01-error.yaml": POD}
    with pytest.raises(SuiteInvalid):
        kuttl.load(written(tmp_path, files), warn=lambda problem: heard.append(problem.what))
    assert heard == ["a TestStep has no timeout: kuttl ignores it"]


def test_a_shell_in_a_container_may_read_namespace(tmp_path: Path) -> None:
    """$NAMESPACE in the command of a container is no mistake."""
    assert kuttl.check(written(tmp_path, {"00-a.yaml": POD + "spec: {c: [{command: [echo, $NAMESPACE]}]}\n"})) == []


def test_a_command_may_have_no_limit(tmp_path: Path) -> None:
    """A negative time of a command is none; 0 is that of the suite."""
    text = STEP + "commands:\n- {command: a, timeout: -1}\n- {command: a, timeout: 0}\n- {command: a, timeout: 7}\n"
    (step,) = kuttl.load(written(tmp_path, {"00-a.yaml": text})).tests[0].steps
    assert [operation.timeout for operation in step.try_] == [math.inf, None, 7]


def test_collectors_are_what_is_done_on_failure(tmp_path: Path) -> None:
    """Pods by name have all lines, by selector ten; events and commands are told apart by the type."""
    text = (
        ASSERT
        + "collectors:\n- {pod: a}\n- {selector: b=c}\n- {selector: b=c, tail: -1}\n- {type: Events}\n- {command: d}\n"
    )
    (step,) = kuttl.load(written(tmp_path, {"00-assert.yaml": text + "commands: [{command: x}]\n"})).tests[0].steps
    shown = [operation.action for operation in step.catch]
    assert [(each.verb, each.tail) for each in shown if isinstance(each, Show)] == [
        ("podLogs", None),
        ("podLogs", 10),
        ("podLogs", None),
        ("events", None),
    ]
    assert isinstance(shown[-1], Program)
    assert shown[-1].ignore_failure


def test_equal_numbers_are_one_step(tmp_path: Path) -> None:
    """1 and 01 merge; steps run in the order of their numbers, not of their text."""
    files = {"1-a.yaml": POD, "01-b.yaml": POD, "10-c.yaml": POD, "2-d.yaml": POD}
    (test,) = kuttl.load(written(tmp_path, files)).tests
    assert [step.name for step in test.steps] == ["1-b", "2-d", "10-c"]
    assert len(test.steps[0].try_) == 2


def test_files_that_nobody_is_to_read_are_left_out(tmp_path: Path) -> None:
    """README is ignored by default, other patterns by ignoreFiles."""
    files = {"00-a.yaml": POD, "README.yaml": "a: [", "01-notes.yaml": "a: ["}
    folder = written(tmp_path, files)
    (tmp_path / "kuttl-test.yaml").write_text(SUITE + "ignoreFiles: ['*notes*', 'README*']\n")
    assert [step.name for step in kuttl.load(folder).tests[0].steps] == ["0-a"]


def test_a_suite_prepares_definitions_before_manifests(tmp_path: Path) -> None:
    """Definitions are applied and awaited for ten seconds, then manifests, then commands."""
    crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a.b.c}\n"
    for name, text in (("crds/a.yaml", crd), ("manifests/b.yaml", POD)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    written(tmp_path / "tests", {"00-a.yaml": POD})
    (tmp_path / "kuttl-test.yaml").write_text(
        SUITE
        + "crdDir: crds\nmanifestDirs: [manifests]\ntestDirs: [tests]\nskipDelete: true\nsuppress: [events]\n"
        + "commands: [{command: a, background: true}]\nreportFormat: xml\nreportGranularity: test\n"
    )
    suite = kuttl.load(tmp_path)
    assert [operation.verb for operation in suite.setup] == ["apply", "wait", "apply", "command"]
    assert suite.setup[1].timeout == 10
    assert (suite.skip_delete, suite.suppress) == (True, ("events",))
    assert suite.report is not None
    assert (suite.report.name, suite.report.granularity) == ("kuttl-report", "test")


def test_a_folder_without_tests_is_refused(tmp_path: Path) -> None:
    """kuttl passes where there is nothing; a folder without numbered files is told."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(SuiteInvalid, match="no test: no folder"):
        kuttl.load(tmp_path)


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    """A FIFO in place of a file is an error, and nobody waits for it."""
    folder = written(tmp_path, {"00-a.yaml": POD})
    os.mkfifo(folder / "case" / "01-b.yaml")
    with pytest.raises(SuiteInvalid, match="not a regular file"):
        kuttl.load(folder)


def test_each_run_has_a_namespace_of_its_own(tmp_path: Path) -> None:
    """Names are made as kuttl makes them; one that the user gives is for all tests."""
    folder = written(tmp_path, {"00-a.yaml": POD})
    first, second = (kuttl.load(folder).tests[0].namespace for _ in range(2))
    assert first.startswith("kuttl-")
    assert first != second
    assert kuttl.load(folder, Options(namespace="mine")).tests[0].namespace == "mine"


@pytest.mark.parametrize(
    ("files", "answer"),
    [
        ({"00-a.yaml": STEP}, True),
        ({"00-a.gotmpl.yaml": POD}, True),
        ({"00-a/assert.yaml": ASSERT}, True),
        ({"00-a.yaml": POD}, False),
        ({"a.yaml": STEP}, False),
    ],
)
def test_a_folder_of_kuttl_is_known_by_what_only_kuttl_has(tmp_path: Path, files: dict[str, str], answer: bool) -> None:
    """A document of kuttl or a template in a file of a step; numbered manifests alone are chainsaw's too."""
    assert kuttl.is_kuttl(written(tmp_path, files)) is answer
    (tmp_path / "kuttl-test.yaml").write_text(SUITE)
    assert kuttl.is_kuttl(tmp_path)
