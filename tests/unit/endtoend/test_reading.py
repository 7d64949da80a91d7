"""suite.yaml: what is refused, with which words, on which line."""

from pathlib import Path

import pytest

from harness.endtoend import reading
from harness.endtoend.model import Fixtures, Manifests, Pods, Why
from harness.errors import UsageError
from harness.suites.model import Language
from harness.suites.problems import SuiteInvalid
from tests.fakes.endtoend import GOOD, MAP, loaded, write

STUB = "processes: [{name: stub, run: {standIn: http, routes: [{path: /healthz}]}}]\n"


@pytest.mark.parametrize("case", ["", "  - {name: nothing, try: []}\n"])
def test_a_case_without_an_operation_is_refused(tmp_path: Path, case: str) -> None:
    """It would judge nothing."""
    with pytest.raises(SuiteInvalid, match="the case has no operation"):
        loaded(tmp_path, "", a=case)


def test_the_sample_suite_is_read_whole() -> None:
    """The suite of the package has five cases and no mistake."""
    found, warnings = reading.load(Path("kwok/suites/platform"))
    assert [case.name[:2] for case in found.cases] == ["01", "02", "03", "04", "05"]
    assert found.cluster.pods is Pods.HOLD
    assert isinstance(found.setup[0].action, Manifests)
    assert found.setup[0].action.definitions
    assert any(isinstance(step.action, Fixtures) for step in found.setup)
    assert not warnings


