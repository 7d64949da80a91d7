"""A cell's details in the HTML report: why, when, where the pods are, and where to read on."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from harness.reports.grid import SYMBOLS, lasted
from harness.reports.html.elements import element
from harness.reports.html.timeline import timeline
from harness.results.outcome import Outcome
from harness.results.results import CellResult


def identity(cell: CellResult) -> str:
    """The cell's name as a fragment of an address."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", f"cell-{cell.recipe}--{cell.deployer}")


def detail(cell: CellResult, around: tuple[CellResult | None, CellResult | None], directory: Path) -> ET.Element:
    """An article that is shown while the address names it. `around` are the cells before and after that are not green
    either; `directory` is where the page lies.
    """
    status = cell.status.value
    seconds = f" after {lasted(cell.outcome.seconds)}" if cell.outcome else ""
    made = element(
        "article",
        element(
            "header",
            element(
                "h2",
                element("span", f"{SYMBOLS[cell.status]} {status}", class_=f"badge {status.replace(' ', '-')}"),
                f" {cell.recipe} ",
                element("span", f"under {cell.deployer}", class_="lane"),
                id=f"{identity(cell)}-title",
                tabindex="-1",
            ),
            element("nav", *_turn(around), _close(cell), aria_label="between cells"),
        ),
        element("p", f"{status}{seconds}" + (", flaky: the same artifact was seen to pass and to fail" * cell.flaky)),
        id=identity(cell),
        class_="detail",
        aria_labelledby=f"{identity(cell)}-title",
    )
    if cell.outcome is None:
        made.append(element("pre", cell.reason or "reason unknown", class_="reason"))
    else:
        made.extend(_told(cell.outcome, directory))
    return made


def _turn(around: tuple[CellResult | None, CellResult | None]) -> list[ET.Element]:
    return [
        element("a", text, href=f"#{identity(cell)}", title=f"{cell.recipe} under {cell.deployer}, {cell.status.value}")
        for cell, text in zip(around, ("‹ previous problem", "next problem ›"), strict=True)
        if cell
    ]


def _close(cell: CellResult) -> ET.Element:
    return element("a", "Close ✕", href=f"#at-{identity(cell)}", class_="close", title="Escape")


def _told(outcome: Outcome, directory: Path) -> list[ET.Element]:
    parts = []
    if outcome.cause:
        where = [element("code", outcome.cause.subject)] if outcome.cause.subject else []
        parts += [
            element("h3", "First cause"),
            element("p", element("span", outcome.cause.kind.value, class_="badge"), *where, class_="cause"),
            element("pre", outcome.cause.message, class_="reason"),
        ]
    if outcome.reason:
        parts += [
            element("h3", "Verdict" if outcome.passed else "Reason"),
            element("pre", outcome.reason, class_="reason"),
        ]
    if outcome.notes:
        parts += [element("h3", "Notes"), element("ul", *(element("li", note) for note in outcome.notes))]
    parts += [element("h3", "Timeline"), timeline(outcome)]
    checks = outcome.facts.get("health")
    if isinstance(checks, Sequence) and checks:
        parts += [element("h3", "Health checks"), _health(checks)]
    nodes = outcome.facts.get("nodes")
    if isinstance(nodes, Sequence) and nodes:
        parts += _placement(nodes, outcome.facts.get("totals") or {})
    checks = outcome.facts.get("validation")
    if isinstance(checks, Sequence) and checks:
        parts += _checks(checks)
    if outcome.evidence:
        parts += [element("h3", "Evidence"), *_evidence(outcome.evidence, directory)]
    started = outcome.started.strftime("%Y-%m-%d %H:%M:%S UTC")
    facts = {
        "exit code": f"{int(outcome.exit)} {outcome.exit.name}",
        "started": started,
        "run": outcome.run_id,
        "cluster": f"{outcome.cluster} ({outcome.runtime})",
        **{key: str(value) for key, value in outcome.facts.items() if isinstance(value, str)},
    }
    pairs = [element("div", element("dt", key), element("dd", value)) for key, value in facts.items()]
    return [*parts, element("h3", "Facts"), element("dl", *pairs)]


