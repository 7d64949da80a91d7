"""What `test` prints at its end, and the reports that it writes."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.cli.context import Context
from harness.errors import HarnessError, UsageError
from harness.reports.suites import Format, telling, write
from harness.suites.model import Language, Suite
from harness.suites.record import RunRecord, Status, TestRecord
from harness.suites.running.tests import NOT_BEGUN

Wanted = tuple[list[Format], Path, str, str]  # formats, folder, name, kuttl's granularity


def require_writable(folder: Path) -> None:
    """Make the folder of the reports. Raises UsageError where nothing can be written to it, before anything runs."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written to: {error.strerror}", where="--report-path") from error


def show(context: Context, record: RunRecord) -> None:
    """What is not simply green, with what is known of it; what was not begun; what is not as it was."""
    for test in record.tests:
        for text in _of_test(test):
            context.console.text(text)
    not_begun = Counter(test.message for test in record.tests if test.message.startswith(NOT_BEGUN))
    for why, count in not_begun.items():
        context.console.text(f"{count} {'test' if count == 1 else 'tests'} {why}")
    for changed in record.left_changed:
        context.console.text(f"was there before, and is not as it was: {changed}")


def verdict(context: Context, record: RunRecord) -> None:
    """The last lines: how many tests ended how, and why the run as a whole is not green."""
    if count := record.count(Status.SIMULATED):
        held = "test holds" if count == 1 else "tests hold"
        context.console.text(f"note: {count} {held} on simulated nodes only, where nothing runs: no proof of execution")
    word = "PASSED" if telling.green(record) else "FAILED"
    why = "the run was interrupted" if record.interrupted else record.error
    context.console.text(f"{word} {telling.counts(record)}" + (f"; {why}" if why else ""))


def write_reports(context: Context, record: RunRecord, wanted: Iterable[Wanted]) -> None:
    """Write every report that can be written. Raises HarnessError for the first that cannot, after all the others."""
    failed: HarnessError | None = None
    for formats, folder, name, granularity in wanted:
        try:
            for file in write(record, folder, formats, name, granularity):
                context.console.note(f"report: {file}")
        except HarnessError as error:
            failed = failed or error
    if failed is not None:
        raise failed


def asked_for(suites: Iterable[Suite]) -> Iterator[Wanted]:
    """The reports that configurations of suites ask for."""
    for suite in suites:
        if suite.report is not None and suite.report.format:
            granularity = suite.report.granularity or "step"
            yield [_format(suite.language, suite.report.format)], suite.report.path, suite.report.name, granularity


def _format(language: Language, name: str) -> Format:
    if language is Language.KUTTL:
        return Format.KUTTL_XML if name.lower() == "xml" else Format.KUTTL_JSON
    return Format.JUNIT_TEST if name == "XML" else Format(name)


def _of_test(record: TestRecord) -> Iterator[str]:
    if record.message and record.status is not Status.PASSED and not record.message.startswith(NOT_BEGUN):
        yield f"{telling.SYMBOLS[record.status]} {record.name}: {record.message}"
    for step in record.steps:
        if step.message:
            yield f"{telling.SYMBOLS[step.status]} {record.name}, {step.name}: {step.message}"
        for operation in step.operations:
            if operation.status.red or operation.status is Status.SKIPPED:
                where = f"{operation.place}: " if operation.place else ""
                title = f"{record.name}, {step.name}, {operation.block} {operation.kind}: {operation.status}"
                facts = "\n".join(telling.facts(operation))
                parts = (f"{telling.SYMBOLS[operation.status]} {where}{title}", telling.told(operation), facts)
                yield "\n".join(filter(None, (*parts, operation.output)))
