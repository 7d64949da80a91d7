"""Take the picture of the HTML report in the README: `python -m hack.report_picture RESULTS docs/images/report.png`.

RESULTS is a directory that `sweep --results` wrote. Chromium must be on PATH.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.e2e import browser

WIDTH = 1100  # CSS pixels; GitHub shows a README at most about 1,000 wide
MAXIMUM_HEIGHT = 1400
MAXIMUM_BYTES = 200_000  # what a reader downloads with the README


def main(arguments: list[str]) -> int:
    """Write the PNG. Returns 0, or 1 with one line on stderr that says what is missing."""
    parser = argparse.ArgumentParser(prog="python -m hack.report_picture", description=__doc__)
    parser.add_argument("results", type=Path, help="directory with kwok-results.html")
    parser.add_argument("picture", type=Path, help="PNG file to write")
    options = parser.parse_args(arguments)
    page: Path = options.results.resolve() / "kwok-results.html"
    program = browser.find()
    if not page.is_file():
        print(f"{page}: not found; run `kwok-harness sweep --results {options.results}` first", file=sys.stderr)
        return 1
    if program is None:
        print("Chromium: not found on PATH; install the package `chromium`", file=sys.stderr)
        return 1
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    size = take(program, page, options.picture)
    if size > MAXIMUM_BYTES:
        options.picture.unlink()
        print(
            f"{options.picture}: {size:,} bytes, at most {MAXIMUM_BYTES:,} allowed; use a smaller sweep",
            file=sys.stderr,
        )
        return 1
    print(f"{options.picture}: {size:,} bytes")
    return 0


def take(program: str, page: Path, picture: Path) -> int:
    """Write a PNG of the page from its top, in light colours. Returns its size in bytes."""
    with tempfile.TemporaryDirectory() as profile, browser.tab(program, Path(profile) / "profile") as tab:
        tab.prefer("light")
        tab.size(WIDTH, 1)  # so that the document's height is that of its content, not of the window
        tab.open(page.as_uri())
        height = int(tab.evaluate("document.documentElement.scrollHeight"))
        tab.size(WIDTH, min(height, MAXIMUM_HEIGHT))
        tab.evaluate("document.documentElement.style.overflow = 'hidden'")  # no scroll bar in the picture
        return len(tab.screenshot(picture))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
