"""Reports that a suite's own configuration asks for."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli.suite_results import asked_for
from harness.reports.suites import Format
from harness.suites.chainsaw.configuration import DEFAULT
from harness.suites.model import Language, ReportWanted


@pytest.mark.parametrize(
    ("language", "name", "form"),
    [
        (Language.CHAINSAW, "XML", Format.JUNIT_TEST),
        (Language.CHAINSAW, "JUNIT-STEP", Format.JUNIT_STEP),
        (Language.KUTTL, "xml", Format.KUTTL_XML),
        (Language.KUTTL, "json", Format.KUTTL_JSON),
    ],
)
def test_each_language_names_its_own_formats(language: Language, name: str, form: Format) -> None:
    """XML of chainsaw is its JUNIT-TEST; kuttl has one of its own."""
    suite = replace(DEFAULT, language=language, report=ReportWanted(name, Path("out"), "r", "test"))
    assert list(asked_for([suite])) == [([form], Path("out"), "r", "test")]


def test_without_a_report_block_nothing_is_asked_for() -> None:
    """No file appears that nobody wants."""
    assert list(asked_for([DEFAULT])) == []
