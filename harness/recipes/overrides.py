"""What charts need on nodes that run nothing: overrides with a reason each, from a file.

The harness comes with such a file, and the setting `overrides` names another one, whose entries come after those:

    overrides:
      - set: certmanager:startupapicheck.enabled=false
        reason: its hook waits for a webhook, and no container runs
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from harness.errors import DataError, UsageError
from harness.formats.documents import Document
from harness.recipes.values import SetOverride, parse_set
from harness.settings import ROOT

FILE = ROOT / "kwok" / "overrides.yaml"


@cache
def packaged() -> tuple[SetOverride, ...]:
    """Those that come with the harness."""
    return load(FILE)


def load(file: Path) -> tuple[SetOverride, ...]:
    """The overrides of a file, in its order, each with its reason and place. Raises DataError with file and line."""
    found: list[SetOverride] = []
    for entry in Document.read(file).root().closed("overrides").blocks("overrides"):
        entry.closed("set", "reason")
        text, reason, place = entry.text("set", required=True), entry.text("reason", required=True), entry.where()
        try:
            override = replace(parse_set(text), reason=" ".join(reason.split()), place=place)
        except UsageError as error:
            raise DataError(error.what, where=entry.where("set"), do=error.do) from None
        _once(override, found)
        found.append(override)
    return tuple(found)


def _once(override: SetOverride, earlier: Sequence[SetOverride]) -> None:
    for each in earlier:
        if (each.component, each.path) == (override.component, override.path):
            do = f"remove one of the two; the other is at {each.place}"
            raise DataError(f"{override} sets what another entry sets", where=override.place, do=do)
