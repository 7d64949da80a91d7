"""Validations as CTRF documents and as evidence: the same result gives the same bytes."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest
import yaml

from harness.errors import HarnessError
from harness.validation import ctrf, evidence
from harness.validation.constraints import Evaluated
from harness.validation.results import CheckResult, PhaseReport, Report, Status
from tests.fakes.ctrf_schema import SCHEMA
from tests.fakes.validation import SHARED, constraint, needs_validation_data

NOW = datetime(2026, 6, 20, 8, 15, tzinfo=UTC)
LATER = NOW + timedelta(seconds=90)


def phase(name: str, *tests: CheckResult, start: datetime = NOW, end: datetime = LATER) -> PhaseReport:
    return PhaseReport(name, tests, len(tests), start, end)


def made(*phases: PhaseReport, simulated: str = "", without_cluster: bool = False) -> Report:
    passed = (Evaluated(constraint("a", "1"), True, "1"),)
    return Report("run-1", "mine", NOW, LATER, passed, phases, "s.yaml", simulated, without_cluster)


DRA = CheckResult("dra-support", "conformance", Status.PASSED, 1.5, stdout=("saw ```it```",), extra={"b": 1, "a": True})
GANG = CheckResult("gang-scheduling", "conformance", Status.OTHER, 0.25, "never started")
METRICS = CheckResult("accelerator-metrics", "conformance", Status.SKIPPED, 0, "needs a real node: x")
HEALTH = CheckResult("gpu-operator-health", "conformance", Status.PASSED)
VERSION = CheckResult("gpu-operator-version", "deployment", Status.FAILED, 2, "expected 2, got 1")
BOTH = made(phase("deployment", VERSION), phase("conformance", DRA, GANG, METRICS, HEALTH, start=LATER))


def test_a_document_is_ctrf_and_the_same_result_gives_the_same_bytes() -> None:
    """Keys in the order of the format, times in milliseconds, what is empty left out."""
    document = ctrf.document(BOTH, version="1.2.3")
    jsonschema.validate(document, SCHEMA)
    assert ctrf.text(document) == ctrf.text(ctrf.document(BOTH, version="1.2.3"))
    assert list(document) == ["reportFormat", "specVersion", "timestamp", "generatedBy", "results"]
    assert document["timestamp"] == "2026-06-20T08:15:00Z"
    summary = document["results"]["summary"]
    counts = {"tests": 5, "passed": 2, "failed": 1, "skipped": 1, "pending": 0, "other": 1}
    start = round(NOW.timestamp() * 1000)
    assert summary == {**counts, "start": start, "stop": start + 90_000}
    assert document["results"]["tests"][0] == {
        "name": "gpu-operator-version",
        "status": "failed",
        "duration": 2000,
        "suite": ["deployment"],
        "message": "expected 2, got 1",
    }
    assert list(document["results"]["tests"][1]["extra"]) == ["a", "b"]
    assert json.loads(ctrf.text(document)) == document


def test_one_report_is_itself_and_several_are_merged() -> None:
    """Tests in order, sums, the least start that is not 0, the greatest stop, first timestamp, last environment."""
    one = ctrf.phase_document(phase("deployment", VERSION), version="1", environment="first")
    two = ctrf.phase_document(phase("conformance", DRA, start=LATER), version="1", environment="second")
    assert ctrf.merged([one]) is one
    two["results"]["summary"]["start"] = 0
    found = ctrf.merged([one, two])
    assert found["timestamp"] == one["timestamp"]
    assert found["results"]["environment"] == {"testEnvironment": "second"}
    assert found["results"]["summary"]["start"] == one["results"]["summary"]["start"]
    assert [test["name"] for test in found["results"]["tests"]] == ["gpu-operator-version", "dra-support"]
    assert one["results"]["summary"]["tests"] == 1, "what is merged stays as it was"
    with pytest.raises(ValueError, match="no reports"):
        ctrf.merged([])


@needs_validation_data
def test_a_document_is_what_the_reference_compares_with() -> None:
    """Format, tool, and more than no tests."""
    wanted = yaml.safe_load((SHARED / "results" / "assert-validate-multiphase-2026-08-19.yaml").read_text())
    found = ctrf.document(BOTH, version="1")
    assert found["reportFormat"] == wanted["reportFormat"]
    assert found["results"]["tool"]["name"] == wanted["results"]["tool"]["name"]
    assert found["results"]["summary"]["tests"] > 0


@pytest.mark.parametrize(
    ("report", "environment"),
    [
        (made(phase("deployment", VERSION), simulated="6 of 6 nodes"), "6 of 6 nodes"),
        (made(phase("deployment", VERSION), without_cluster=True), "no cluster"),
        (made(without_cluster=True), "no cluster"),
    ],
)
def test_the_environment_names_a_simulation_and_a_missing_cluster(report: Report, environment: str) -> None:
    """A reader of the file alone knows what was looked at."""
    assert ctrf.document(report, version="")["results"]["environment"] == {"testEnvironment": environment}


def test_a_page_is_written_for_each_requirement_that_was_looked_at(tmp_path: Path) -> None:
    """Skipped ones and checks that are no requirement are left out; other is a failure."""
    files = evidence.write(BOTH, tmp_path / "evidence")
    assert {file.name for file in files} == {"dra-support.md", "gang-scheduling.md", "index.md", "PRODUCT.yaml"}
    assert "| [gang_scheduling](gang-scheduling.md) | failed |" in (tmp_path / "evidence" / "index.md").read_text()
    page = (tmp_path / "evidence" / "dra-support.md").read_text()
    assert "````text\nsaw ```it```\n````" in page, "a fence in the output does not end the block"
    assert evidence.pages(BOTH) == evidence.pages(BOTH)


def test_the_summary_says_of_every_requirement_what_was_evaluated() -> None:
    """A skip is not evaluated, with its reason; a check that could not be carried out is no implementation."""
    found = evidence.product(BOTH)
    requirements = {each["id"]: each for group in found["spec"].values() for each in group}
    assert len(requirements) == 9
    assert requirements["dra_support"]["status"] == "Implemented"
    assert requirements["gang_scheduling"]["status"] == "Not Implemented"
    assert requirements["accelerator_metrics"] == {
        "id": "accelerator_metrics",
        "level": "MUST",
        "status": "not evaluated",
        "notes": "needs a real node: x",
    }
    assert requirements["ai_inference"]["status"] == "not evaluated"


def test_the_page_of_the_robust_controller_has_the_references_name() -> None:
    """Readers know it as robust-operator.md."""
    test = CheckResult("robust-controller", "conformance", Status.PASSED)
    assert set(evidence.pages(made(phase("conformance", test)))) == {"robust-operator.md", "index.md"}


def test_a_simulated_cluster_is_named_on_the_page() -> None:
    """And so is the message of a failure."""
    report = made(phase("conformance", GANG), simulated="6 of 6 nodes are simulated by KWOK")
    page = evidence.pages(report)["gang-scheduling.md"]
    assert "simulated one: 6 of 6 nodes" in page
    assert "> never started" in page


def test_evidence_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """With the directory."""
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match="evidence cannot be written"):
        evidence.write(BOTH, tmp_path / "file")
