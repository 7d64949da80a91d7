"""The report for people: a grid of recipes and lanes.

A cell's details are an element of their own that its link in the grid targets.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from harness.reports.grid import SYMBOLS, Problem, counts, grid, lasted, problems, verdict
from harness.reports.html.cell import detail, identity
from harness.reports.html.elements import element
from harness.reports.html.frame import choice, framed
from harness.results.results import CellResult, Results, Status

_CAUSES = 6  # that are shown at once: the grid is to be on the first screen or near it


def document(results: Results, directory: Path) -> str:
    """The page as it is to lie in `directory`: links to evidence are relative to that."""
    title = f"{SYMBOLS[_overall(results)]} {counts(results)} · {results.run_id}"
    return framed(title, _body(results, directory))


def _body(results: Results, directory: Path) -> Iterator[ET.Element]:
    yield _header(results)
    main = element("main")
    if found := problems(results):
        main.append(_problems(found))
    if results.cells:
        main.append(_grid(results))
    yield main
    bad = [cell for problem in problems(results) for cell in problem.cells]
    for cell in results.cells:
        place = bad.index(cell) if cell in bad else -1
        around = (bad[place - 1] if place > 0 else None, bad[place + 1] if 0 <= place < len(bad) - 1 else None)
        yield detail(cell, around, directory)


def _header(results: Results) -> ET.Element:
    took = lasted((results.ended - results.started).total_seconds())
    started = results.started.strftime("%Y-%m-%d %H:%M:%S UTC")
    facts = [f"run {results.run_id}", f"started {started}", f"took {took}", f"exit code {int(results.exit)}"]
    if results.shard:
        facts.insert(1, f"shard {results.shard}")
    state = _overall(results)
    return element(
        "header",
        element(
            "h1",
            element("span", f"{SYMBOLS[state]} {verdict(results)}", class_=f"badge {state.value}"),
            " " + counts(results),
        ),
        element("p", *(element("span", fact) for fact in facts), class_="facts"),
        element("p", results.reason, class_="stopped") if results.reason else None,
        element("button", "Dark", type="button", id="theme", hidden=""),
    )


def _problems(found: list[Problem]) -> ET.Element:
    items = [_problem(problem) for problem in found]
    return element(
        "section",
        element("h2", "What is not green, each cause once", id="causes"),
        element("ol", *items[:_CAUSES], class_="causes"),
        element(
            "details",
            element("summary", f"{len(items) - _CAUSES} more"),
            element("ol", *items[_CAUSES:], class_="causes"),
            class_="more",
        )
        if items[_CAUSES:]
        else None,
        aria_labelledby="causes",
    )


def _problem(problem: Problem) -> ET.Element:
    kind = problem.cause.kind.value if problem.cause else problem.status.value
    links = [
        element("a", f"{cell.recipe} / {cell.deployer}", href=f"#{identity(cell)}", class_=_class(cell.status))
        for cell in problem.cells
    ]
    return element(
        "li",
        element("span", f"{SYMBOLS[problem.status]} {kind}", class_=f"badge {_class(problem.status)}"),
        element("code", problem.cause.subject) if problem.cause and problem.cause.subject else None,
        element("p", problem.message or "reason unknown", class_="message"),
        element("p", *links, class_="cells"),
    )


def _grid(results: Results) -> ET.Element:
    made = grid(results)
    counted = results.counted()
    choices = [choice("all", f"all {len(results.cells)}", checked=True)]
    choices += [
        choice(_class(status), f"{SYMBOLS[status]} {counted[status]} {status.value}")
        for status in Status
        if counted[status]
    ]
    head = element("tr", element("th", "recipe", scope="col"), *(element("th", n, scope="col") for n in made.lanes))
    rows = [
        element("tr", element("th", recipe, scope="row"), *(_cell(cell) for cell in cells))
        for recipe, cells in made.rows
    ]
    return element(
        "section",
        element("h2", "Recipes and lanes", id="grid-title"),
        element("fieldset", element("legend", "Show"), *choices, class_="filter"),
        element(
            "div",
            element("table", element("thead", head), element("tbody", *rows), id="grid", aria_labelledby="grid-title"),
            class_="scroll",
        ),
        element(
            "p",
            "Tab or the arrow keys move between cells, Enter opens one, Escape closes it.",
            class_="hint",
        ),
        aria_labelledby="grid-title",
    )


def _cell(cell: CellResult | None) -> ET.Element:
    if cell is None:
        return element("td", element("span", "not in this run", class_="unseen"), class_="absent")
    seconds = lasted(cell.outcome.seconds) if cell.outcome else ""
    cause = cell.outcome.cause if cell.outcome else None
    why = f"{cause.kind.value}: {cause.message}" if cause else cell.why
    return element(
        "td",
        element("i", id=f"at-{identity(cell)}", class_="place"),
        element(
            "a",
            element("b", f"{SYMBOLS[cell.status]} {cell.status.value}"),
            element("span", seconds, class_="seconds") if seconds else None,
            element("span", "flaky", class_="flaky") if cell.flaky else None,
            element("span", why, class_="why") if why and cell.status is not Status.PASSED else None,
            href=f"#{identity(cell)}",
        ),
        class_=_class(cell.status),
    )


def _overall(results: Results) -> Status:
    return Status.PASSED if verdict(results) == "PASSED" else Status.FAILED


def _class(status: Status) -> str:
    return status.value.replace(" ", "-")
