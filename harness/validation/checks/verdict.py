"""From what a container, or a process in its place, has left behind to a test: exit code, message, output.

0 passed, 1 failed, 2 skipped; everything else, and whatever kept it from being run, is other, and told apart.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness.validation.checks.catalog import Entry
from harness.validation.results import CheckResult, Status

LINES = 1000  # the last ones of an output are kept
LONGEST = 512  # characters of each of them
MESSAGE_BYTES = 4096  # of a termination message
SAID = "RESULT: "  # lines that a person who waits should see
_EXTRA, _PROVENANCE = "##AICR-EXTRA## ", "##AICR-PROVENANCE## "
_STATUSES = {0: Status.PASSED, 1: Status.FAILED, 2: Status.SKIPPED}


@dataclass(frozen=True)
class Ended:
    """How a check ended. `code` is its exit code, -1 where it has none; `output` its stdout, whole or the end of it."""

    code: int
    message: str
    seconds: float = 0.0
    output: str = ""


def result_of(entry: Entry, ended: Ended) -> CheckResult:
    """The verdict of a check that ended by itself or was kept from it."""
    lines, extra = _read(ended.output.splitlines())
    status = _STATUSES.get(ended.code, Status.OTHER)
    message = _bounded(ended.message.strip(), MESSAGE_BYTES)
    if status is Status.OTHER and not message:
        message = f"ended with exit code {ended.code}, expected 0, 1 or 2"
    if status is Status.FAILED and not message:
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        message = (
            f"failed without a message; the last line of its output: {last}" if last else "failed without a message"
        )
    if status is Status.SKIPPED and not message:
        message = "skipped without a reason"
    return CheckResult(entry.name, entry.phase, status, ended.seconds, message, lines, extra)


def said(output: str) -> list[str]:
    """What of the output is for the console."""
    return [line.removeprefix(SAID) for line in output.splitlines() if line.startswith(SAID)]


def _read(lines: Iterable[str]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The last lines, cut where they are too long, without those that are data; and that data."""
    kept: list[str] = []
    extra: dict[str, Any] = {}
    for line in lines:
        if line.startswith(_EXTRA):
            extra |= _object(line.removeprefix(_EXTRA))
        elif not line.startswith(_PROVENANCE):
            kept.append(line)
    return tuple(_cut(line) for line in kept[-LINES:]), extra


def _object(text: str) -> dict[str, Any]:
    """A JSON object, or what was written in its place."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"unreadable": _cut(text)}


def _cut(line: str) -> str:
    over = len(line) - LONGEST
    return f"{line[:LONGEST]}... [truncated {over} chars]" if over > 0 else line


def _bounded(text: str, most: int) -> str:
    raw = text.encode(errors="replace")
    return text if len(raw) <= most else raw[:most].decode(errors="ignore")
