"""The processes of a suite: started in their order, watched, ended and started again as its steps ask.

They are services of the cluster (harness.processes), so they go with it, and a death that nobody asked for is known at
once: `died` is set, and `check` raises it with its last words.
"""

import http.client
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.cluster.api import address
from harness.endtoend.certificates import issue, trusted
from harness.endtoend.object_store import ObjectStoreClient, client_of
from harness.endtoend.processes import webhooks
from harness.endtoend.processes.declared import ObjectStore, Process, Registry
from harness.endtoend.processes.kubeconfigs import write_kubeconfig
from harness.endtoend.processes.names import ServiceName
from harness.endtoend.processes.order import levels, needed
from harness.endtoend.processes.service import (
    CERTIFICATES,
    KUBECONFIG,
    PROXY,
    Surroundings,
    environment,
    port_of,
    proxy,
    service,
)
from harness.errors import DataError, did_you_mean
from harness.installers.installer import Site
from harness.installers.registry import configuration, host
from harness.objects import Object
from harness.processes import daemons
from harness.processes.service import Service, ServiceDied
from harness.progress import task

_PROXY_SECONDS = 10.0  # for the forward proxy to be ready, or to answer
_TASK = "processes"


class Processes:
    """What a suite declares, on the cluster of a site. To be used by one thread; `died` and `check` by any.

    Raises DataError for declarations that cannot be carried out, before anything is started.
    """

    def __init__(self, site: Site, suite: Path, declared: Sequence[Process]) -> None:
        self._site = site
        self._suite = suite
        self._services = site.services
        self._order = levels(declared)
        self._declared = tuple(declared)
        self._started: set[str] = set()
        for process in declared:
            if process.name == PROXY or self._services.attends(self._service(process)):
                where = f"processes.{process.name}"
                raise DataError("the name is taken by a part of the cluster", where=where, do="choose another name")

    @property
    def died(self) -> threading.Event:
        """Set as soon as a process, or a part of the control plane, has ended without being told to."""
        return self._services.died

    def start(self, *names: str) -> None:
        """Have these processes and those that they come after running and ready, all where none is named.

        Raises ServiceDied at once with the last words of one that ends, ServiceNotReady for one that is not ready in
        its time, ClusterError for a ServiceAccount that is not there, DataError and ToolError.
        """
        wanted = {process.name for process in needed(self._declared, names)}
        with task(self._site.progress, _TASK, ", ".join(each.name for each in self._declared if each.name in wanted)):
            try:
                self._start(wanted)
            except ServiceDied as died:
                if not died.port_taken:
                    raise
                again = wanted | self._started  # who runs already may have been told of that port
                self.stop()
                self._services.forget_ports(self._purposes())
                self._start(again)

    def check(self) -> None:
        """Raise ServiceDied, with its last words, if a process has ended without being told to."""
        self._services.check()

    def kill(self, name: str) -> None:
        """End a process as a crash does, with KILL. Raises ServiceDied where it has ended before."""
        self._services.kill(self._service(self._process(name)))
        self._end_strays(name)

    def stop(self, *names: str) -> None:
        """End processes with TERM, and with KILL what is left after some seconds: all, the last started first, and
        the proxy, where none is named.
        """
        wanted = {self._process(name).name for name in names}
        for level in reversed(self._order):
            ending = [each for each in level if each.name in (wanted or self._started)]
            self._services.stop(*(self._service(each) for each in ending))
            for each in ending:
                self._end_strays(each.name)
                self._started.discard(each.name)
        if not names:
            self._services.stop(PROXY)

    def restart(self, name: str) -> None:
        """End a process with TERM, where it still runs, and start it again; returns when it is ready."""
        self.stop(name)
        self.start(name)

    def pause(self, name: str) -> None:
        """Have a process stand still with its ports open, until it is resumed, killed or stopped."""
        self._services.pause(self._service(self._process(name)))

    def resume(self, name: str) -> None:
        """Have a paused process go on; returns when it is ready."""
        self._services.resume(self._service(self._process(name)))
        self.start(name)

    def led(self, obj: Object) -> dict[str, Any]:
        """An object as it is to be applied: its webhooks at Services of a process lead to the port of that process."""
        ports = self._webhook_ports()
        return webhooks.led(obj, ports, trusted(self._services.directory)) if ports else dict(obj)

    def lead_webhooks(self) -> None:
        """Lead also those that others have applied, as a chart does. Raises ClusterError."""
        cluster = self._site.cluster
        for kind in webhooks.KINDS if self._webhook_ports() else ():
            for obj in cluster.list(kind).items:
                if (wanted := self.led(obj)) != obj:
                    cluster.request("PUT", address(kind, "", obj["metadata"]["name"]), body=wanted)

    def ports(self, name: str) -> Mapping[str, int]:
        """The ports of a process by purpose."""
        return self._ports()[self._process(name).name]

    def store(self, name: str) -> ObjectStoreClient:
        """How the suite itself asks a stand-in for S3. Raises DataError for a process that is none."""
        return client_of(self._process(name), self.ports)

    def environment(self, name: str) -> Mapping[str, str]:
        """What a process finds in its environment beside what it declares: the proxy, and its kubeconfig."""
        return environment(self._process(name), self._surroundings())

    def log(self, name: str) -> Path:
        """The file with all that a process has said, over all its starts; it may not be there yet."""
        return self._services.home(self._service(self._process(name))) / "log"

    def undeclared(self) -> Mapping[str, int]:
        """Names that processes asked the proxy for in vain, and how often; empty where it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._proxy_port(), timeout=_PROXY_SECONDS)
        try:
            connection.request("GET", "/")
            found: dict[str, int] = json.loads(connection.getresponse().read())["undeclared"]
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return {}
        finally:
            connection.close()
        return found

    def _start(self, wanted: set[str]) -> None:
        at = self._surroundings()
        self._ready([proxy(at)], _PROXY_SECONDS)
        for level in self._order:
            starting = [each for each in level if each.name in wanted]
            for process in starting:
                if isinstance(process.run, Registry):
                    host.install(self._site)
                else:
                    self._furnish(process)
            services = [service(each, at) for each in starting if not isinstance(each.run, Registry)]
            self._started |= {each.name for each in starting}  # also one that is not ready in the end: it is to go
            self._ready(services, max((each.within for each in starting), default=0.0))
            for each in starting:
                if isinstance(each.run, ObjectStore):
                    self._make_buckets(each.name, each.run)

    def _furnish(self, process: Process) -> None:
        """Write what a process finds in its home beside its own files: credentials, new ones with each start."""
        home = self._services.home(process.name)
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if process.account is not None:
            write_kubeconfig(self._site.cluster, process.account, home / KUBECONFIG)
        if process.webhooks is not None:
            names = [str(name).partition(":")[0] for name in process.webhooks.services]
            issue(self._services.directory, names).write(home / CERTIFICATES)

    def _webhook_ports(self) -> dict[ServiceName, int]:
        found: dict[ServiceName, int] = {}
        for process in self._declared:
            if process.webhooks is not None:
                port = port_of(process.webhooks.port, self.ports(process.name), f"processes.{process.name}.webhooks")
                found |= dict.fromkeys(process.webhooks.services, port)
        return found

    def _make_buckets(self, name: str, run: ObjectStore) -> None:
        for bucket in run.buckets:
            self.store(name).make(bucket)

    def _ready(self, services: Sequence[Service], within: float) -> None:
        if services:
            self._services.ensure(lambda _: services, within)

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            self._declared, self._suite, self._site.tools, self._ports(), self._proxy_port(), self._services.home
        )

    def _ports(self) -> dict[str, dict[str, int]]:
        known = self._services.ports(self._purposes())
        found: dict[str, dict[str, int]] = {}
        for process in self._declared:
            if isinstance(process.run, Registry):
                found[process.name] = dict.fromkeys(process.purposes, self._site.settings.ports.registry)
            else:
                found[process.name] = {each: known[_purpose(process, each)] for each in process.purposes}
        return found

    def _proxy_port(self) -> int:
        return self._services.ports([PROXY])[PROXY]

    def _purposes(self) -> list[str]:
        chosen = [each for each in self._declared if not isinstance(each.run, Registry)]
        return [PROXY, *(_purpose(process, each) for process in chosen for each in process.purposes)]

    def _process(self, name: str) -> Process:
        for process in self._declared:
            if process.name == name:
                return process
        do = did_you_mean(name, [process.name for process in self._declared])
        raise DataError(f"unknown process {name!r}", where="processes", do=do)

    def _service(self, process: Process) -> str:
        return configuration.NAME if isinstance(process.run, Registry) else process.name

    def _end_strays(self, name: str) -> None:
        """What a process has started and left behind: in a pod it would end with its container."""
        home = self._services.home(self._service(self._process(name)))
        daemons.stop(daemons.carrying("HOME", str(home)), grace=0.0)


def _purpose(process: Process, port: str) -> str:
    return f"{process.name} {port}"
