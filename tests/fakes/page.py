"""The HTML report as a reader of it finds it."""

from collections import Counter
from collections.abc import Mapping
from html.parser import HTMLParser

from harness.results.results import Status


class Page(HTMLParser):
    """The parts of the HTML report that say how many of what there are, and what it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: Counter[str] = Counter()
        self.tags: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes: Mapping[str, str] = {name: value or "" for name, value in attrs}
        self.tags[tag] += 1
        if "id" in attributes:
            self.ids[attributes["id"]] += 1
        self.links += [attributes[name] for name in ("href", "src") if name in attributes]
        if tag == "td" and attributes.get("class", "").replace("-", " ") in set(Status):
            self.cells[attributes["class"].replace("-", " ")] += 1

    def handle_data(self, data: str) -> None:
        self.text.append(data)
