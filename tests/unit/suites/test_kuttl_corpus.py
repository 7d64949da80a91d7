"""The loader against kuttl's own test data, which lies beside the project."""

from pathlib import Path

import pytest

from harness.suites import kuttl
from harness.suites.kuttl import Options
from harness.suites.model import Delete, Program, Round, Step, Write
from harness.suites.problems import SuiteInvalid

CORPUS = Path(__file__).parents[3].parent / "shared" / "suites" / "kuttl"

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside the project")


def one(tmp_path: Path, folder: str, options: Options | None = None, step: str = "") -> tuple[Step, ...]:
    """The steps of one folder of the corpus, as the test `case`, or as its step of this name."""
    case = tmp_path / "case"
    if step:
        case.mkdir()
        (case / step).symlink_to(CORPUS / folder)
    else:
        case.symlink_to(CORPUS / folder)
    (test,) = kuttl.load(tmp_path, options or Options()).tests
    return test.steps


def actions(step: Step) -> list[object]:
    return [operation.action for operation in step.try_]


HARNESS = {
    "cli-test": ["0-create-pod", "1-patch"],
    "create-or-update": ["0-crd", "1-create-deployment", "2-update-deployment"],
    "crd-in-step": ["0-crd", "1-create-mycrd"],
    "delete-in-step": ["0-create", "1-create"],
    "list-pods": ["0-pod"],
    "teststep-apply": ["0-create"],
    "teststep-assert": ["0-create"],
    "teststep-errors": ["0-create", "1-delete-error-check"],
    "with-overrides": ["0-with-test-step-name-override", "1-test-assert", "2-pod", "3-name-overridden"],
}


def test_every_test_of_upstreams_harness_loads_with_its_steps() -> None:
    """All nine tests load; steps are numbered, and called after a TestStep or the first file to apply."""
    suite = kuttl.load(CORPUS / "harness")
    assert {test.name: [step.name for step in test.steps] for test in suite.tests} == HARNESS


def test_a_step_deletes_before_it_applies_and_judges_last() -> None:
    """Within a step the order is that of kuttl, whatever the order of documents in its file."""
    suite = kuttl.load(CORPUS / "harness")
    (test,) = [test for test in suite.tests if test.name == "with-overrides"]
    assert [type(action) for action in actions(test.steps[1])] == [Delete, Write, Round]
    assert test.steps[1].try_[-1].timeout == 20
    (errors,) = [test for test in suite.tests if test.name == "teststep-errors"]
    common = errors.steps[1].try_[-1].action
    assert isinstance(common, Round)
    assert [document.value["metadata"]["name"] for document in common.errors] == ["hello", "hello2"]


def test_upstreams_suite_file_is_understood() -> None:
    """Times, the number of tests side by side; that it wants a control plane of its own is a warning."""
    options = Options(config=CORPUS / "kuttl-test.yaml")
    suite = kuttl.load(CORPUS / "harness", options)
    assert (suite.timeouts.assert_, suite.parallel) == (300, 4)
    assert [problem.what for problem in kuttl.check(CORPUS / "harness", options)] == [
        "startControlPlane: tests run on the cluster of the harness"
    ]


@pytest.mark.parametrize("case", sorted(path.name for path in CORPUS.glob("step/assert_commands/*")))
def test_assert_commands_load(tmp_path: Path, case: str) -> None:
    """Each has its commands in the round, with the time of its TestAssert."""
    (step,) = one(tmp_path, f"step/assert_commands/{case}")
    common = step.try_[-1].action
    assert isinstance(common, Round)
    assert common.commands
    assert step.try_[-1].timeout in (1, 2, 30)


LOADS = (
    *("check_deployment_name", "check_expression_for_ephemeral_namespace", "check_incorrect_deployment_name"),
    *("check_multiple_assert_all", "check_multiple_assert_all_with_one_failing", "check_multiple_assert_any"),
    "check_multiple_assert_any_with_all_failing",
)


@pytest.mark.parametrize("case", LOADS)
def test_conditions_in_cel_are_compiled(tmp_path: Path, case: str) -> None:
    """Conditions over named objects load; the round has the objects that they speak of."""
    (step,) = one(tmp_path, f"step/assert_expressions/{case}", step="00-case")
    common = step.try_[-1].action
    assert isinstance(common, Round)
    assert common.rules
    assert common.references