def _health(checks: Sequence[Mapping[str, Any]]) -> ET.Element:
    """A row for each health check: what it said, and what its verdict does not cover."""
    rows = []
    for check in checks:
        status = str(check.get("status", ""))
        notes = [element("small", str(note)) for note in check.get("notes") or ()]
        rows.append(
            element(
                "tr",
                element("th", str(check.get("component", "")), scope="row"),
                element("td", element("span", status, class_=f"badge {status}")),
                element("td", str(check.get("message", "")), *notes),
            )
        )
    heads = (element("th", head, scope="col") for head in ("component", "result", "why"))
    table = element("table", element("thead", element("tr", *heads)), element("tbody", *rows), class_="nodes")
    return element("div", table, class_="scroll")


def _checks(checks: Sequence[Mapping[str, Any]]) -> list[ET.Element]:
    """The table of the checks that the recipe declares, by phase."""
    heads = ("phase", "check", "status", "message")
    rows = [element("tr", *(element("td", str(check.get(head, ""))) for head in heads)) for check in checks]
    table = element(
        "table",
        element("thead", element("tr", *(element("th", head, scope="col") for head in heads))),
        element("tbody", *rows),
        class_="nodes",
    )
    return [element("h3", "Validation"), element("div", table, class_="scroll")]


def _placement(nodes: Sequence[Mapping[str, Any]], totals: Mapping[str, Any]) -> list[ET.Element]:
    """The table nodes × pods, with GPUs used and free."""
    heads = ("node", "type", "pods", "GPUs used", "free", "workloads")
    rows = [
        element(
            "tr",
            element("th", str(node.get("name", "")), scope="row"),
            element("td", str(node.get("type", ""))),
            element("td", str(node.get("pods", 0)), class_="number"),
            *_gpus(node),
            element("td", _workloads(node.get("workloads") or {})),
        )
        for node in nodes
    ]
    scheduled, pods, running = (totals.get(key, 0) for key in ("scheduled", "pods", "running"))
    sentence = (
        f"{scheduled} of {pods} pods of {totals.get('workloads', 0)} workloads are on a node, {running} run; "
        f"{totals.get('gpusUsed', 0)} of {totals.get('gpus', 0)} GPUs are used."
    )
    table = element(
        "table",
        element("thead", element("tr", *(element("th", head, scope="col") for head in heads))),
        element("tbody", *rows),
        class_="nodes",
    )
    return [
        element("h3", "Where the pods are"),
        element("p", sentence) if totals else element("p"),
        element("div", table, class_="scroll"),
    ]


def _gpus(node: Mapping[str, Any]) -> tuple[ET.Element, ET.Element]:
    total, used = node.get("gpus") or 0, node.get("gpusUsed") or 0
    if not total and not used:
        return element("td", "–", class_="number"), element("td", "–", class_="number")
    share = min(100 * used / total, 100) if total else 100
    bar = element("span", element("i", style=f"width:{share:.1f}%"), class_="meter", aria_hidden="true")
    return (
        element("td", element("span", f"{used} of {total}"), bar, class_="number"),
        element("td", str(node.get("gpusFree", total - used)), class_="number"),
    )


def _workloads(workloads: Mapping[str, int]) -> ET.Element:
    if not workloads:
        return element("span", "none")
    items = [element("li", f"{name} × {count}" if count != 1 else name) for name, count in workloads.items()]
    return element("details", element("summary", f"{len(workloads)}"), element("ul", *items))


def _evidence(evidence: str, directory: Path) -> list[ET.Element]:
    """The directory and what is at its top; links where it is still there."""
    place = Path(evidence)
    try:
        names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in place.iterdir())
    except OSError:
        return [element("p", element("code", evidence))]
    base = quote(os.path.relpath(place, directory))
    links = [element("li", element("a", name, href=f"{base}/{quote(name)}")) for name in names]
    return [element("p", element("code", evidence)), element("ul", *links, class_="files")]
