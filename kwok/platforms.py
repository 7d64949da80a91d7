"""Where cells run: a runtime, and what follows from it for everything that a lane delivers through.

Both platforms give the same verdicts. They differ in who runs the controllers (processes of this machine, or pods on
the real node), in the name by which controllers find the registry, and in whether each cell gets a control plane of its
own: one of ordinary processes is there in seconds, a Kind cluster is worth sharing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

from harness.cluster.api import Cluster
from harness.errors import SettingsError
from harness.formats.addresses import on_this_machine
from harness.installers.catalog import STORES
from harness.installers.in_cluster.infrastructure import KindInfrastructure
from harness.installers.installer import Infrastructure, Installer, KindSite, Site
from harness.installers.on_host import HostInfrastructure
from harness.installers.platform import Platform, Tools
from harness.processes.services import Services
from harness.progress import Progress
from harness.runtime import RunningCluster, Runtime, state_directory
from harness.settings import Settings
from kwok.engine.client import Engine, EngineMissing
from kwok.host import launch
from kwok.host.components import PROGRAMS
from kwok.host.runtime import HostRuntime
from kwok.kind.runtime import KindRuntime

RUNTIMES = (HostRuntime.name, KindRuntime.name)
ANSWER = 5.0  # seconds for an engine to say that it is there: on a busy machine it takes its time


class HostPlatform:
    """Every cell on a control plane of its own, with its own registry and controllers as processes."""

    shared, here = False, True

    def __init__(self, settings: Settings, tools: Tools, state: Path) -> None:
        self.runtime: Runtime = HostRuntime(settings, tools, state)
        self.state = state
        self._settings = settings

    def require(self) -> None:
        for store in STORES:
            store.place(self._settings, here=True)  # processes run everywhere

    def tools(self, installers: Iterable[Installer]) -> tuple[str, ...]:
        return _each_once(self.runtime.tools, *(each.host.tools for each in installers))

    def infrastructure(
        self, running: RunningCluster, cluster: Cluster, tools: Tools, progress: Progress
    ) -> Infrastructure:
        services = Services(running.directory)
        for component in PROGRAMS:
            services.attend(
                component,
                partial(launch.component, running.directory, component),
                launch.log_file(running.directory, component),
            )
        return HostInfrastructure(Site(self._settings, tools, running, cluster, services, progress))


class KindPlatform:
    """Cells one after another on one cluster, which has the registry and the controllers in it."""

    shared, here = True, False

    def __init__(self, settings: Settings, tools: Tools, state: Path) -> None:
        self._kind = KindRuntime(settings, tools, state)
        self.state = state / self._kind.name
        self._settings = settings

    @property
    def runtime(self) -> Runtime:
        return self._kind

    def require(self) -> None:
        for store in STORES:
            store.place(self._settings, here=False)
            address = store.elsewhere(self._settings)
            if address and on_this_machine(address if "://" in address else f"//{address}"):
                raise SettingsError(
                    f"{urlsplit(address if '://' in address else f'//{address}').netloc} is an address of this machine,"
                    " which pods in the cluster do not reach",
                    where=store.setting,
                    do=f"name the {store.example[0]} by an address that they reach, or use RUNTIME=host",
                )
        Engine.connect()

    def tools(self, installers: Iterable[Installer]) -> tuple[str, ...]:
        return _each_once(self.runtime.tools, *(each.kind.tools for each in installers))

    def infrastructure(
        self, running: RunningCluster, cluster: Cluster, tools: Tools, progress: Progress
    ) -> Infrastructure:
        site = KindSite(
            settings=self._settings,
            tools=tools,
            running=running,
            cluster=cluster,
            images=lambda names: self._kind.load(running, names, progress),
            until_stopped=lambda: self._kind.until_stopped(running),
            progress=progress,
        )
        return KindInfrastructure(site)


def _each_once(*tools: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(tools)))


@dataclass(frozen=True)
class Choice:
    """The runtime to use, "host" or "kind", and why."""

    runtime: str
    why: str


def choose(settings: Settings, environment: Mapping[str, str]) -> Choice:
    """What the settings say; where they leave it open, Kind if a container engine answers. Takes seconds at most."""
    if settings.runtime != "auto":
        return Choice(settings.runtime, "as the settings say")
    try:
        engine = Engine.connect(environment, timeout=ANSWER)
    except EngineMissing:
        return Choice("host", "no container engine answers; RUNTIME=kind says more")
    return Choice("kind", f"{engine.name} answers; RUNTIME=host does without")


def platform_of(runtime: str, settings: Settings, tools: Tools, environment: Mapping[str, str]) -> Platform:
    """The platform of a runtime that has been chosen."""
    platform = KindPlatform if runtime == KindRuntime.name else HostPlatform
    return platform(settings, tools, state_directory(environment))