REFUSED = {
    "step/error_detect": ("apiVersion 'v1'", "00-apply.yaml:1"),
    "step/two_step": ("more than 1 TestStep", "00-step2.yaml:1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_kuttl_refuses_is_refused(tmp_path: Path, case: str) -> None:
    """With the same reason, and the line."""
    what, where = REFUSED[case]
    with pytest.raises(SuiteInvalid, match=what) as caught:
        one(tmp_path, case)
    assert where in str(caught.value)


def test_an_undeclared_name_in_cel_is_refused(tmp_path: Path) -> None:
    """A condition over an object that no resourceRef names does not load."""
    with pytest.raises(SuiteInvalid, match="undeclared reference"):
        one(tmp_path, "step/assert_expressions/invalid_expression", step="00-case")


def test_paths_of_a_test_step_are_expanded(tmp_path: Path) -> None:
    """$TEST_FOO in a path is taken from the environment."""
    (step,) = one(tmp_path, "step/assert_expand", Options(environment={"TEST_FOO": "test"}))
    (write,) = actions(step)
    assert isinstance(write, Write)
    assert write.objects.documents[0].value["metadata"]["name"] == "pod-1"


@pytest.mark.parametrize(("file", "path"), [("00-step1.yaml", "kubeconfig-test.yaml"), ("00-step2.yaml", "")])
def test_a_kubeconfig_is_relative_to_its_step(tmp_path: Path, file: str, path: str) -> None:
    """A relative one is joined to the folder, an absolute one is kept."""
    case = tmp_path / "case"
    case.mkdir()
    (case / file).symlink_to(CORPUS / "step" / "kubeconfig_path_resolution" / file)
    (test,) = kuttl.load(tmp_path, Options(environment={"SUBPATH": "test"})).tests
    assert test.steps[0].kubeconfig == (str(case / path) if path else "/absolute/kubeconfig-test.yaml")


@pytest.mark.parametrize("flavor", ["a", "b"])
def test_files_are_chosen_by_the_labels_of_the_run(tmp_path: Path, flavor: str) -> None:
    """A TestFile keeps its file where the labels match, and drops it elsewhere."""
    (step,) = one(tmp_path, "testcase/test-run-labels", Options(labels={"flavor": flavor}))
    write, common = actions(step)
    assert isinstance(write, Write)
    assert isinstance(common, Round)
    assert write.objects.documents[0].value["data"] == {"flavor": flavor}
    assert [each.value["data"] for each in common.asserts] == [{"flavor": flavor}]


def test_both_suites_of_the_reports_load() -> None:
    """Six tests with commands in steps and in rounds."""
    for name, steps in (("suite1", [1, 3, 3]), ("suite2", [1, 3, 3])):
        suite = kuttl.load(CORPUS / "junit" / name)
        assert [len(test.steps) for test in suite.tests] == steps
        first = suite.tests[0].steps[0]
        assert [type(action) for action in actions(first)] == [Program, Round]


def test_templates_are_rendered_with_namespace_and_variables(tmp_path: Path) -> None:
    """`.Namespace` and `.Vars` are what the renderer gets; a variable that was not given is refused."""
    seen = []

    def render(file: Path, data: object) -> str:
        seen.append((file.name, data))
        return "apiVersion: v1\nkind: Pod\nmetadata: {name: rendered}\n"

    variables = {"var1": "x", "var2": "y", "var3": "z"}
    options = Options(namespace="here", variables=variables, render=render)
    (step,) = one(tmp_path, "vars/suite1/test1", options)
    assert [name for name, _ in seen] == ["00-apply.gotmpl.yaml", "00-assert.gotmpl.yaml"]
    assert seen[0][1] == {"Namespace": "here", "Vars": variables}
    assert [type(action) for action in actions(step)] == [Write, Round]
    with pytest.raises(SuiteInvalid, match=r"no value was given for \.Vars\.var2"):
        kuttl.load(tmp_path, Options(variables={"var1": "x", "var3": "z"}, render=render))
