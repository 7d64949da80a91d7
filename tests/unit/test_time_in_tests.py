"""Unit tests prove facts, and do not read the clock: what may still do so is listed here, with its reason."""

import re

from harness.settings import ROOT

TESTS = ROOT / "tests"
_READS_OR_SLEEPS = re.compile(r"\btime\.(?:sleep|time|monotonic|perf_counter|process_time)\(|\bTimer\(")

ALLOWED = {
    "fakes/clock.py": "waits for what other threads do, and fails where they never do it",
    "fakes/cells.py": "a worker of a faked cell lives as long as it is told",
    "unit/bundles/bundlers/test_aicr.py": "a program that hangs until its deadline ends it",
    "unit/bundles/shapes/test_helm.py": "a program that takes its time",
    "fakes/api.py": "a server ends its streams by its own clock, and clients time sockets by the kernel's",
    "unit/github/test_scripts.py": "a script of shell and its signals",
    "unit/waiting/test_gitops_histories.py": "milliseconds between the steps of a history",
    "unit/processes/test_signals.py": "a program that sleeps when a signal comes",
    "unit/processes/test_daemons.py": "a program that outlives its first thread",
    "unit/evidence/test_redaction.py": "CPU time, of texts for which a quadratic pattern would need minutes",
    "unit/waiting/test_histories.py": "milliseconds between the steps of a history",
}


def test_no_other_unit_test_reads_the_clock_or_sleeps() -> None:
    """A test that needs time to pass moves the clock of tests.fakes.clock; a reason that nothing needs goes."""
    files = [*(TESTS / "unit").rglob("*.py"), *(TESTS / "fakes").rglob("*.py")]
    found = {file.relative_to(TESTS).as_posix() for file in files if _READS_OR_SLEEPS.search(file.read_text())}
    assert found - {"unit/test_time_in_tests.py"} == ALLOWED.keys()
