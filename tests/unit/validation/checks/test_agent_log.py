"""The log of the older agent: what its parser said, and what we make of it."""

import json
import random
from typing import Any

import pytest

from harness.validation.checks.agent_log import (
    FAIL,
    NOT_EXECUTED,
    PASS,
    AgentTest,
    artifacts,
    constraint_results,
    parse,
)
from tests.fakes.validation import cases, needs_validation_data

CASES = cases("agent-log-cases.yaml", "cases")
NOTHING = [pytest.param({}, marks=pytest.mark.skip(reason="the real validation data is not beside this clone"))]
BEGIN, END = "--- BEGIN TEST OUTPUT ---", "--- END TEST OUTPUT ---"


@pytest.mark.parametrize("case", CASES or NOTHING, ids=lambda case: case.get("name"))
def test_a_log_is_read_as_the_table_says(case: dict[str, Any]) -> None:
    """Status, message and tests as the reference's parser has them; the verdict where that is weaker."""
    found = parse(case["log"], case.get("expected_tests", 0))
    assert (found.status, found.message) == (case["status"], case["message"])
    if "tests" in case:
        assert [(t.name, t.status, t.output) for t in found.tests] == [
            (each["name"], each["status"], each["output"]) for each in case["tests"]
        ]
    if "details_output" in case:
        assert list(found.details) == case["details_output"]
    if "duration_s" in case:
        assert found.seconds == pytest.approx(case["duration_s"])
    assert found.verdict == case.get("verdict", case["status"]).partition(" (")[0]
    assert bool(found.why) == (found.verdict != PASS)


@needs_validation_data
def test_what_a_test_says_of_constraints_and_leaves_is_read() -> None:
    """Values may hold blanks; artifacts are base64 of label and data."""
    [case] = [each for each in CASES if "constraint" in each]
    [test] = parse(case["log"]).tests
    assert list(constraint_results(test)) == [case["constraint"]]
    assert list(artifacts(test)) == [case["artifact"]]


def test_artifacts_are_bounded() -> None:
    """Twenty of at most 8 KiB; what is no artifact is left out."""
    import base64

    small = base64.b64encode(json.dumps({"label": "l", "data": "x"}).encode()).decode()
    large = base64.b64encode(json.dumps({"label": "l", "data": "x" * 9000}).encode()).decode()
    test = AgentTest("T", output=[f"ARTIFACT:{large}", "ARTIFACT:????", "ARTIFACT:AAAA", *[f"ARTIFACT:{small}"] * 30])
    assert len(list(artifacts(test))) == 20


def event(action: str, test: str = "", **more: Any) -> str:
    found = {"Action": action, "Package": "p", **more} | ({"Test": test} if test else {})
    return json.dumps(found)


PASSED = [BEGIN, event("run", "A"), event("pass", "A"), event("pass"), END]


@pytest.mark.parametrize(
    ("lines", "expected", "verdict", "why"),
    [
        (PASSED, 1, PASS, ""),
        (PASSED[:-1], 1, FAIL, "the test output has no end"),
        ([*PASSED[:3], END], 1, FAIL, "package p has no end"),
        (PASSED, 2, FAIL, "1 of 2 expected tests ran"),
        (
            [BEGIN, event("run", "A"), event("pass", "A"), event("run", "B"), event("pass"), END],
            0,
            FAIL,
            "1 of 2 tests",
        ),
        ([BEGIN, event("skip", "A"), event("pass"), END], 0, NOT_EXECUTED, "every test was skipped"),
        ([BEGIN, event("pass"), END], 0, NOT_EXECUTED, "no test was run"),
        ([event("pass", "A"), event("pass")], 0, NOT_EXECUTED, "no block of test output"),
        ([*PASSED[:1], "fatal error: out of memory", *PASSED[1:]], 1, FAIL, "fatal error: out of memory"),
        ([*PASSED[:1], "loading plugins", *PASSED[1:]], 1, PASS, ""),
        ([*PASSED[:-1], event("pass", "A/sub"), END], 1, PASS, ""),
        ([*PASSED, *PASSED], 1, PASS, ""),
        ([PASSED[0], "x" * 200_000, *PASSED[1:]], 1, PASS, ""),
    ],
)
def test_a_hole_in_a_log_is_no_pass(lines: list[str], expected: int, verdict: str, why: str) -> None:
    """Each is told apart; a line may be of any length."""
    found = parse("\n".join(lines), expected)
    assert found.verdict == verdict
    assert why in found.why


def reference(lines: list[str]) -> bool:
    """Whether a log shows a pass, by the plainest reading: every line an event or known noise, every test passed."""
    if lines.count(BEGIN) != 1 or lines.count(END) != 1 or lines.index(END) != len(lines) - 1:
        return False
    events = []
    for line in lines[lines.index(BEGIN) + 1 : -1]:
        try:
            events.append(json.loads(line))
        except ValueError:
            if line.lstrip().startswith(("{", "panic:")):
                return False
    ended = {
        each["Test"]: each["Action"]
        for each in events
        if each.get("Test") and each["Action"] in ("pass", "fail", "skip", "run")
    }
    package = [each["Action"] for each in events if not each.get("Test") and each["Action"] in ("pass", "fail")]
    return package == ["pass"] and "pass" in ended.values() and set(ended.values()) <= {"pass", "skip"}


def test_five_hundred_streams_have_the_verdict_of_a_plain_reading() -> None:
    """Interleaved tests, cut ends, huge lines, binary: whatever comes, a pass is a pass of every test."""
    passes = 0
    for seed in range(500):
        dice = random.Random(seed)
        lines = _stream(dice)
        if dice.random() < 0.25:
            lines = lines[: dice.randrange(len(lines))]
        found = parse("\n".join(lines))
        assert (found.verdict == PASS) == reference(lines), (seed, found.why)
        passes += found.verdict == PASS
    assert 50 < passes < 450, "both verdicts have to occur"


def _stream(dice: random.Random) -> list[str]:
    """The log of some tests, whose events are interleaved."""
    waiting = {f"Test{number}": ["run", *["output"] * dice.randrange(4), "end"] for number in range(dice.randrange(5))}
    failed = False
    events: list[str] = []
    while waiting:
        name = dice.choice(sorted(waiting))
        step = waiting[name].pop(0)
        if step == "end":
            step = dice.choices(["pass", "skip", "fail"], [12, 2, 1])[0]
            failed = failed or step == "fail"
            del waiting[name]
        text = dice.choice(["a line\n", "no newline", "x" * 70_000 + "\n", "\x00\x07\ufffd\n", "--- odd\n"])
        events.append(event(step, name, **({"Output": text} if step == "output" else {"Elapsed": 0.1})))
        if dice.random() < 0.02:
            events.append(dice.choice(["", "noise", "panic: boom", '{"Action":', "\x00\x01\x02"]))
    return ["Running validation tests...", BEGIN, *events, event("fail" if failed else "pass"), END]
