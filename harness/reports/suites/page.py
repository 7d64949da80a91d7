"""A run of suites for people: a row for each test, its steps on one axis, and below a link each operation with its
diff, its objects and what it printed.
"""

import re
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

from harness.reports.grid import lasted
from harness.reports.html.elements import element
from harness.reports.html.frame import choice, framed
from harness.reports.suites.telling import SYMBOLS, counts, facts, green, told
from harness.suites.record import OperationRecord, RunRecord, Status, StepRecord, TestRecord

_TICKS = 6  # at most


def document(record: RunRecord) -> str:
    """The page."""
    state = Status.PASSED if green(record) else Status.FAILED
    return framed(f"{SYMBOLS[state]} {counts(record)} · {record.name}", _body(record))


def _body(record: RunRecord) -> Iterator[ET.Element]:
    yield _header(record)
    main = element("main")
    if record.tests:
        main.append(_grid(record))
    if record.left_changed:
        main.append(element("h2", "Was there before, and is not as it was"))
        main.append(element("ul", *(element("li", element("code", name)) for name in record.left_changed)))
    main.extend(element("p", note, class_="hint") for note in record.notes)
    yield main
    for number, test in enumerate(record.tests):
        yield _detail(number, test)


def _header(record: RunRecord) -> ET.Element:
    state = Status.PASSED if green(record) else Status.FAILED
    verdict = "PASSED" if green(record) else "FAILED"
    what = [record.name, f"took {lasted(record.ended - record.started)}"]
    return element(
        "header",
        element("h1", element("span", f"{SYMBOLS[state]} {verdict}", class_=f"badge {state}"), f" {counts(record)}"),
        element("p", *(element("span", fact) for fact in what), class_="facts"),
        element("p", record.error, class_="stopped") if record.error else None,
        element("button", "Dark", type="button", id="theme", hidden=""),
    )


def _grid(record: RunRecord) -> ET.Element:
    choices = [choice("all", f"all {len(record.tests)}", checked=True)]
    choices += [
        choice(status.value, f"{SYMBOLS[status]} {record.count(status)} {status.value}")
        for status in reversed(Status)
        if record.count(status)
    ]
    total = max(record.ended - record.started, 0.001)
    head = element(
        "tr",
        element("th", "test", scope="col"),
        element("th", "outcome", scope="col", class_="outcome"),
        element("th", element("div", *_marks(total), class_="axis"), scope="col", aria_label="steps, in seconds"),
    )
    rows = [_row(number, test, record.started, total) for number, test in enumerate(record.tests)]
    return element(
        "section",
        element("h2", "Tests and their steps", id="grid-title"),
        element("fieldset", element("legend", "Show"), *choices, class_="filter"),
        element(
            "div",
            element("table", element("thead", head), element("tbody", *rows), id="grid", aria_labelledby="grid-title"),
            class_="scroll",
            style=f"--tick:{100 * _step_of(total) / total:.3f}%",
        ),
        element("p", "Tab or the arrow keys move between tests, Enter opens one, Escape closes it.", class_="hint"),
        aria_labelledby="grid-title",
    )


def _row(number: int, test: TestRecord, begun: float, total: float) -> ET.Element:
    why = _why(test)
    return element(
        "tr",
        element("th", _name(test), scope="row"),
        element(
            "td",
            element("i", id=f"at-{_identity(number, test)}", class_="place"),
            element(
                "a",
                element("b", f"{SYMBOLS[test.status]} {test.status}"),
                element("span", lasted(test.ended - test.started), class_="seconds"),
                element("span", why, class_="why") if why else None,
                href=f"#{_identity(number, test)}",
            ),
            class_=test.status.value,
        ),
        element(
            "td", element("div", *(_bar(s, s.name, begun, total) for s in test.steps), class_="track"), class_="steps"
        ),
    )


def _bar(timed: StepRecord | OperationRecord, name: str, begun: float, total: float) -> ET.Element:
    left, width = 100 * (timed.started - begun) / total, 100 * max(timed.ended - timed.started, 0) / total
    title = f"{name}: {timed.status}, {lasted(timed.ended - timed.started)}"
    return element("i", class_=timed.status.value, style=f"left:{left:.3f}%;width:{width:.3f}%", title=title)


def _step_of(total: float) -> float:
    """Seconds between two marks of an axis that is `total` seconds long."""
    for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600):
        if total / step <= _TICKS:
            return step
    return total / _TICKS


def _marks(total: float) -> list[ET.Element]:
    step = _step_of(total)
    places = [number * step for number in range(int(total / step) + 1)]
    # A mark at the very end would stand out of the table.
    return [
        element("span", f"{place:g} s", style=f"left:{100 * place / total:.3f}%")
        for place in places
        if place <= 0.96 * total
    ]


