"""Suites of kuttl: read strictly, what kuttl silently misreads is refused with the reason.

suite      kuttl-test.yaml, and the folders that have tests           load, check, is_kuttl, single
steps      a folder of a test becomes steps                           names: what a file name says
kinds      TestStep, TestAssert, TestFile                             fields: what they are made of
rules      conditions in CEL                                          cautions: warnings about objects
templates  .gotmpl.yaml
"""

from collections.abc import Callable
from pathlib import Path

from harness.suites.kuttl import suite
from harness.suites.kuttl.suite import FILE, Options, is_kuttl, single
from harness.suites.model import Suite
from harness.suites.problems import Problem, Problems

__all__ = ["FILE", "Options", "check", "is_kuttl", "load", "single"]


def load(directory: Path, options: Options | None = None, warn: Callable[[Problem], None] | None = None) -> Suite:
    """The suite in `directory`; `warn` hears what does not keep it from being run, also where something else does.

    Raises SuiteInvalid with everything that is wrong.
    """
    found, problems = _load(directory, options or Options())
    if warn is not None:
        for problem in problems.warnings:
            warn(problem)
    problems.require()
    if found is None:
        raise ValueError("a suite that is not there is a problem")
    return found


def check(directory: Path, options: Options | None = None) -> list[Problem]:
    """Errors and warnings of the suite in `directory`, in the order of its files."""
    return _load(directory, options or Options())[1].found


def _load(directory: Path, options: Options) -> tuple[Suite | None, Problems]:
    problems = Problems(options.lenient)
    found: Suite | None = None
    with problems.caught():
        found = suite.load(directory, options, problems)
    return found, problems
