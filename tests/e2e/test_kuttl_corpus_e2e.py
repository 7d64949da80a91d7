"""kuttl's own test data on a real control plane without nodes, as its own integration tests have it."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.api import Cluster
from harness.objects import DEPLOYMENTS, NAMESPACES, PODS
from tests.e2e.machine import Machine

CORPUS = Path(__file__).parents[2].parent / "shared" / "suites" / "kuttl"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside the project"),
]


class Suites:
    """A machine with a control plane that is up, on which suites are run."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        for words in (("up",), ("nodes", "--delete")):  # upstream's own control plane has no nodes
            done = machine.run(*words)
            assert done.returncode == 0, done.stderr
        self.cluster = Cluster(machine.state / "kwok-harness" / "clusters" / "test" / "kubeconfig.yaml")

    def run(self, folder: Path, *words: str, code: int = 0) -> dict[str, dict[str, Any]]:
        """The tests of the CTRF report by name, once the run has ended with that code."""
        reports = self.machine.home / "reports"
        done = self.machine.run(
            "test", str(folder), "--allow-scripts", "--report", "CTRF", "--report-path", str(reports), *words
        )
        assert done.returncode == code, done.stdout + done.stderr
        report = json.loads((reports / "kwok-suites-ctrf.json").read_text())
        return {test["name"].rpartition("[")[2].rstrip("]"): test for test in report["results"]["tests"]}

    def namespaces(self) -> set[str]:
        return {item["metadata"]["name"] for item in self.cluster.list(NAMESPACES).items}


@pytest.fixture(scope="module")
def control_plane(tools: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suites]:
    """One for all tests of the module."""
    for name in ("helm", "kubectl"):
        tools(name)
    machine = Machine(tmp_path_factory.mktemp("kuttl"))
    yield Suites(machine)
    machine.run("down", "--all")


@pytest.fixture
def suites(control_plane: Suites) -> Iterator[Suites]:
    before = control_plane.namespaces()
    yield control_plane
    assert control_plane.namespaces() == before  # each test takes its namespace with it


def statuses(tests: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: test["rawStatus"] for name, test in tests.items()}


def test_upstreams_harness_passes(suites: Suites, tmp_path: Path) -> None:
    """All nine tests, with the definitions that upstream's own run brings along; a pod's phase proves nothing here."""
    (tmp_path / "harness").symlink_to(CORPUS / "harness")
    (tmp_path / "kuttl-test.yaml").write_text(
        "apiVersion: kuttl.dev/v1beta1\nkind: TestSuite\ntestDirs: [harness]\n"
        f"crdDir: {CORPUS / 'harness-crds'}\ntimeout: 60\nparallel: 4\n"
    )
    tests = suites.run(tmp_path)
    phases = ("delete-in-step", "teststep-apply", "teststep-assert", "teststep-errors")
    assert statuses(tests) == {
        path.name: "simulated" if path.name in phases else "passed" for path in (CORPUS / "harness").iterdir()
    }


def test_assert_commands_are_part_of_the_round(suites: Suites, tmp_path: Path) -> None:
    """Three pass; one that fails, one that is not there and one that does not end in time fail their step."""
    folder = tmp_path / "tests"
    shutil.copytree(CORPUS / "step" / "assert_commands", folder)
    script = folder / "path_script" / "test" / "script.sh"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    tests = suites.run(folder, code=1)
    good = ("valid_command", "multiple_commands", "path_script")
    bad = ("command_does_not_exist", "failing_comand", "timingout_command")
    assert statuses(tests) == dict.fromkeys(good, "passed") | dict.fromkeys(bad, "failed")
    (step,) = [step["extra"] for step in tests["timingout_command"]["steps"] if step["name"] == "0-"]
    assert 1000 <= step["stop"] - step["start"] <= 5000


def test_conditions_in_cel_are_judged(suites: Suites, tmp_path: Path) -> None:
    """What is true of objects in other namespaces and in the test's own passes, what is false fails with its text."""
    cluster = suites.cluster
    labels = {"k8s-app": "metrics-server"}
    container = {"name": "a", "image": "a"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    cluster.apply(
        DEPLOYMENTS,
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "coredns", "namespace": "kube-system"},
            "spec": spec,
        },
    )
    cluster.apply(
        PODS,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "metrics-server-xyz-pqr", "namespace": "kube-system", "labels": labels},
            "spec": {"containers": [container]},
        },
    )
    expected = {}
    for case in (CORPUS / "step" / "assert_expressions").iterdir():
        if case.name != "invalid_expression":  # refused when it is read: test_kuttl_corpus.py
            (tmp_path / "tests" / case.name).mkdir(parents=True)
            (tmp_path / "tests" / case.name / "00-case").symlink_to(case)
            expected[case.name] = "failed" if "failing" in case.name or "incorrect" in case.name else "passed"
    tests = suites.run(tmp_path / "tests", code=1)
    assert statuses(tests) == expected
    assert "coredns.metadata.name == 'metrics-server'" in json.dumps(tests["check_incorrect_deployment_name"])


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: timeless(each) for key, each in value.items() if key not in ("time", "timestamp", "text")}
    return [timeless(each) for each in value] if isinstance(value, list) else value


def test_the_report_of_a_real_run_is_kuttls_golden_one(suites: Suites, tmp_path: Path) -> None:
    """Six tests, four of which fail: suites, cases, counts and messages; times and what programs say apart."""
    for name in ("suite1", "suite2"):
        shutil.copytree(CORPUS / "junit" / name, tmp_path / name)
    (tmp_path / "kuttl-test.yaml").write_text(
        "apiVersion: kuttl.dev/v1beta1\nkind: TestSuite\ntestDirs: [suite1, suite2]\ntimeout: 10\nreportFormat: json\n"
    )
    suites.run(tmp_path, code=1)
    made = timeless(json.loads((tmp_path / "kuttl-report.json").read_text()))
    golden = timeless(json.loads((CORPUS / "junit" / "kuttl-report-step.golden.json").read_text()))
    for suite in made["testsuite"]:
        suite["name"] = Path(suite["name"]).name  # where the run began is not where upstream's did
    assert made == golden


def test_templates_and_labels_of_a_run(suites: Suites) -> None:
    """Files are rendered with the variables of the run, and chosen by its labels."""
    variables = ("--template-var", "var1=var1", "--template-var", "var2=x", "--template-var", "var3=var3")
    tests = suites.run(CORPUS / "vars" / "suite1", *variables, code=1)
    assert statuses(tests) == {"test1": "failed"}  # the assert wants var2 where the object has x
    variables = ("--template-var", "var1=var1", "--template-var", "var2=var2", "--template-var", "var3=var3")
    assert statuses(suites.run(CORPUS / "vars" / "suite1", *variables)) == {"test1": "passed"}
    tests = suites.run(CORPUS / "testcase", "--test-run-labels", "flavor=a")
    assert statuses(tests) == {"test-run-labels": "passed"}
