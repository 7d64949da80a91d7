"""The host runtime: a control plane of ordinary processes, started by kwokctl; no container engine is needed."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from harness.cluster.api import Cluster
from harness.cluster.ownership import marker, require_ours
from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.objects import CONFIGMAPS
from harness.processes import commands
from harness.processes.daemons import Identity
from harness.processes.ports import FreePorts, free_ports
from harness.progress import Progress, task
from harness.runtime import RunningCluster
from harness.settings import Settings
from kwok import admission
from kwok import record as state
from kwok.cloud import LOG, RECORD
from kwok.clusters import Clusters, file_errors
from kwok.furnishing import furnish
from kwok.host import launch
from kwok.host.boot import Boot
from kwok.host.components import CONFIGURATION, EGRESS, PORTS, PROGRAMS, files
from kwok.host.launch import KUBECONFIG, ComponentDied

_TASK = "control plane"
_HEALTHY_SECONDS = 5.0  # a server that does not answer for so long is made anew
_HALF_MADE = {CONFIGURATION, EGRESS, KUBECONFIG, LOG, RECORD, "kwok.yaml", "bin", "etcd", "logs", "pids", "pki"}
_OTHERS_SECONDS = 60.0  # what somebody else may take beyond the time for a boot, before waiting is given up


class HostRuntime:
    """Clusters as directories below `home`; `tools` gives a program's path, waiting until it is built."""

    name: ClassVar[str] = "host"
    tools: ClassVar[tuple[str, ...]] = (*PROGRAMS.values(), "kwokctl")

    def __init__(
        self, settings: Settings, tools: Callable[[str], Path], home: Path, *, choose_ports: FreePorts = free_ports
    ) -> None:
        self._settings = settings
        self._path_of = tools
        self._clusters = Clusters(home, _HALF_MADE, _stop)
        self._choose_ports = choose_ports
        self._patience = settings.deadlines.cluster_ready + _OTHERS_SECONDS

    def up(self, name: str, progress: Progress) -> RunningCluster:
        with task(progress, _TASK, name), file_errors():
            with self._clusters.alone(name, self._patience):
                found = self._healthy(name)
            if found is not None:
                progress.step(_TASK, f"{name} is up already")
                return found
            # Tools may take minutes to build: nobody else's `down` waits for that.
            programs = {component: self._path_of(tool) for component, tool in PROGRAMS.items()}
            kwokctl = self._path_of("kwokctl")
            with self._clusters.alone(name, self._patience):
                return self._healthy(name) or self._make(name, kwokctl, programs, progress)

    def down(self, name: str) -> None:
        with file_errors():
            if not self._clusters.exists(name):
                return
            with self._clusters.alone(name, self._patience):
                self._clusters.clear(name)
                self._clusters.forget(name)

    def get(self, name: str) -> RunningCluster | None:
        record = self._clusters.record(name)
        return self._running(record) if record is not None and record.running else None

    def names(self) -> list[str]:
        return self._clusters.names()

    def logs(self, cluster: RunningCluster) -> Mapping[str, Path]:
        found = {component: launch.log_file(cluster.directory, component) for component in PROGRAMS}
        found |= {"simulated-cloud": cluster.directory / LOG}
        return {component: log for component, log in found.items() if log.exists()}

    def _running(self, record: state.Record) -> RunningCluster:
        return self._clusters.running(record, self.name, KUBECONFIG)

    def _healthy(self, name: str) -> RunningCluster | None:
        """The cluster if it can be used as it is, None if it is to be made. Raises where a person must decide."""
        record = self._clusters.record(name)
        if record is None or not record.running:
            return None
        record.require_made_with(self._made_with())
        running = self._running(record)
        cluster = Cluster(running.kubeconfig)
        if not cluster.healthy(_HEALTHY_SECONDS):
            return None
        require_ours(cluster, running)
        furnish(cluster, self._settings, running.directory)
        return running

    def _ports(self, reserved: set[int]) -> dict[str, int]:
        return dict(zip(PORTS, self._choose_ports(len(PORTS), reserved), strict=True))

    def _made_with(self) -> dict[str, str]:
        """What cannot be changed while a cluster runs."""
        pins = self._settings.tools.pins
        return {
            "webhooks": self._settings.webhooks,
            "schedulers": self._settings.schedulers,
            "pods": self._settings.pods,
            **{tool: pins[tool].version for tool in PROGRAMS.values() if tool in pins},
        }

    def _make(self, name: str, kwokctl: Path, programs: Mapping[str, Path], progress: Progress) -> RunningCluster:
        """Anew: whatever is left of an earlier one goes first. A port that somebody was quicker to take: once more."""
        self._clusters.clear(name)
        try:
            return self._boot(name, kwokctl, programs, progress)
        except ComponentDied as died:
            if not died.port_taken:
                raise
        progress.step(_TASK, "a port was taken in the meantime: once more, with others")
        return self._boot(name, kwokctl, programs, progress)

    def _boot(self, name: str, kwokctl: Path, programs: Mapping[str, Path], progress: Progress) -> RunningCluster:
        """One attempt; where it fails, or is interrupted, nothing of it remains."""
        directory = self._clusters.directory(name)

        def start_again(component: str) -> Identity:
            progress.step(_TASK, f"{component} exited: restarting it")
            return launch.start_again(kwokctl, self._clusters.home, name, component)

        try:
            deadline = Deadline.after(self._settings.deadlines.cluster_ready)
            record = self._clusters.reserve(name, self._made_with(), self._ports)
            progress.step(_TASK, "starting the control plane")
            policies = self._settings.webhooks, self._settings.pods
            plan = files(programs, record.ports, directory, *policies, launch.true_program())
            components = launch.start(kwokctl, self._clusters.home, name, plan)
            cluster = Cluster(directory / KUBECONFIG)
            record = record.started(components, context=cluster.context_name, server=cluster.server)
            state.write(directory, record)
            boot = Boot(directory, components, start_again, deadline)
            boot.until_serving(cluster)
            progress.step(_TASK, "the API server is ready")
            with ThreadPoolExecutor(1, thread_name_prefix="furnishing") as pool:
                furnishing = pool.submit(furnish, cluster, self._settings, directory)
                boot.until_working(cluster)
                furnishing.result()
            admission.until_in_force(cluster, self._settings, deadline)
            running = self._running(record)
            cluster.apply(CONFIGMAPS, marker(running))
            state.write(directory, record.seen_ready(boot.components))
            return running
        except BaseException:
            with commands.undisturbed(), suppress(HarnessError, OSError):  # the first failure is the one to tell
                self._clusters.clear(name)
            raise


def _stop(directory: Path, record: state.Record | None) -> None:
    launch.stop(directory, record.components if record is not None else {})
