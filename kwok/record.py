"""What is written down about a cluster on this machine: cluster.json in its directory.

A pid alone proves nothing: by the time one looks, the machine may have been rebooted or the pid given to somebody
else. So each component is recorded with its start time and the boot it belongs to, and only that process is ours.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.errors import ClusterError
from harness.processes.daemons import Identity, alive

FILE = "cluster.json"


@dataclass(frozen=True)
class Record:
    """`made_with` is what a cluster cannot change later (versions, policies); `ready` is set when it was seen ready.

    `ports` are reserved from the moment the record is written, before anything listens on them. A cluster runs as
    processes of this machine (`components`), or in one `container` of the engine, named by its id.
    """

    name: str
    identity: str
    created: str
    made_with: Mapping[str, str]
    ports: Mapping[str, int]
    components: Mapping[str, Identity] = field(default_factory=dict)
    container: str = ""
    context: str = ""
    server: str = ""
    ready: bool = False

    def started(self, components: Mapping[str, Identity], *, context: str, server: str) -> "Record":
        return replace(self, components=dict(components), context=context, server=server)

    def contained(self, container: str, *, context: str, server: str) -> "Record":
        return replace(self, container=container, context=context, server=server)

    def seen_ready(self, components: Mapping[str, Identity]) -> "Record":
        return replace(self, components=dict(components), ready=True)

    def require_made_with(self, wanted: Mapping[str, str]) -> None:
        """Raise ClusterError where the cluster was made with anything else: a person decides what becomes of it."""
        if self.made_with == wanted:
            return
        keys = [key for key in {**wanted, **self.made_with} if wanted.get(key) != self.made_with.get(key)]
        told = ", ".join(f"{key}: {self.made_with.get(key)} (settings: {wanted.get(key)})" for key in keys)
        raise ClusterError(
            f"the cluster {self.name!r} was made with other settings: {told}",
            do=f"kwok-harness down {self.name}, or another name (KWOK_CLUSTER)",
        )

    @property
    def running(self) -> bool:
        """Whether every component is still the process that was started. A container is the engine's to ask for."""
        return self.ready and bool(self.components) and all(alive(each) for each in self.components.values())


def read(directory: Path) -> Record | None:
    """The record, or None where there is none or a killed harness left half a cluster."""
    try:
        data: dict[str, Any] = json.loads((directory / FILE).read_text(encoding="utf-8"))
        components = {name: Identity(**identity) for name, identity in data.pop("components").items()}
        return Record(**data, components=components)
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write(directory: Path, record: Record) -> None:
    """Replace the record in one step; readable by its owner only."""
    draft = directory / f"{FILE}.new"
    draft.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    draft.chmod(0o600)
    draft.replace(directory / FILE)