@pytest.mark.parametrize(
    ("body", "said", "line"),
    [
        ("cluser: {}\n", "unknown field 'cluser'", 4),
        ("cluster: {pods: held}\n", "pods: 'held' is not valid", 4),
        ("cluster: {runtime: kindd}\n", "did you mean kind", 4),
        ("cluster: {real: ['*', a]}\n", "stands for all namespaces", 4),
        ("setup:\n  - {name: a, manifest: x}\n", "the step has no action", 5),
        ("setup:\n  - {name: a, crds: x, images: [y]}\n", "the step has 2 actions: crds, images", 5),
        ("setup:\n  - {name: a, crds: nowhere}\n", "nowhere: file or folder not found", 5),
        ("setup:\n  - {name: a, processes: [s3]}\n", "unknown process 's3'", 5),
        ("setup:\n  - {name: a, fixtures: {files: [{file: f, size: 1, sha256: AB}]}}\n", "64 hexadecimal", 5),
        ("processes:\n  - {name: a, run: {python: no.py}, ports: [p]}\n", "no.py: file not found", 5),
        ("processes:\n  - {name: a, run: {standIn: htp}}\n", "did you mean http", 5),
        ("processes:\n  - {name: a, run: {tool: x}, ports: [p], probes: [{port: q}]}\n", "a has no port 'q'", 5),
        ("processes:\n  - {name: a, run: {tool: x}}\n", "neither ports nor probes", 5),
        ("processes:\n  - {name: a, run: {tool: x, program: y}, ports: [p]}\n", "exclude each other", 5),
        ("processes:\n  - {name: a, run: {standIn: registry}, serviceAccount: b}\n", "expected NAMESPACE/NAME", 5),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, body: str, said: str, line: int) -> None:
    """Every mistake names the file, the line, and what is meant."""
    with pytest.raises(SuiteInvalid) as refused:
        loaded(tmp_path, body, **{"01-a": GOOD})
    assert f"suite.yaml:{line}:" in str(refused.value)
    assert said in str(refused.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Two mistakes need one run, not two."""
    with pytest.raises(SuiteInvalid) as refused:
        loaded(tmp_path, "cluser: {}\ncluster: {pods: held}\n", **{"01-a": GOOD})
    assert len(refused.value.problems) == 2


def test_a_suite_without_cases_is_refused(tmp_path: Path) -> None:
    """Nothing would be judged."""
    with pytest.raises(SuiteInvalid, match="nothing would be judged"):
        loaded(tmp_path, "cases: []\n")


def test_a_folder_without_a_suite_is_a_usage_error(tmp_path: Path) -> None:
    """It is told what is missing."""
    with pytest.raises(UsageError, match=r"suite\.yaml not found"):
        reading.load(tmp_path)


def test_a_need_is_a_case_before(tmp_path: Path) -> None:
    """A need that comes later, or that nobody is called, could never be fulfilled."""
    body = "cases:\n  - {name: b, path: cases/b, needs: [a]}\n  - {name: a, path: cases/a}\n"
    with pytest.raises(SuiteInvalid, match="'a' is no case before this one"):
        loaded(tmp_path, body, a=GOOD, b=GOOD)


def test_a_skip_names_a_step(tmp_path: Path) -> None:
    """A skip of a step that is not there is told with the nearest name."""
    body = "cases: [{name: a, path: cases/a, skips: {host: [{step: mak, class: execution, why: x}]}}]\n"
    with pytest.raises(SuiteInvalid, match="did you mean make") as refused:
        loaded(tmp_path, body, a=GOOD)
    assert "'mak' is no step of a" in str(refused.value)


def test_skips_are_kept_by_runtime(tmp_path: Path) -> None:
    """What is declared for one runtime says nothing of the other."""
    body = "cases: [{name: a, path: cases/a, skips: {kind: [{step: make, class: gpu, why: none here}]}}]\n"
    [case] = loaded(tmp_path, body, a=GOOD).cases
    assert [(skip.step, skip.why) for skip in case.skips["kind"]] == [("make", Why.GPU)]
    assert case.skips["host"] == ()


def test_two_steps_of_one_name_are_refused(tmp_path: Path) -> None:
    """A skip could mean either."""
    with pytest.raises(SuiteInvalid, match="two steps are called 'make'"):
        loaded(tmp_path, "", a=GOOD + GOOD)


def test_own_operations_are_read_strictly(tmp_path: Path) -> None:
    """Unknown processes, ports and fields of an operation of ours are told with the line of the case's file."""
    steps = (
        "  - name: s\n    try:\n"
        "    - kill: {process: stup}\n"
        "    - http: {process: stub, port: htp}\n"
        "    - requests: {process: stub, path: /a, atleast: 1}\n"
    )
    with pytest.raises(SuiteInvalid) as refused:
        loaded(tmp_path, STUB, a=steps)
    text = str(refused.value)
    assert "chainsaw-test.yaml:9: unknown process 'stup'" in text
    assert "chainsaw-test.yaml:10: stub has no port 'htp'" in text
    assert "chainsaw-test.yaml:11: unknown field 'atleast'" in text


def test_an_operation_is_asked_of_the_right_stand_in(tmp_path: Path) -> None:
    """An HTTP stub keeps no artifacts."""
    steps = "  - {name: s, try: [{artifact: {process: stub, repository: a, reference: b}}]}\n"
    with pytest.raises(SuiteInvalid, match="it is no Registry"):
        loaded(tmp_path, STUB, a=steps)


def test_chainsaw_itself_does_not_know_them(tmp_path: Path) -> None:
    """`test` runs chainsaw's suites: an operation of ours in them is a mistake there."""
    from harness.suites.chainsaw import tests
    from harness.suites.problems import Problems

    folder = write(tmp_path, STUB, a="  - {name: s, try: [{kill: {process: stub}}]}\n")
    problems = Problems()
    tests.read(folder / "cases/a/chainsaw-test.yaml", problems)
    assert any("unknown field 'kill'" in each.what for each in problems.errors)


def test_a_case_may_be_kuttls(tmp_path: Path) -> None:
    """A folder with numbered files is a case of kuttl."""
    folder = tmp_path / "cases" / "a"
    folder.mkdir(parents=True)
    (folder / "00-create.yaml").write_text(MAP)
    (folder / "00-assert.yaml").write_text(MAP)
    [case] = loaded(tmp_path, "cases: [{name: a, path: cases/a}]\n").cases
    assert case.suite.language is Language.KUTTL
    assert reading.step_names(case.suite) == ("0-create",)


@pytest.mark.parametrize(
    "case", sorted(Path("../shared/suites/vmafx/five-cases").glob("0*")), ids=lambda case: case.name
)
def test_what_kuttl_misreads_in_upstreams_cases_is_refused(tmp_path: Path, case: Path) -> None:
    """Cases of kuttl are read as by `test`: a TestStep in an assert file is told with file and line."""
    wrong = {"02-vmafxjob-creates-pod", "03-node-heartbeat", "04-rclone-score", "05-sidecar-trainer"}
    body = f"cases: [{{name: a, path: {case.resolve()}}}]\n"
    if case.name not in wrong:
        loaded(tmp_path, body)
        return
    with pytest.raises(SuiteInvalid) as refused:
        loaded(tmp_path, body)
    assert any("-assert.yaml:" in each.place for each in refused.value.problems)
