"""What the lanes deliver through: a registry or a Git server, Argo CD and Flux, installed as its runtime wants.

On the host runtime they are processes beside the cluster, on Kind they are workloads in it. A lane names what it needs
and does not know which it gets. Each installer may be called again at any time: what is right stays, what is not is put
right. None of them needs the bundle, so they run while it is made. Each failure has the documented exit code of its
step.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.cluster.api import Cluster
from harness.errors import HarnessError, ImageMissing, InfrastructureError, ToolError
from harness.evidence.collect import Collector
from harness.evidence.collectors import EvidenceSite
from harness.gates.rollouts import Workload
from harness.processes.services import Services
from harness.progress import Progress
from harness.publishing.transport import Access, Place
from harness.runtime import RunningCluster
from harness.settings import Settings


@dataclass(frozen=True)
class Site:
    """Where something is installed on the host runtime, and with what. `tools` gives a program's path, waiting until
    it is built; manifests of a tool's module lie in `files` beside its program.
    """

    settings: Settings
    tools: Callable[[str], Path]
    running: RunningCluster
    cluster: Cluster
    services: Services
    progress: Progress


@dataclass(frozen=True)
class KindSite:
    """Where something is installed on the Kind runtime, and with what.

    `images` has the images of these names on the node, and says how a pod calls each; `until_stopped` blocks until the
    node has stopped, and returns its exit code. `lost` is set then, and ends what is waited for.
    """

    settings: Settings
    tools: Callable[[str], Path]
    running: RunningCluster
    cluster: Cluster
    images: Callable[[Sequence[str]], Mapping[str, str]]
    until_stopped: Callable[[], int]
    progress: Progress
    lost: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class HostInstallation:
    """How something is put beside a cluster of the host runtime, and the tools that it takes."""

    tools: tuple[str, ...]
    install: Callable[[Site], object]


@dataclass(frozen=True)
class KindInstallation:
    """How something is put into a cluster of the Kind runtime, and the tools that it takes; `workloads` run there."""

    tools: tuple[str, ...]
    install: Callable[[KindSite], object]
    workloads: tuple[Workload, ...]


@dataclass(frozen=True)
class Store:
    """What bundles are pushed to and pulled from.

    `here` is how programs of this machine get there and `inside` how pods do: without credentials that are only made
    as it is installed on a cluster, where no such cluster is given. `elsewhere` is the address of one of the user's
    own that the settings name in its place, else empty; `setting` is the name of that setting, `example` what such a
    thing is called, and how one is named. `external` installs nothing, and sees that it can be used. All raise
    SettingsError.
    """

    here: Callable[[Settings, RunningCluster | None], Access]
    inside: Callable[[Settings, RunningCluster | None], Access]
    elsewhere: Callable[[Settings], str]
    setting: str
    example: tuple[str, str]
    external: Callable[["Site | KindSite"], None]

    def place(self, settings: Settings, *, here: bool) -> Place:
        """Its address as controllers call it, which run on this machine or not (`here`)."""
        return (self.here if here else self.inside)(settings, None).address


@dataclass(frozen=True)
class Installer:
    """Something that lanes deliver through.

    `reconcilers` are those of its parts that would make again what cleaning takes away, or know of it when it is gone.
    `collectors` are the evidence that only it has. `store`: bundles are pushed there.
    """

    name: str
    host: HostInstallation
    kind: KindInstallation
    collectors: Callable[[EvidenceSite], Sequence[Collector]]
    reconcilers: tuple[str, ...] = ()
    store: Store | None = None


class Infrastructure(Protocol):
    """All that was installed on one cluster; safe for several threads.

    `died` is set as soon as a part of it has ended without being told to: pass it to whatever waits, then ask `check`.
    """

    @property
    def died(self) -> threading.Event: ...

    def install(self, installer: Installer) -> None:
        """Have it there, and working. Raises InfrastructureError with the code of the step that failed."""
        ...

    def check(self, *names: str) -> None:
        """Raise ClusterError, with its last words, if one of these (of all, where none is named) has ended."""
        ...

    def stop(self, *names: str) -> None:
        """Have these parts not running until they are installed again: an ending that is wanted, and no death."""
        ...

    def close(self) -> None:
        """The cluster is about to go: from now on no ending is a death."""
        ...

    def log(self, name: str, lines: int) -> str:
        """The last lines of a part's log. Raises HarnessError where there is none."""
        ...


@contextmanager
def failing_as(kind: type[InfrastructureError]) -> Iterator[None]:
    """An error of the block becomes one of `kind`, with its exit code; a missing tool or image keeps its own."""
    try:
        yield
    except (InfrastructureError, ToolError, ImageMissing):
        raise
    except HarnessError as error:
        raise kind(error.what, where=error.where, do=error.do) from error
