"""JUnit XML for those who read nothing else: one suite per lane.

The format has no "not run" and no "interrupted". Both are errors here, with the status as their type: a reader that
counts failures and errors sees what is not green, and no reader takes what never ran for skipped on purpose.
"""

from datetime import datetime
from xml.etree import ElementTree as ET

from harness.reports.grid import NOT_THE_RECIPE
from harness.reports.plain import plain
from harness.results.results import CellResult, Results, Status


def document(results: Results) -> str:
    """The results as an XML document."""
    root = ET.Element("testsuites", name="kwok-harness", timestamp=_stamp(results.started))
    root.set("time", f"{(results.ended - results.started).total_seconds():.3f}")
    for lane in dict.fromkeys(cell.deployer for cell in results.cells):
        cells = [cell for cell in results.cells if cell.deployer == lane]
        suite = ET.SubElement(root, "testsuite", name=plain(lane), timestamp=_stamp(results.started))
        suite.set("time", f"{sum(cell.outcome.seconds for cell in cells if cell.outcome):.3f}")
        suite.extend(_case(cell) for cell in cells)
        _count(suite)
    _count(root)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _case(cell: CellResult) -> ET.Element:
    seconds = cell.outcome.seconds if cell.outcome else 0.0
    case = ET.Element("testcase", name=plain(cell.name), classname=plain(f"kwok.{cell.deployer}"))
    case.set("time", f"{seconds:.3f}")
    if (element := _element(cell)) is not None:
        tag, kind = element
        made = ET.SubElement(case, tag, type=kind, message=plain(cell.why))
        made.text = plain(cell.outcome.reason if cell.outcome else cell.reason)
    if cell.outcome and cell.outcome.evidence:
        ET.SubElement(case, "system-out").text = plain(f"evidence: {cell.outcome.evidence}")
    return case


def _element(cell: CellResult) -> tuple[str, str] | None:
    """The element that says how the cell did, and its type; None where it passed."""
    match cell.status:
        case Status.PASSED:
            return None
        case Status.SKIPPED:
            return "skipped", cell.status.value
        case Status.FAILED:
            cause = cell.outcome.cause if cell.outcome else None
            tag = "error" if cause and cause.kind in NOT_THE_RECIPE else "failure"
            return tag, cause.kind.value if cause else cell.status.value
        case Status.INTERRUPTED | Status.NOT_RUN:
            return "error", cell.status.value


def _count(suite: ET.Element) -> None:
    suite.set("tests", str(sum(1 for _ in suite.iter("testcase"))))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(1 for _ in suite.iter(tag))))


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
