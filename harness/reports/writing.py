"""Writes the reports beside one another, each in one step: a reader never sees half a file, a killed job keeps the last
whole one.
"""

import json
from collections.abc import Callable
from pathlib import Path

from harness.replacing import replace
from harness.reports import ctrf, junit, summary
from harness.reports.cleaning import clean
from harness.reports.html import page as html
from harness.results.results import Results

RESULTS_FILE = "kwok-results.json"
_MODE = 0o644  # they are to be read: by artifact uploaders, by a browser of another user


def write(results: Results, directory: Path) -> tuple[str, ...]:
    """Write kwok-results.json, .xml, .html and kwok-summary.md into `directory`, which is made where it is missing.

    Meant to be called before the first cell, after every cell, and at the end. Raises nothing, for no report may end a
    sweep or change what became of it: returns what could not be written, a sentence each.
    """
    results = clean(results)
    makers: dict[str, Callable[[], str]] = {  # the one that can be read again comes first
        RESULTS_FILE: lambda: json.dumps(ctrf.document(results), indent=1, default=str) + "\n",
        "kwok-results.xml": lambda: f'<?xml version="1.0" encoding="UTF-8"?>\n{junit.document(results)}',
        "kwok-results.html": lambda: html.document(results, directory),
        "kwok-summary.md": lambda: summary.document(results),
    }
    troubles = []
    for name, make in makers.items():
        try:
            text = make()
            directory.mkdir(parents=True, exist_ok=True)
            replace(directory / name, text, _MODE)
        except OSError as error:
            troubles.append(f"{directory / name} cannot be written: {error.strerror}")
        except Exception as error:  # noqa: BLE001 - a defect of one report must not cost the others, or the sweep
            troubles.append(f"{directory / name} cannot be made: {type(error).__name__}: {error}")
    return tuple(troubles)
