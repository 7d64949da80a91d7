"""The five cases of VMAFx, which lie beside the project: what kuttl misreads in them is named with file and line.

None of them ever passed. Their faults that show in files are those of the list below; who writes an asserted field, or
what a chart calls its Deployment, no file of a suite says.
"""

from pathlib import Path

import pytest

from harness.assertions.lint import Severity
from harness.suites import kuttl
from harness.suites.problems import SuiteInvalid

SUITE = Path(__file__).parents[3].parent / "shared" / "suites" / "vmafx" / "five-cases"

pytestmark = pytest.mark.skipif(not SUITE.is_dir(), reason="the suite is not beside the project")

MISPLACED = "a TestStep does not count in this file"
NO_TIMEOUT = "a TestStep has no timeout"
EMPTY = "it is empty"

# fault: (file:line, what is said)
FAULTS = {
    "a step's settings in an assert file": [
        ("02-vmafxjob-creates-pod/02-assert.yaml:12", MISPLACED),
        ("03-node-heartbeat/01-assert.yaml:11", MISPLACED),
        ("03-node-heartbeat/02-assert.yaml:12", MISPLACED),
        ("04-rclone-score/03-assert.yaml:11", MISPLACED),
        ("04-rclone-score/03-assert.yaml:25", MISPLACED),
        ("05-sidecar-trainer/02-assert.yaml:12", MISPLACED),
    ],
    "a time where none is read": [
        ("02-vmafxjob-creates-pod/02-assert.yaml:16", NO_TIMEOUT),
        ("03-node-heartbeat/01-assert.yaml:15", NO_TIMEOUT),
        ("04-rclone-score/01-upload-fixtures.yaml:15", NO_TIMEOUT),
        ("04-rclone-score/03-assert.yaml:15", NO_TIMEOUT),
        ("05-sidecar-trainer/01-feed-sample.yaml:19", NO_TIMEOUT),
        ("05-sidecar-trainer/02-assert.yaml:16", NO_TIMEOUT),
    ],
    "the awaited phase is applied": [("05-sidecar-trainer/01-feed-sample.yaml:27", "ignores a status that is applied")],
    "variables that no shell sees": [
        ("03-node-heartbeat/02-assert.yaml:18", EMPTY),
        ("04-rclone-score/03-assert.yaml:31", EMPTY),
        ("05-sidecar-trainer/02-assert.yaml:19", "${samples:-0}"),
        ("05-sidecar-trainer/02-assert.yaml:19", "$samples before"),
        ("05-sidecar-trainer/02-assert.yaml:27", EMPTY),
    ],
    "the chart's path": [("01-operator-installs/00-install.yaml:17", "../../deploy/helm/vmafx does not exist")],
    "conditions that nothing sets": [
        ("04-rclone-score/01-upload-fixtures.yaml:18", "condition Ready of a StatefulSet"),
        ("04-rclone-score/01-upload-fixtures.yaml:33", "condition Succeeded of a Pod"),
    ],
    "empty inputs": [
        ("02-vmafxjob-creates-pod/00-create.yaml:28", "ref.yuv is empty"),
        ("02-vmafxjob-creates-pod/00-create.yaml:29", "dist.yuv is empty"),
    ],
    "the suite file": [
        ("kuttl-test.yaml:14", "is not a folder"),
        ("kuttl-test.yaml:24", "kuttl writes JSON"),
    ],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_file_and_line(fault: str) -> None:
    """Each place of the fault is a problem at that line."""
    told = [(problem.place.removeprefix(f"{SUITE}/"), problem.what) for problem in kuttl.check(SUITE)]
    for place, what in FAULTS[fault]:
        assert [said for where, said in told if where == place and what in said], f"{place} is not among {told}"


def test_nothing_else_is_told() -> None:
    """No problem is reported that is not one of these faults."""
    assert len(kuttl.check(SUITE)) == sum(map(len, FAULTS.values()))


def test_the_suite_is_refused() -> None:
    """A suite whose steps kuttl misreads is not run."""
    with pytest.raises(SuiteInvalid) as caught:
        kuttl.load(SUITE)
    assert {problem.severity for problem in caught.value.problems} == {Severity.ERROR}
