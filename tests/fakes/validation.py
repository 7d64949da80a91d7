"""Where the real data of the validation side stands, and snapshots and recipes to validate."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.recipes.model import Constraint
from harness.settings import ROOT
from harness.validation.measurements import Snapshot

SHARED = ROOT.parent / "shared" / "aicr-validation"
needs_validation_data = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the real validation data (../shared/aicr-validation) is not beside this clone"
)


def cases(name: str, key: str) -> list[Any]:
    """The hand-made cases below `key` of a file; none where the data is not beside this clone."""
    file = SHARED / "handmade" / name
    return list(yaml.safe_load(file.read_text(encoding="utf-8"))[key]) if file.is_file() else []


def snapshot(**readings: Any) -> Snapshot:
    """A snapshot of `K8s__server={"version": "v1.34.0"}` and the like."""
    grouped: dict[str, list[Any]] = {}
    for place, data in readings.items():
        measurement, _, subtype = place.partition("__")
        grouped.setdefault(measurement, []).append({"subtype": subtype, "data": data})
    document = {"measurements": [{"type": name, "subtypes": subtypes} for name, subtypes in grouped.items()]}
    return Snapshot.parse(yaml.safe_dump(document), Path("snapshot.yaml"))


def constraint(name: str, value: str, **more: str) -> Constraint:
    return Constraint(name, value, **more)
