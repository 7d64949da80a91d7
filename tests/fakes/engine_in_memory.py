"""A container engine in memory: what the Kind runtime asks of one, and what was asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kwok.engine.client import Container, EngineError, Image

NODE = Container("c0ffee", "one-control-plane", True, None, "kindest/node:v1", {}, {5500: 30500})


@dataclass
class FakeEngine:
    name: str = "Docker 28.0.1"
    podman: bool = False
    root: Path = Path("/")
    memory: int = 16 * 1024**3
    address: str = "unix:///var/run/docker.sock"
    local: bool = True
    containers: dict[str, Container] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)  # by a word of the command
    asked: list[Sequence[str]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def container(self, name: str) -> Container | None:
        return next((each for each in self.containers.values() if name in (each.id, each.name)), None)

    def publishing(self, port: int) -> Container | None:
        return next((each for each in self.containers.values() if each.running and port in each.ports), None)

    def remove(self, name: str) -> None:
        self.containers = {key: each for key, each in self.containers.items() if each.id != name}
        self.removed.append(name)

    def image(self, name: str) -> Image | None:
        return Image(self.images[name], (name,), (), {}, 1) if name in self.images else None

    def execute(self, name: str, argv: Sequence[str], seconds: float = 60) -> tuple[int, bytes]:
        self.asked.append(argv)
        for word, answer in self.answers.items():
            if word in argv[-1]:
                return answer
        raise EngineError(f"{name} does not run")
