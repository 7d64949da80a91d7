"""Recipes with few components: a cell of three releases proves of a lane what one of thirteen does, and sooner."""

from collections.abc import Collection, Mapping
from pathlib import Path

import yaml


def shorten(recipes: Path, kept: Mapping[str, Collection[str]]) -> None:
    """Leave only these overlays in a copy of the sample data, and of the components that each names only these."""
    for overlay in (recipes / "overlays").iterdir():
        if overlay.stem not in kept:
            overlay.unlink()
            continue
        document = yaml.safe_load(overlay.read_text(encoding="utf-8"))
        named = document["spec"]["componentRefs"]
        document["spec"]["componentRefs"] = [each for each in named if each["name"] in kept[overlay.stem]]
        overlay.write_text(yaml.safe_dump(document), encoding="utf-8")
