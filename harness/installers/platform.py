"""What a lane is given to install on, whichever runtime the cluster has."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from harness.cluster.api import Cluster
from harness.installers.installer import Infrastructure, Installer
from harness.progress import Progress
from harness.runtime import RunningCluster, Runtime

Tools = Callable[[str], Path]


class Platform(Protocol):
    """`shared`: cells run on one cluster, one after another; `here`: controllers are processes of this machine,
    and reach what it reaches.

    `state` is the directory in which its clusters are, and who uses which.
    """

    @property
    def runtime(self) -> Runtime: ...

    @property
    def state(self) -> Path: ...

    @property
    def shared(self) -> bool: ...

    @property
    def here(self) -> bool: ...

    def require(self) -> None:
        """Raise EngineMissing where the machine has nothing to run clusters in, SettingsError where the registry or
        the repository that the settings name cannot be used: before anything else is begun.
        """
        ...

    def tools(self, installers: Iterable[Installer]) -> tuple[str, ...]:
        """The programs that the cluster and these installers need, in that order, each once."""
        ...

    def infrastructure(
        self, running: RunningCluster, cluster: Cluster, tools: Tools, progress: Progress
    ) -> Infrastructure:
        """What lanes deliver through on a cluster that is up; nothing of it is installed by this."""
        ...
