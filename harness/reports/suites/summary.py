"""A run of suites as a GitHub step summary: verdict, a row for each test, and each failure in full."""

from collections.abc import Iterator
from html import escape

from harness.reports.grid import lasted
from harness.reports.plain import plain
from harness.reports.suites.telling import SYMBOLS, counts, facts, green, told
from harness.reports.summary import LIMIT, fitting
from harness.suites.record import RunRecord, Status, TestRecord

_REASON = 4000  # characters of a reason; what is longer is in the report


def document(record: RunRecord, limit: int = LIMIT) -> str:
    """The summary, of at most `limit` bytes."""
    return fitting(_parts(record), limit)


def _parts(record: RunRecord) -> Iterator[str]:
    verdict = "PASSED" if green(record) else "FAILED"
    yield f"## {SYMBOLS[Status.PASSED if green(record) else Status.FAILED]} {verdict}: {counts(record)}\n\n"
    yield f"<p>{_line(record.name)}, {lasted(record.ended - record.started)}.</p>\n\n"
    if record.error:
        yield f"<p><b>{_line(record.error)}</b></p>\n\n"
    if record.tests:
        head = "<tr><th align=left>test</th><th>outcome</th><th>steps</th><th>took</th></tr>\n"
        yield f"<table>\n{head}{''.join(map(_row, record.tests))}</table>\n\n"
    yield from (_detail(test) for test in record.tests if test.status.red)
    if record.left_changed:
        listed = "".join(f"<li><code>{_line(name)}</code></li>\n" for name in record.left_changed)
        yield f"<p>These objects were there before, and are not as they were:</p>\n<ul>\n{listed}</ul>\n\n"
    yield from (f"<p>note: {_line(note)}</p>\n" for note in record.notes)


def _row(test: TestRecord) -> str:
    done = sum(step.status in (Status.PASSED, Status.SIMULATED) for step in test.steps)
    outcome = f"{SYMBOLS[test.status]} {test.status.value}"
    cells = f"<td>{outcome}</td><td>{done}/{len(test.steps)}</td><td>{lasted(test.ended - test.started)}</td>"
    return f"<tr><th align=left>{_line(_name(test))}</th>{cells}</tr>\n"


def _detail(test: TestRecord) -> str:
    failure = test.first_failure
    reason = plain(told(failure) if failure else test.message)
    why = test.message or reason
    cut = "" if len(reason) <= _REASON else "\n[…]"
    known = "".join(f"<li>{_line(fact)}</li>\n" for fact in (facts(failure) if failure else ()))
    where = f"<p><code>{_line(failure.place)}</code></p>\n" if failure and failure.place else ""
    return (
        f"<details><summary>{SYMBOLS[test.status]} {_line(_name(test))}: {_line(why.partition(chr(10))[0])}</summary>\n"
        f"\n{where}<pre>\n{escape(reason[:_REASON])}{cut}\n</pre>\n{f'<ul>{known}</ul>' if known else ''}</details>\n\n"
    )


def _name(test: TestRecord) -> str:
    return f"{test.folder}[{test.name}]" + (f" {test.scenario}" if test.scenario else "")


def _line(text: str) -> str:
    """One line of escaped text."""
    return escape(" ".join(plain(text).split()))
