"""From exit codes, messages and outputs of checks to tests."""

import pytest

from harness.validation.checks.catalog import Entry
from harness.validation.checks.verdict import Ended, result_of, said
from harness.validation.results import Status

ENTRY = Entry("a", "deployment", "a/b:c")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (0, Status.PASSED),
        (1, Status.FAILED),
        (2, Status.SKIPPED),
        (3, Status.OTHER),
        (137, Status.OTHER),
        (-1, Status.OTHER),
        (-9, Status.OTHER),
        (256, Status.OTHER),
    ],
)
def test_three_codes_are_a_verdict_and_every_other_one_is_none(code: int, status: Status) -> None:
    """0 passed, 1 failed, 2 skipped."""
    assert result_of(ENTRY, Ended(code, "m")).status is status


def test_a_skip_and_an_end_without_a_message_say_so() -> None:
    """No test is skipped or other silently."""
    assert result_of(ENTRY, Ended(2, " \n")).message == "skipped without a reason"
    assert result_of(ENTRY, Ended(5, "")).message == "ended with exit code 5, expected 0, 1 or 2"


def test_the_end_of_an_output_is_kept() -> None:
    """A thousand lines, each as long as a person reads."""
    found = result_of(ENTRY, Ended(0, "", output="\n".join(map(str, range(2500))) + "\n" + "x" * 600))
    assert len(found.stdout) == 1000
    assert found.stdout[0] == "1501"
    assert found.stdout[-1] == "x" * 512 + "... [truncated 88 chars]"


def test_a_message_is_at_most_as_long_as_a_termination_log() -> None:
    """4096 bytes, and no half of a character."""
    assert len(result_of(ENTRY, Ended(1, "é" * 5000)).message.encode()) <= 4096


def test_lines_of_data_become_extra_and_are_no_evidence() -> None:
    """What is no JSON object is kept as what it is."""
    output = '##AICR-EXTRA## {"simulated": true}\nseen\n##AICR-PROVENANCE## {}\n##AICR-EXTRA## [1]\n'
    found = result_of(ENTRY, Ended(0, "", output=output))
    assert found.stdout == ("seen",)
    assert found.extra == {"simulated": True, "unreadable": "[1]"}


def test_lines_for_people_are_found() -> None:
    """Those that begin with RESULT."""
    assert said("a\nRESULT: 300 GB/s\n RESULT: no\n") == ["300 GB/s"]


def test_a_failure_without_a_message_has_the_end_of_the_output() -> None:
    """A program that crashed says why there."""
    found = result_of(Entry("a", "deployment", "a/b:c"), Ended(1, "", output="Traceback:\n  x\nSyntaxError: bad\n"))
    assert found.message == "failed without a message; the last line of its output: SyntaxError: bad"
    assert result_of(Entry("a", "deployment", "a/b:c"), Ended(1, "")).message == "failed without a message"
