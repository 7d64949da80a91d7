"""Recipes with few components: a cell of three releases proves of a lane what one of thirteen does, and sooner."""

from collections.abc import Collection, Mapping
from pathlib import Path

import yaml


def shorten(recipes: Path, kept: Mapping[str, Collection[str]]) -> None:
    """Leave only these overlays in a copy of the sample data, each based on the nearest that is left, and of the
    components that each names only these.
    """
    files = {file.stem: file for file in (recipes / "overlays").iterdir()}
    documents = {name: yaml.safe_load(file.read_text(encoding="utf-8")) for name, file in files.items()}
    bases = {name: document["spec"].get("base") for name, document in documents.items()}
    for name, overlay in files.items():
        if name not in kept:
            overlay.unlink()
            continue
        document = documents[name]
        while bases[name] is not None and bases[name] not in kept:
            bases[name] = bases[bases[name]]
        document["spec"] = {**document["spec"], **({"base": bases[name]} if bases[name] else {})}
        named = document["spec"]["componentRefs"]
        document["spec"]["componentRefs"] = [each for each in named if each["name"] in kept[name]]
        overlay.write_text(yaml.safe_dump(document), encoding="utf-8")
