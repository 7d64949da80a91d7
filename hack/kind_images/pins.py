"""What the factory builds from beyond the tools of the settings: pins.yaml, typed and closed like the settings."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from harness.settings import Pin, Tools

FILE = Path(__file__).with_name("pins.yaml")
WRAPPERS = Path(__file__).with_name("wrappers")


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class System(_Closed):
    """A Debian system: suite, packages beyond the smallest variant, glob patterns of what is removed, users to add."""

    suite: str
    packages: tuple[str, ...]
    drop: tuple[str, ...]
    users: dict[str, int] = Field(default_factory=dict)


class Pins(_Closed):
    rootfs: dict[str, System]
    tools: Tools


def load(shared: Tools, file: Path = FILE) -> Pins:
    """Read pins.yaml; `shared` are the settings' tools, which name the Go to build with and what `like` refers to."""
    data = yaml.safe_load(file.read_text(encoding="utf-8"))
    pins = {name: _pin(entry, shared) for name, entry in data.pop("pins").items()}
    return Pins.model_validate(
        {**data, "tools": Tools(source=shared.source, go=shared.go, go_wheel=shared.go_wheel, pins=pins)}
    )


def _pin(entry: dict[str, Any], shared: Tools) -> Pin:
    if "like" not in entry:
        return Pin.model_validate(entry)
    like = shared.pins[entry["like"]]
    return Pin.model_validate(
        {"version": like.version, "stamps": like.stamps} | {k: entry[k] for k in entry if k != "like"}
    )
