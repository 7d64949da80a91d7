"""Writes the reports beside one another, each in one step: a reader never sees half a file, a killed job keeps the last
whole one.
"""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness.reports import ctrf, junit, summary
from harness.reports.cleaning import clean
from harness.reports.html import page as html
from harness.results.results import Results

RESULTS_FILE = "kwok-results.json"


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
            _replace(directory / name, make())
        except OSError as error:
            troubles.append(f"{directory / name} cannot be written: {error.strerror}")
        except Exception as error:  # noqa: BLE001 - a defect of one report must not cost the others, or the sweep
            troubles.append(f"{directory / name} cannot be made: {type(error).__name__}: {error}")
    return tuple(troubles)


def _replace(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".writing-", dir=file.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="") as stream:
            stream.write(text)
        temporary.chmod(0o644)  # it is to be read: by artifact uploaders, by a browser of another user
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
