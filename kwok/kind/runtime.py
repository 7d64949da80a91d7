"""The Kind runtime: a cluster of kind (one container of the engine), in which KWOK simulates the nodes.

A node container sees a directory of the harness: by that, not by its name, it is known to be ours. It is taken away
through the engine, by its id; other clusters of kind, and the user's kubeconfig, are never touched.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import yaml

from harness.cluster.api import Cluster
from harness.cluster.ownership import marker, require_ours
from harness.deadline import Deadline
from harness.errors import ClusterError, HarnessError, NotOurs, UsageError
from harness.objects import CONFIGMAPS
from harness.processes import commands, daemons
from harness.processes.commands import CommandFailed
from harness.processes.service import MARK
from harness.progress import Progress, task
from harness.runtime import RunningCluster
from harness.settings import Settings
from kwok import record as state
from kwok.cloud import LOG, RECORD
from kwok.clusters import Clusters, file_errors
from kwok.engine.client import Container, Engine, EngineMissing
from kwok.engine.images import Images
from kwok.furnishing import furnish
from kwok.kind import config, fence, preflight
from kwok.kind import node as kind_node
from kwok.kind.boot import furnish_cluster
from kwok.kind.config import node_container
from kwok.kind.node_images import load

_TASK = "control plane"
_KUBECONFIG = "kubeconfig.yaml"
_CONFIGURATION = "kind.yaml"
_OWNER = "owner"  # the directory that the node sees
_LOGS = "logs"
_LONGEST_NAME = 50  # the node's host name is longer by 14 characters, and may have 64
_HEALTHY_SECONDS = 5.0  # a server that does not answer for so long is made anew
_OTHERS_SECONDS = 60.0  # what somebody else may take beyond the time for a boot, before waiting is given up
# In which a container may still come that the engine was told to make: before it is seen, the image's /var is copied.
_LATE_SECONDS = 20.0


class KindRuntime:
    """Clusters as directories below `home`/kind; `tools` gives a program's path, waiting until it is built."""

    name: ClassVar[str] = "kind"
    tools: ClassVar[tuple[str, ...]] = ("kind",)

    def __init__(
        self,
        settings: Settings,
        tools: Callable[[str], Path],
        home: Path,
        *,
        connect: Callable[[], Engine] = Engine.connect,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._settings = settings
        self._path_of = tools
        self._connect = connect
        self._environment = environment
        half_made = {_KUBECONFIG, f"{_KUBECONFIG}.lock", _CONFIGURATION, _OWNER, _LOGS, LOG, RECORD}
        self._clusters = Clusters(home / "kind", half_made, self._stop)
        self._patience = settings.deadlines.cluster_ready + _OTHERS_SECONDS

    def up(self, name: str, progress: Progress) -> RunningCluster:
        """As every runtime's. The engine and this machine are looked at first: EngineMissing, RegistryNotReady."""
        if len(name) > _LONGEST_NAME:
            raise UsageError(f"{name!r} is too long for a cluster of kind", do=f"use up to {_LONGEST_NAME} characters")
        with task(progress, _TASK, name), file_errors():
            engine = self._connect()
            with self._clusters.alone(name, self._patience):
                found = self._healthy(engine, name)
                if found is None:
                    preflight.check(engine, self._settings.ports, self._ours(engine, name))
            if found is not None:
                progress.step(_TASK, f"{name} is up already")
                return found
            # Images may take minutes to be pulled, and kind to be built: nobody else's `down` waits for that.
            tags = self._images(engine, progress).ensure(["node", "kwok"])
            kind = self._path_of("kind")
            with self._clusters.alone(name, self._patience):
                return self._healthy(engine, name) or self._make(engine, name, kind, tags, progress)

    def down(self, name: str) -> None:
        with file_errors():
            if not self._clusters.exists(name):
                with suppress(EngineMissing):  # then there is nothing of ours, and nothing else to be seen
                    self._remove(self._connect(), name)
                return
            with self._clusters.alone(name, self._patience):
                self._clusters.clear(name)
                self._clusters.forget(name)

    def get(self, name: str) -> RunningCluster | None:
        record = self._clusters.record(name)
        if record is None or not record.ready:
            return None
        try:
            container = self._connect().container(record.container)
        except EngineMissing:
            return None
        return self._running(record) if container is not None and container.running else None

    def names(self) -> list[str]:
        return self._clusters.names()

    def logs(self, cluster: RunningCluster) -> Mapping[str, Path]:
        """The ends of them, 2 MB each, fetched now; nothing of a node that has stopped."""
        with file_errors():
            found = kind_node.save_logs(self._connect(), node_container(cluster.name), cluster.directory / _LOGS)
        return {**found, "simulated-cloud": cluster.directory / LOG} if found else {}

    def load(self, cluster: RunningCluster, names: Sequence[str], progress: Progress) -> dict[str, str]:
        """Have images in the cluster's node: by logical name, what a pod spec must say. Loaded once; pulled if need be.

        What is no name of the settings is a reference, as pods say it already. Raises ClusterError.
        """
        engine = self._connect()
        references = {name: name for name in names if name not in self._settings.images}
        images = self._images(engine, progress, references)
        tags = {
            **images.ensure([name for name in names if name not in references]),
            **images.ensure_named(list(references)),
        }
        with file_errors(), self._clusters.alone(cluster.name, self._patience):
            self._load(engine, cluster.name, self._path_of("kind"), tags, progress)
        return tags

    def until_stopped(self, cluster: RunningCluster) -> int:
        """Block until the node has stopped; its exit code. EngineError where the engine itself goes away."""
        record = self._clusters.record(cluster.name)
        return self._connect().until_stopped(record.container if record else node_container(cluster.name))

    def _images(self, engine: Engine, progress: Progress, further: Mapping[str, str] = MappingProxyType({})) -> Images:
        return Images(
            engine,
            {**self._settings.images, **further},
            self._settings.retries,
            progress,
            timeout=self._settings.deadlines.images,
            cancelled=threading.Event(),
        )

    def _running(self, record: state.Record) -> RunningCluster:
        return self._clusters.running(record, self.name, _KUBECONFIG)

    def _ours(self, engine: Engine, name: str) -> Container | None:
        """The node of the cluster, running or not. Raises NotOurs for one that somebody else has made."""
        container = engine.container(node_container(name))
        owner = os.path.realpath(self._clusters.directory(name) / _OWNER)  # an engine may have followed links
        if container is None or owner in map(os.path.realpath, container.mounts):
            return container
        raise NotOurs(
            f"there is a container {container.name} that the harness did not create; it was not changed",
            where=engine.name,
            do="use another name for the cluster (KWOK_CLUSTER), or remove yours: kind delete cluster --name " + name,
        )

    def _remove(self, engine: Engine, name: str, *, late: float = 0.0) -> None:
        """Remove the node, one that appears within `late` seconds too."""
        until = time.monotonic() + late
        while (container := self._ours(engine, name)) is None and time.monotonic() < until:
            time.sleep(0.2)
        if container is not None:
            engine.remove(container.id)

    def _stop(self, directory: Path, record: state.Record | None) -> None:
        """What is called before a directory is deleted."""
        self._remove(self._connect(), directory.name)
        daemons.stop(daemons.carrying(MARK, str(directory)), grace=0.0)

    def _healthy(self, engine: Engine, name: str) -> RunningCluster | None:
        """The cluster if it can be used as it is, None if it is to be made. Raises where a person must decide."""
        container = self._ours(engine, name)
        record = self._clusters.record(name)
        if record is None or not record.ready or container is None or not container.running:
            return None
        record.require_made_with(self._made_with())
        running = self._running(record)
        cluster = Cluster(running.kubeconfig)
        if container.id != record.container or not cluster.healthy(_HEALTHY_SECONDS):
            return None
        require_ours(cluster, running)
        kind_node.refuse_traffic(engine, container.id)
        fence.fence(cluster)  # as it is now, if an older harness made the cluster
        furnish(cluster, self._settings, running.directory)
        return running

    def _made_with(self) -> dict[str, str]:
        """What cannot be changed while a cluster runs."""
        settings = self._settings
        pin = settings.tools.pins.get("kind")
        return {
            "webhooks": settings.webhooks,
            "schedulers": settings.schedulers,
            "pods": settings.pods,
            **{f"ports.{name}": str(port) for name, port in settings.ports.model_dump().items()},
            **{f"images.{name}": settings.images[name] for name in ("node", "kwok")},
            **({"kind": pin.version} if pin else {}),
        }

    def _make(
        self, engine: Engine, name: str, kind: Path, tags: Mapping[str, str], progress: Progress
    ) -> RunningCluster:
        """Anew: whatever is left of an earlier one goes first. Where it fails or is interrupted, nothing remains."""
        self._remove(engine, name)
        self._clusters.clear(name)
        try:
            return self._boot(engine, name, kind, tags, progress)
        except BaseException as error:
            killed = not isinstance(error, HarnessError) or commands.ALL.stopping()
            with commands.undisturbed(), suppress(HarnessError, OSError):  # the first failure is the one to tell
                self._remove(engine, name, late=_LATE_SECONDS if killed else 0.0)
                self._clusters.clear(name)
            raise

    def _boot(
        self, engine: Engine, name: str, kind: Path, tags: Mapping[str, str], progress: Progress
    ) -> RunningCluster:
        settings, directory = self._settings, self._clusters.directory(name)
        deadline = Deadline.after(settings.deadlines.cluster_ready)
        ports = settings.ports
        record = self._clusters.reserve(name, self._made_with(), lambda _: ports.model_dump())
        (directory / _OWNER).mkdir()
        document = config.configuration(ports, settings.webhooks, directory / _OWNER)
        (directory / _CONFIGURATION).write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        progress.step(_TASK, f"kind makes a cluster of {tags['node']}")
        self._kind(
            engine,
            config.create(kind, name, tags["node"], directory / _CONFIGURATION, directory / _KUBECONFIG),
            deadline.remaining,
        )
        (directory / _KUBECONFIG).chmod(0o600)
        node = self._ours(engine, name)
        if node is None:
            raise ClusterError(f"kind created no container {node_container(name)}", where=engine.name)
        cluster = Cluster(directory / _KUBECONFIG)
        record = record.contained(node.id, context=cluster.context_name, server=cluster.server)
        state.write(directory, record)
        progress.step(_TASK, "the API server is ready")
        self._load(engine, name, kind, {"kwok": tags["kwok"]}, progress)
        furnish_cluster(cluster, node.name, tags["kwok"], settings, directory, deadline)
        kind_node.refuse_traffic(engine, node.id)  # after kube-proxy, which puts itself first once
        running = self._running(record)
        cluster.apply(CONFIGMAPS, marker(running))
        state.write(directory, record.seen_ready({}))
        return running

    def _load(self, engine: Engine, name: str, kind: Path, tags: Mapping[str, str], progress: Progress) -> None:
        def run(*words: str) -> None:
            self._kind(engine, [kind, *words, "--name", name], self._settings.deadlines.cluster_ready)

        load(engine, self._clusters.directory(name), tags, run, progress)

    def _kind(self, engine: Engine, argv: Sequence[str | Path], timeout: float) -> None:
        """Run kind. Its own words, which may be a thousand lines of kubeadm, are cut to the error and the end."""
        environment = config.environment(self._environment, engine.address, podman=engine.podman)
        try:
            commands.run(argv, timeout=timeout, env=environment)
        except CommandFailed as failed:
            errors = [line for line in failed.completed.stderr.splitlines() if line.startswith("ERROR")]
            raise ClusterError(
                "\n".join(dict.fromkeys([*errors[:1], failed.what])),
                do="see what the engine says: docker events, journalctl -u docker"
                if not failed.timed_out
                else "give it more time on a slow machine: deadlines.cluster_ready",
            ) from failed
