"""A runtime whose clusters are only names."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from harness.progress import Progress
from harness.runtime import RunningCluster


class FakeRuntime:
    """Keeps names instead of clusters, and remembers what was asked."""

    name: ClassVar[str] = "host"
    tools: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *up: str) -> None:
        self.there = set(up)
        self.calls: list[str] = []

    def up(self, name: str, progress: Progress) -> RunningCluster:
        self.calls.append(f"up {name}")
        self.there.add(name)
        return RunningCluster(name, Path(name), Path(name) / "kubeconfig", name, "https://127.0.0.1", "host", "id")

    def down(self, name: str) -> None:
        self.calls.append(f"down {name}")
        self.there.discard(name)

    def get(self, name: str) -> RunningCluster | None:
        return None

    def names(self) -> list[str]:
        return sorted(self.there)

    def logs(self, cluster: RunningCluster) -> Mapping[str, Path]:
        return {}
