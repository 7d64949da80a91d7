"""What the lanes deliver through: a registry, Argo CD and Flux, as processes beside a cluster on this machine.

Each installer may be called again at any time: what is right stays, what is not is put right. None of them needs the
bundle, so they run while it is made. Each failure has the documented exit code of its step.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.cluster import Cluster
from harness.errors import HarnessError, InfrastructureError, ToolError
from harness.progress import Progress
from harness.settings import Settings
from kwok.runtime import RunningCluster
from kwok.services import Services


@dataclass(frozen=True)
class Site:
    """Where something is installed, and with what. `tools` gives a program's path, waiting until it is built.

    Manifests of a tool's module lie in `files` beside its program.
    """

    settings: Settings
    tools: Callable[[str], Path]
    running: RunningCluster
    cluster: Cluster
    services: Services
    progress: Progress


@contextmanager
def failing_as(kind: type[InfrastructureError]) -> Iterator[None]:
    """An error of the block becomes one of `kind`, with its exit code; a missing tool keeps its own."""
    try:
        yield
    except (InfrastructureError, ToolError):
        raise
    except HarnessError as error:
        raise kind(error.what, where=error.where, do=error.do) from error
