"""What a program says its version is, compared exactly: one patch release away, defaults and defects are others."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import process

PROBE_SECONDS = 10.0


def mentions(text: str, version: str) -> bool:
    """Whether `text` names exactly `version`: neither a longer number nor a pre-release, nor another distribution's.

    A missing leading v is tolerated (etcd), and so is the commit that helm's official releases append (+g0123abc).
    """
    number = re.escape(version.removeprefix("v"))
    return re.search(rf"(?<![\w.+~-])v?{number}(?:\+g[0-9a-f]+)?(?![\w+~-]|\.\w)", text) is not None


def mismatch(
    program: Path, probe: Sequence[str], version: str, *, environment: Mapping[str, str], scope: process.Scope
) -> str:
    """Run the program's `probe` words; why it is not `version`, or empty when it is."""
    try:
        done = process.run([program, *probe], timeout=PROBE_SECONDS, env=environment, check=False, scope=scope)
    except process.CommandMissing as error:
        return error.what
    except process.CommandFailed as error:
        return f"did not say its version within {PROBE_SECONDS:g} s" if error.timed_out else error.what
    said = (done.stdout + done.stderr).strip()
    if done.returncode != 0:
        return f"ended with status {done.returncode} when asked for its version: {_first_line(said)}"
    return "" if mentions(said, version) else f"says {_first_line(said)!r}, not {version}"


def _first_line(text: str) -> str:
    return text.splitlines()[0][:200] if text else "(nothing)"
