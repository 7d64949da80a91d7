"""kwok-results.json: what the format demands, and what the readers of the bash harness expect."""

import copy
from typing import Any

import jsonschema
import pytest

from harness.exits import Exit
from harness.reports import ctrf
from harness.results.outcome import Cause
from harness.results.results import CellResult
from harness.verdict import CauseKind
from tests.fakes.ctrf_schema import SCHEMA
from tests.fakes.results import cell, failed, not_run, skipped, sweep

CAUSE = Cause(CauseKind.PULL, "OCIRepository aicr", "unauthorized")


def told(made: CellResult) -> dict[str, Any]:
    test: dict[str, Any] = ctrf.document(sweep(made))["results"]["tests"][0]
    return test


@pytest.mark.parametrize(
    ("made", "status"),
    [
        (cell(), "passed"),
        (failed(CAUSE), "failed"),
        (cell(Exit.TERMINATED), "other"),
        (skipped(), "skipped"),
        (not_run(), "pending"),
    ],
    ids=["passed", "failed", "interrupted", "skipped", "not run"],
)
def test_each_status_has_a_word_of_the_format(made: CellResult, status: str) -> None:
    """What never ran is pending, and what somebody ended is other: neither is skipped, neither passed."""
    assert told(made)["status"] == status


def test_names_are_those_of_the_bash_harness() -> None:
    """Readers that exist find tool and tests by these names."""
    document = ctrf.document(sweep(cell(recipe="eks-training", deployer="flux-oci")))
    assert document["results"]["tool"] == {"name": "kwok-validate-scheduling"}
    assert document["generatedBy"] == "kwok-validate-scheduling"
    assert document["specVersion"] == "0.0.1"
    assert document["results"]["tests"][0]["name"] == "kwok/eks-training/flux-oci"
    assert document["timestamp"] == "2026-11-21T03:07:01+00:00"


def test_times_are_milliseconds() -> None:
    """Durations and moments, of the run and of a cell."""
    document = ctrf.document(sweep(cell()))
    summary = document["results"]["summary"]
    assert (summary["start"], summary["stop"]) == (1795230121000, 1795230421000)
    test = document["results"]["tests"][0]
    assert (test["duration"], test["stop"] - test["start"]) == (12500, 12500)
    assert told(not_run())["duration"] == 0


def test_a_message_is_one_line_without_colours_and_only_where_it_did_not_pass() -> None:
    """The whole reason is the trace."""
    assert "message" not in told(cell())
    test = told(cell(Exit.FAILURE, reason="\x1b[31mno pods\x1b[0m\nbecause"))
    assert test["message"] == "no pods"
    assert test["trace"] == "no pods\nbecause"
    assert told(not_run())["message"] == "no time was left"


def test_an_identity_is_the_cells_own_whatever_the_run() -> None:
    """History is kept by it; a report's identity is another each time."""
    one, other = ctrf.document(sweep(cell())), ctrf.document(sweep(cell(Exit.FAILURE), run_id="other"))
    assert one["results"]["tests"][0]["id"] == other["results"]["tests"][0]["id"]
    assert told(cell(deployer="flux-oci"))["id"] != told(cell())["id"]
    assert one["reportId"] != other["reportId"]


def test_run_and_shard_are_told() -> None:
    """Under `extra`: the field of that name is not in every version of the format."""
    extra = ctrf.document(sweep(cell(), run_id="r", shard="2/5"))["extra"]
    assert (extra["runId"], extra["shardId"]) == ("r", "2/5")


def test_flaky_means_what_the_format_means_by_it() -> None:
    """Only a test that passed may be flaky."""
    assert told(CellResult("a", "helm", cell().outcome, flaky=True))["flaky"]
    assert "flaky" not in told(CellResult("a", "helm", cell(Exit.FAILURE).outcome, flaky=True))


@pytest.mark.parametrize(
    "path", [(), ("results",), ("results", "summary"), ("results", "tests", 0), ("results", "tool")]
)
def test_the_schema_of_these_tests_is_strict(path: tuple[str | int, ...]) -> None:
    """A field of our own outside `extra` would be noticed: consumers must reject it."""
    document = copy.deepcopy(ctrf.document(sweep(failed(CAUSE, evidence="/there"))))
    jsonschema.validate(document, SCHEMA)
    place: Any = document
    for step in path:
        place = place[step]
    place["outcome"] = {}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


@pytest.mark.parametrize(
    "change",
    [
        {"extra": {}},
        {"results": {"tests": [{"name": "another tool's"}]}},
        {"extra": ctrf.document(sweep())["extra"] | {"shardId": "two/5"}},
        {"extra": ctrf.document(sweep())["extra"] | {"stopped": 7}},
    ],
    ids=["no extra", "no cell", "no shard", "no exit code"],
)
def test_what_we_have_not_written_is_not_read(change: dict[str, Any]) -> None:
    """It is an error, not an empty result."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        ctrf.read(ctrf.document(sweep()) | change)
