"""The timeline of a cell, as bars on one axis of seconds: its phases, each component from applied to ready, and the
critical path.
"""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from harness.reports.grid import lasted
from harness.reports.html.elements import element
from harness.results.critical_path import SHOWN, CriticalPath, Hop
from harness.results.outcome import Outcome

_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_TICKS = 8  # at most


def timeline(outcome: Outcome) -> ET.Element:
    """A table: what, a bar, when it begins and how long it takes."""
    components = [each for each in outcome.facts.get("components") or () if isinstance(each, Mapping)]
    ends = [phase.begun + phase.seconds for phase in outcome.phases]
    total = max(outcome.seconds, *ends, *(float(each.get("ready") or 0) for each in components), 0.1)
    rows = [
        _row(
            f"{'✓' if phase.verdict == 'passed' else '✗'} {phase.name}",
            phase.begun,
            phase.begun + phase.seconds,
            total,
            kind="phase" if phase.verdict == "passed" else "phase failed",
            took=lasted(phase.seconds),
            remark=phase.detail,
        )
        for phase in outcome.phases
    ]
    bodies = [element("tbody", _heading("Phases"), *rows)] if rows else []
    if components:
        ordered = sorted(components, key=lambda each: (each.get("applied") is None, each.get("applied") or 0))
        bodies.append(
            element("tbody", _heading("Components, from applied to ready"), *(_component(c, total) for c in ordered))
        )
    if path := CriticalPath.of(outcome.facts):
        hops = [hop for hop in path.hops if hop.seconds >= SHOWN]
        bodies.append(
            element("tbody", _heading("Critical path"), _lane(path, total), *(_hop(hop, total) for hop in hops))
        )
    step = next((step for step in _STEPS if total / step <= _TICKS), _STEPS[-1])
    marks = [
        element("span", f"{number * step:g} s", style=f"left:{100 * number * step / total:.3f}%")
        for number in range(int(total / step) + 1)
        if number * step <= total * 0.96  # a label at the very end would stand out of the table
    ]
    head = element(
        "tr",
        element("th", element("span", "what", class_="unseen"), scope="col"),
        element("th", element("div", *marks, class_="axis"), scope="col", aria_hidden="true"),
        element("th", "begins", scope="col"),
        element("th", "takes", scope="col"),
    )
    return element(
        "table", element("thead", head), *bodies, class_="timeline", style=f"--tick:{100 * step / total:.3f}%"
    )


def _lane(path: CriticalPath, total: float) -> ET.Element:
    """The whole path in one track, a bar for each hop, coloured by whose time it was."""
    bars = [
        element(
            "i",
            class_=f"hop {hop.whose.value}",
            style=f"left:{100 * hop.begun / total:.3f}%;width:{100 * hop.seconds / total:.3f}%",
            title=f"{hop.what}: {hop.cause}, {lasted(hop.seconds)}",
        )
        for hop in path.hops
    ]
    begun = path.hops[0].begun if path.hops else 0.0
    return element(
        "tr",
        element("th", "whose time", element("small", path.summary()), scope="row"),
        element("td", element("div", *bars, class_="track"), aria_hidden="true"),
        element("td", f"{begun:.1f} s", class_="number"),
        element("td", lasted(path.seconds), class_="number"),
    )


def _hop(hop: Hop, total: float) -> ET.Element:
    kind, remark = f"hop {hop.whose.value}", f"{hop.whose.value}: {hop.cause}"
    return _row(hop.what, hop.begun, hop.ended, total, kind=kind, took=lasted(hop.seconds), remark=remark)


def _component(component: Mapping[str, Any], total: float) -> ET.Element:
    name, applied, ready = str(component.get("name", "")), component.get("applied"), component.get("ready")
    if applied is None and ready is None:
        return _row(f"✗ {name}", None, None, total, kind="component failed", took="never applied")
    begun = applied if applied is not None else ready
    if ready is None:
        return _row(f"✗ {name}", begun, total, total, kind="component failed open", took="not ready")
    return _row(f"✓ {name}", begun, ready, total, kind="component", took=lasted(max(ready - begun, 0)))


def _heading(text: str) -> ET.Element:
    return element("tr", element("th", text, scope="rowgroup", colspan="2"), class_="heading")


def _row(
    name: str, begun: float | None, end: float | None, total: float, *, kind: str, took: str, remark: str = ""
) -> ET.Element:
    bar = None
    if begun is not None and end is not None:
        left, width = 100 * begun / total, 100 * max(end - begun, 0) / total
        bar = element("i", class_=kind, style=f"left:{left:.3f}%;width:{width:.3f}%")
    return element(
        "tr",
        element("th", name, element("small", remark) if remark else None, scope="row"),
        element("td", element("div", bar, class_="track"), aria_hidden="true"),
        element("td", f"{begun:.1f} s" if begun is not None else "–", class_="number"),
        element("td", took, class_="number"),
    )
