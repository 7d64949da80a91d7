"""HTML as a tree: what is text stays text, so nothing that a controller said can become markup."""

from xml.etree import ElementTree as ET

from harness.reports.plain import plain

Content = ET.Element | str


def element(tag: str, *content: Content | None, **attributes: str | None) -> ET.Element:
    """An element; in the names of attributes `_` is a hyphen and a trailing one is dropped. None is left out."""
    made = ET.Element(
        tag,
        {name.rstrip("_").replace("_", "-"): plain(value) for name, value in attributes.items() if value is not None},
    )
    last: ET.Element | None = None
    for part in content:
        if isinstance(part, ET.Element):
            made.append(part)
            last = part
        elif part is not None and last is not None:
            last.tail = (last.tail or "") + plain(part)
        elif part is not None:
            made.text = (made.text or "") + plain(part)
    return made


def markup(made: ET.Element) -> str:
    return ET.tostring(made, encoding="unicode", method="html")
