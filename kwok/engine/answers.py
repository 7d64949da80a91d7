"""What the container engine answers, read: the same types whether Docker or Podman said it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Container:
    """`exit_code` is None while it runs; `ports` are the host's TCP ports and the container's behind them.

    `mounts` are the host's directories that it sees.
    """

    id: str
    name: str
    running: bool
    exit_code: int | None
    image: str
    labels: Mapping[str, str]
    ports: Mapping[int, int]
    mounts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Image:
    """An image as the engine has it: `tags` are name:tag, `digests` name@sha256:…, `size` bytes, `created` seconds.

    `layers` are the digests of the unpacked layers: the same wherever an image is, which its id is not.
    """

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    labels: Mapping[str, str]
    size: int
    created: int = 0
    layers: tuple[str, ...] = ()
    architecture: str = ""


@dataclass(frozen=True)
class PullEvent:
    """One line of a pull: what happens, to which layer (empty: the image), and how many bytes of it."""

    status: str
    layer: str = ""
    current: int = 0
    total: int = 0


def read_container(data: Mapping[str, Any]) -> Container:
    """From an inspection."""
    state, config = data["State"], data["Config"]
    running = bool(state.get("Running"))
    bound = (data.get("NetworkSettings") or {}).get("Ports") or (data.get("HostConfig") or {}).get("PortBindings") or {}
    ports = {
        int(each["HostPort"]): int(inner.partition("/")[0])
        for inner, outer in bound.items()
        for each in outer or []
        if inner.endswith("/tcp") and each.get("HostPort")
    }
    return Container(
        id=data["Id"],
        name=str(data.get("Name", "")).removeprefix("/"),
        running=running,
        exit_code=None if running else int(state.get("ExitCode") or 0),
        image=str(config.get("Image") or data.get("Image") or ""),
        labels=dict(config.get("Labels") or {}),
        ports=ports,
        mounts=tuple(each["Source"] for each in data.get("Mounts") or [] if each.get("Type") == "bind"),
    )


def read_listed(data: Mapping[str, Any]) -> Image:
    """From a list, which does not tell everything."""
    return Image(
        id=_id(data),
        tags=_named(data.get("RepoTags")),
        digests=_named(data.get("RepoDigests")),
        labels=dict(data.get("Labels") or {}),
        size=int(data.get("Size") or 0),
        created=int(data.get("Created") or 0),
    )


def read_inspected(data: Mapping[str, Any]) -> Image:
    """From an inspection; without the time it was made."""
    return Image(
        id=_id(data),
        tags=_named(data.get("RepoTags")),
        digests=_named(data.get("RepoDigests")),
        labels=dict((data.get("Config") or {}).get("Labels") or {}),
        size=int(data.get("Size") or 0),
        layers=tuple((data.get("RootFS") or {}).get("Layers") or ()),
        architecture=str(data.get("Architecture") or ""),
    )


def read_pull_event(line: Mapping[str, Any]) -> PullEvent:
    detail = line.get("progressDetail") or {}
    return PullEvent(
        str(line.get("status") or line.get("stream") or ""),
        str(line.get("id") or ""),
        int(detail.get("current") or 0),
        int(detail.get("total") or 0),
    )


def _id(data: Mapping[str, Any]) -> str:
    """Podman leaves the algorithm out in some answers."""
    found = str(data["Id"])
    return found if ":" in found else f"sha256:{found}"


def _named(names: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(name for name in names or () if not name.startswith("<none>"))
