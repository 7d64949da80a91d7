"""Compiled Go tests by the contract of a container, so that those of the older agent run as a check too:

    NAME.test -test.v -test.run PATTERN 2>&1 | test2json -t | python -m harness.validators.go_tests

The exit status of the tests themselves would not do: a panic is 2, which is a skip by the contract, and tests that were
all skipped end with 0. The events are read as the agent reads them: 0 passed, 1 failed, 2 all skipped, 3 not executed.
"""

import sys
from collections.abc import Iterable

from harness.validation.checks.agent_log import BEGIN, END, FAIL, PASS, RUNNING, SKIP, AgentResult, parse
from harness.validators.__main__ import BROKEN, FAILED, PASSED, SKIPPED, end, say


def main(events: Iterable[str]) -> int:
    """Read the events of test2json to their end; the exit code of the check."""
    result = parse("\n".join([BEGIN, *(line.rstrip("\n") for line in events), END]))
    for line in result.details:
        say(line)
    for test in result.tests:
        say(f"{test.status}: {test.name} ({test.seconds:g} s)")
        for line in test.output:
            say(f"  {line}")
    message = "; ".join(filter(None, (result.message, result.why)))
    return end(_code(result), "" if result.verdict == PASS else message)


def _code(result: AgentResult) -> int:
    if result.verdict == PASS:
        return PASSED
    if result.verdict == FAIL or any(test.status == RUNNING for test in result.tests):  # a panic has no end either
        return FAILED
    return SKIPPED if result.tests and all(test.status == SKIP for test in result.tests) else BROKEN


if __name__ == "__main__":
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]  # what tests print need not be UTF-8
    sys.exit(main(sys.stdin))
