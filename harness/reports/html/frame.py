"""What pages share: one HTML file that needs no network, no server and, but for comfort, no script.

Style sheet and filter are CSS. The script adds arrow keys, Escape and the choice of light or dark. A page forbids
itself everything else.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from html import escape
from pathlib import Path
from xml.etree import ElementTree as ET

from harness.reports.html.elements import element, markup
from harness.reports.plain import plain

_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def framed(title: str, body: Iterable[ET.Element]) -> str:
    """The page with this body."""
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src '{_script_hash()}'"
    page = _template()
    parts = "\n".join(map(markup, body))
    for place, text in (("{{policy}}", policy), ("{{title}}", escape(plain(title))), ("{{body}}", parts)):
        before, _, after = page.partition(place)  # the first one: the body comes last and may hold anything
        page = before + text + after
    return page


def choice(name: str, text: str, *, checked: bool = False) -> ET.Element:
    """One of the choices of what a grid shows; `name` is the class of the cells that stay."""
    box = element("input", type="radio", name="show", id=f"show-{name}", checked="" if checked else None)
    return element("label", box, element("span", text))


@lru_cache(maxsize=1)
def _template() -> str:
    return Path(__file__).with_name("report.html").read_text(encoding="utf-8")


def _script_hash() -> str:
    found = _SCRIPT.search(_template())
    text = found[1] if found else ""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
