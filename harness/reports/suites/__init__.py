"""Reports of a run of suites, all made of its one record.

chainsaw   its JSON, and JUnit by test, step and operation        ctrf     the Common Test Report Format
kuttl      its JSON and JUnit, by step or test                    page     HTML for people
telling    what all say alike                                     summary  the GitHub step summary
"""

import json
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from harness.errors import HarnessError
from harness.replacing import replace
from harness.reports.suites import chainsaw, ctrf, kuttl, page, summary
from harness.suites.record import RunRecord

_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_MODE = 0o600  # as chainsaw writes them: what commands print may be secret


class Format(StrEnum):
    """A report. chainsaw's formats are called as it calls them, kuttl's as well, after its name."""

    CHAINSAW_JSON = "JSON"
    JUNIT_TEST = "JUNIT-TEST"
    JUNIT_STEP = "JUNIT-STEP"
    JUNIT_OPERATION = "JUNIT-OPERATION"
    KUTTL_JSON = "kuttl-json"
    KUTTL_XML = "kuttl-xml"
    CTRF = "CTRF"
    HTML = "HTML"
    SUMMARY = "summary"


_ENDINGS: Mapping[Format, str] = {
    Format.CHAINSAW_JSON: ".json",
    Format.JUNIT_TEST: ".xml",
    Format.JUNIT_STEP: ".xml",
    Format.JUNIT_OPERATION: ".xml",
    Format.KUTTL_JSON: ".json",
    Format.KUTTL_XML: ".xml",
    Format.CTRF: "-ctrf.json",
    Format.HTML: ".html",
    Format.SUMMARY: "-summary.md",
}


def text(record: RunRecord, wanted: Format, granularity: str = kuttl.STEP) -> str:
    """One report; `granularity` is kuttl's step or test."""
    makers: Mapping[Format, Callable[[], str]] = {
        Format.CHAINSAW_JSON: lambda: chainsaw.document(record),
        Format.JUNIT_TEST: lambda: _XML + chainsaw.by_test(record),
        Format.JUNIT_STEP: lambda: _XML + chainsaw.by_step(record),
        Format.JUNIT_OPERATION: lambda: _XML + chainsaw.by_operation(record),
        Format.KUTTL_JSON: lambda: kuttl.document(record, granularity),
        Format.KUTTL_XML: lambda: _XML + kuttl.xml(record, granularity),
        Format.CTRF: lambda: json.dumps(ctrf.document(record), indent=1) + "\n",
        Format.HTML: lambda: page.document(record),
        Format.SUMMARY: lambda: summary.document(record),
    }
    return makers[wanted]()


def write(
    record: RunRecord, directory: Path, wanted: Iterable[Format], name: str, granularity: str = kuttl.STEP
) -> list[Path]:
    """Write the reports into `directory`, which is made where it is missing; the files, in the order of `wanted`.

    A file is NAME and what its format ends with; of two that would be called alike the later one has its format in its
    name. Raises HarnessError where one cannot be written.
    """
    files: list[Path] = []
    for each in dict.fromkeys(wanted):
        file = directory / f"{name}{_ENDINGS[each]}"
        if file in files:
            file = directory / f"{name}-{each.lower()}{_ENDINGS[each]}"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            replace(file, text(record, each, granularity), _MODE)
        except OSError as error:
            raise HarnessError(f"the report cannot be written: {error.strerror}", where=str(file)) from error
        files.append(file)
    return files
