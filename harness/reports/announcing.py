"""What CI is told once, when a run has ended: the step summary and the annotations."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TextIO

from harness.reports import summary
from harness.reports.annotations import annotations
from harness.reports.cleaning import clean
from harness.results.results import Results


def announce(
    results: Results, overlay: Callable[[str], Path | None], environment: Mapping[str, str], output: TextIO
) -> tuple[str, ...]:
    """Append to the file that GITHUB_STEP_SUMMARY names, and print annotations where GITHUB_ACTIONS is true.

    `overlay` gives the file of a recipe by its name. Raises nothing: returns what could not be done, a sentence each.
    """
    results = clean(results)
    trouble = append_summary(environment, partial(summary.document, results))
    if environment.get("GITHUB_ACTIONS") == "true":
        workspace = Path(environment.get("GITHUB_WORKSPACE") or Path.cwd()).resolve()

        def seen_from_workspace(recipe: str) -> str:
            file = overlay(recipe)
            if file is None:
                return ""
            file = file.resolve()
            return file.relative_to(workspace).as_posix() if file.is_relative_to(workspace) else file.as_posix()

        for line in annotations(results, seen_from_workspace):
            print(line, file=output, flush=True)
    return (trouble,) if trouble else ()


def append_summary(environment: Mapping[str, str], document: Callable[[int], str]) -> str:
    """Append a summary of at most so many bytes as the file has room for. Why it could not be written; else empty."""
    named = environment.get("GITHUB_STEP_SUMMARY")
    if not named:
        return ""
    file = Path(named)
    try:
        room = summary.LIMIT - (file.stat().st_size if file.exists() else 0)
        with file.open("a", encoding="utf-8", errors="replace") as stream:
            stream.write(document(room))
    except OSError as error:
        return f"the step summary {file} cannot be written: {error.strerror}"
    return ""
