"""File names of kuttl: what a number and a first word make of a file, and which files nobody reads."""

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_NAME = re.compile(r"(?:([0-9]+)-)?([^-.]+)(-[^.]+)?(?:(\.gotmpl)?\.yaml)?")
_MEANT = re.compile(r"[0-9]+-.*\.ya?ml")


class Role(Enum):
    APPLY = "apply"
    ASSERT = "assert"
    ERRORS = "errors"


@dataclass(frozen=True, slots=True)
class Named:
    """A file or folder of a test; `number` is None where the name has none, `word` is what a step is called after."""

    path: Path
    number: int | None
    role: Role
    word: str
    template: bool

    @property
    def misleading(self) -> bool:
        """`error` without an s: kuttl applies such a file."""
        return self.role is Role.APPLY and self.word.partition("-")[0].lower() == "error"


def parse(path: Path) -> Named | None:
    """What kuttl makes of the name, None where it ignores it."""
    found = _NAME.fullmatch(path.name)
    if found is None:
        return None
    number, first, rest, template = found.groups()
    role = {"assert": Role.ASSERT, "errors": Role.ERRORS}.get(first.lower(), Role.APPLY)
    return Named(path, int(number) if number else None, role, first + (rest or ""), bool(template))


def why_ignored(path: Path) -> str:
    """Why a file whose name looks like that of a step is never read; empty where it does not look so."""
    if not _MEANT.fullmatch(path.name):
        return ""
    if path.suffix == ".yml":
        return "kuttl reads .yaml only, and ignores this file"
    return "kuttl ignores this file: its name has a dot, or is not NUMBER-NAME.yaml"
