"""Images from the engine into the node of a Kind cluster, each once: what was loaded is written down beside it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.errors import ClusterError
from harness.progress import Progress, task
from kwok.engine.client import Engine

FILE = "images.json"  # tag -> id of what was loaded; gone with the node, since the directory is


def load(
    engine: Engine, directory: Path, tags: Mapping[str, str], kind: Callable[..., None], progress: Progress
) -> None:
    """Load the images of `tags` (by logical name) that the node has not got; `kind` runs kind with these words.

    The caller is alone with the cluster. Raises ClusterError.
    """
    loaded = _read(directory / FILE)
    wanted: dict[str, str] = {}
    for tag in tags.values():
        image = engine.image(tag)
        if image is None:
            raise ClusterError("the image disappeared", where=tag, do="kwok-harness images pull")
        if loaded.get(tag) != image.id:
            wanted[tag] = image.id
    if not wanted:
        return
    with task(progress, "images into the node", ", ".join(wanted)):
        kind("load", "docker-image", *wanted)
    (directory / FILE).write_text(json.dumps(loaded | wanted, indent=2) + "\n", encoding="utf-8")


def _read(file: Path) -> dict[str, str]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return {}
