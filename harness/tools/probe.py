"""What a program says its version is, compared exactly: one patch release away, defaults and defects are others.

Some programs do not say. A Go program carries its build information all the same: the modules it was built from.
"""

import mmap
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.processes import commands

PROBE_SECONDS = 10.0
_UNKNOWN = "(devel)"


def mentions(text: str, version: str) -> bool:
    """Whether `text` names exactly `version`: neither a longer number nor a pre-release, nor another distribution's.

    A missing leading v is tolerated (etcd), and so is the commit that helm's official releases append (+g0123abc).
    """
    number = re.escape(version.removeprefix("v"))
    return re.search(rf"(?<![\w.+~-])v?{number}(?:\+g[0-9a-f]+)?(?![\w+~-]|\.\w)", text) is not None


def mismatch(
    program: Path, probe: Sequence[str], version: str, *, environment: Mapping[str, str], scope: commands.Scope
) -> str:
    """Run the program's `probe` words; why it is not `version`, or empty when it is."""
    try:
        done = commands.run([program, *probe], timeout=PROBE_SECONDS, env=environment, check=False, scope=scope)
    except commands.CommandMissing as error:
        return error.what
    except commands.CommandFailed as error:
        return f"did not print its version within {PROBE_SECONDS:g} s" if error.timed_out else error.what
    said = (done.stdout + done.stderr).strip()
    if done.returncode != 0:
        return f"ended with status {done.returncode} when it was run for its version: {_first_line(said)}"
    return "" if mentions(said, version) else f"says {_first_line(said)!r}, not {version}"


def module_mismatch(program: Path, module: str, version: str, *, vouched: bool = False) -> str:
    """Why the Go program was not built from `module` at `version`, or empty when it was; it is not run.

    One that a checksum has `vouched` for may not know its version: programs of images are compiled without .git.
    """
    try:
        with program.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            # path<TAB>package, then a line for each module: mod or dep<TAB>module<TAB>version<TAB>checksum
            where = max(content.find(f"\n{kind}\t{module}\t".encode()) for kind in ("mod", "dep"))
            line = content[where + 1 : where + 500] if where >= 0 else b""
    except (OSError, ValueError) as error:
        return f"cannot be read: {error}"
    if not line:
        return f"its build information does not name {module}"
    said = re.split(rb"[\t\n]", line)[2].decode(errors="replace")
    return "" if said == version or (vouched and said == _UNKNOWN) else f"was built from {module} {said}, not {version}"


def _first_line(text: str) -> str:
    return text.splitlines()[0][:200] if text else "(nothing)"