def _detail(number: int, test: TestRecord) -> ET.Element:
    identity = _identity(number, test)
    made = element(
        "article",
        element(
            "header",
            element(
                "h2",
                element("span", f"{SYMBOLS[test.status]} {test.status}", class_=f"badge {test.status}"),
                f" {test.name} ",
                element("span", test.folder, class_="lane"),
                id=f"{identity}-title",
                tabindex="-1",
            ),
            element(
                "nav",
                element("a", "Close ✕", href=f"#at-{identity}", class_="close", title="Escape"),
                aria_label="test",
            ),
        ),
        element("dl", *_facts(test)),
        id=identity,
        class_="detail",
        aria_labelledby=f"{identity}-title",
    )
    if test.message:
        made.append(element("pre", test.message, class_="reason"))
    if test.steps:
        made.append(element("h3", "When"))
        made.append(_timeline(test))
    shown = [(step, each) for step in test.steps for each in step.operations if _tells(each)]
    for step, operation in shown:
        made.append(_operation(step, operation))
    return made


def _facts(test: TestRecord) -> list[ET.Element]:
    values = {
        "took": lasted(test.ended - test.started),
        "namespace": test.namespace,
        "scenario": test.scenario,
        "language": test.language.value,
        "file": test.place,
    }
    return [element("div", element("dt", key), element("dd", value)) for key, value in values.items() if value]


def _timeline(test: TestRecord) -> ET.Element:
    total = max(test.ended - test.started, 0.001)
    head = element(
        "tr",
        element("th", element("span", "what", class_="unseen"), scope="col"),
        element("th", element("div", *_marks(total), class_="axis"), scope="col", aria_hidden="true"),
        element("th", "begins", scope="col"),
        element("th", "takes", scope="col"),
    )
    bodies = []
    for step in test.steps:
        name = f"{SYMBOLS[step.status]} {step.name}"
        rows = [element("tr", element("th", name, scope="rowgroup", colspan="4"), class_="heading")]
        rows += [_timed(operation, test.started, total) for operation in step.operations]
        if step.message and not step.operations:
            rows.append(element("tr", element("th", element("small", step.message), colspan="4")))
        bodies.append(element("tbody", *rows))
    tick = f"--tick:{100 * _step_of(total) / total:.3f}%"
    return element("table", element("thead", head), *bodies, class_="timeline", style=tick)


def _timed(operation: OperationRecord, begun: float, total: float) -> ET.Element:
    what = f"{SYMBOLS[operation.status]} {operation.kind}"
    remark = " ".join(filter(None, (operation.name if operation.name != operation.kind else "", operation.place)))
    return element(
        "tr",
        element("th", what, element("small", remark) if remark else None, scope="row"),
        element("td", element("div", _bar(operation, what, begun, total), class_="track"), aria_hidden="true"),
        element("td", f"{operation.started - begun:.2f} s", class_="number"),
        element("td", f"{operation.ended - operation.started:.2f} s", class_="number"),
    )


def _tells(operation: OperationRecord) -> bool:
    """Whether there is more to say of an operation than its row does."""
    return operation.status.red or bool(
        operation.message or operation.diff or operation.output or operation.objects or operation.vacuous
    )


def _operation(step: StepRecord, operation: OperationRecord) -> ET.Element:
    made = element(
        "section",
        element(
            "h3",
            element("span", f"{SYMBOLS[operation.status]} {operation.status}", class_=f"badge {operation.status}"),
            f" {step.name} / {operation.kind}",
        ),
        element("p", element("code", operation.place)) if operation.place else None,
        class_="operation",
    )
    if operation.message:
        made.append(element("pre", operation.message, class_="reason"))
    if operation.diff and operation.diff.strip() not in operation.message:
        made.append(_diff(operation.diff.splitlines()))
    if known := list(facts(operation)):
        made.append(element("ul", *(element("li", fact) for fact in known)))
    if operation.objects:
        listed = element("ul", *(element("li", element("code", name)) for name in operation.objects))
        number = len(operation.objects)
        title = element("summary", f"{number} object{'' if number == 1 else 's'}")
        made.append(element("details", title, listed, open="" if number <= 5 else None))
    if operation.output:
        text = element("pre", operation.output, class_="reason")
        made.append(element("details", element("summary", "what it printed"), text))
    return made


def _diff(lines: Sequence[str]) -> ET.Element:
    kinds = {"+": "added", "-": "removed"}
    return element(
        "pre",
        *(element("span", line, class_=None if line[:3] in ("+++", "---") else kinds.get(line[:1])) for line in lines),
        class_="diff",
    )


def _why(test: TestRecord) -> str:
    failure = test.first_failure
    text = test.message or (told(failure) if failure else "")
    lines = [line for line in text.splitlines() if line.strip(" -")]
    return lines[0] if lines and test.status is not Status.PASSED else ""


def _name(test: TestRecord) -> str:
    return f"{test.folder}[{test.name}]" + (f" {test.scenario}" if test.scenario else "")


def _identity(number: int, test: TestRecord) -> str:
    """The test as a fragment of an address; names may be there twice."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", f"test-{number}-{test.name}")
