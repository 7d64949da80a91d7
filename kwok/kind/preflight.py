"""What is looked at before a Kind cluster is created: better one sentence now than half a cluster in a minute."""

import re
import shutil
from collections.abc import Callable

import psutil

from harness.errors import ClusterError
from harness.processes.ports import GIT, REGISTRY, Fixed, require_free, taken
from harness.settings import Ports
from kwok.engine.client import Container, Engine

# A node takes 0.5 GiB, Argo CD and what it works on three times that; the kernel kills at random where it runs short.
MEMORY = 2 * 1024**3
# The node's image is 1 GiB unpacked, and what runs in it is there twice, in the engine and in the node.
DISK = 5 * 1024**3
_LEAST = {"Docker": 20, "Podman": 4}  # of the engine: what kind's own arguments need
_HOST_ONLY = "or do without containers: RUNTIME=host"
_KIND_LABEL = "io.x-k8s.kind.cluster"


def check(
    engine: Engine,
    ports: Ports,
    ours: Container | None,
    *,
    which: Callable[[str], str | None] = shutil.which,
    free_memory: Callable[[], int] = lambda: int(psutil.virtual_memory().available),
) -> None:
    """Raise ClusterError where a cluster could not come up here, with what is missing and what to do.

    `ports` are those of registry and Git server on this machine, `ours` the container that may hold them.
    RegistryNotReady or GitNotReady where somebody else does.
    """
    program = "podman" if engine.podman else "docker"
    if which(program) is None:
        raise ClusterError(
            f"{engine.name} answers, but kind drives it by its command line, and {program} is not on PATH",
            do=f"install {program}, {_HOST_ONLY}",
        )
    _version(engine)
    _memory(engine, free_memory)
    _disk(engine)
    _port(engine, ports.registry, ours, REGISTRY)
    _port(engine, ports.git, ours, GIT)


def _version(engine: Engine) -> None:
    found = re.match(r"(\w+) (\d+)", engine.name)
    if found and int(found[2]) < _LEAST.get(found[1], 0):
        raise ClusterError(
            f"{engine.name} is too old for kind", do=f"{found[1]} {_LEAST[found[1]]} or newer, {_HOST_ONLY}"
        )


def _memory(engine: Engine, free: Callable[[], int]) -> None:
    """All that the engine's machine has; of this one, what is free."""
    have, of = (free(), "free") if engine.local else (engine.memory, "in all")
    have, of = (engine.memory, "in all") if engine.memory < have else (have, of)
    if have < MEMORY:
        raise ClusterError(
            f"a cluster needs {_gib(MEMORY)} of memory, {engine.name} has {_gib(have)} {of}",
            do=f"end what uses it (other clusters: kwok-harness status), {_HOST_ONLY}",
        )


def _disk(engine: Engine) -> None:
    if not engine.local or not engine.root.exists():
        return
    free = shutil.disk_usage(engine.root).free
    if free < DISK:
        raise ClusterError(
            f"a cluster needs {_gib(DISK)} of disk, {_gib(free)} are free",
            where=str(engine.root),
            do=f"remove images that nothing uses, {_HOST_ONLY}",
        )


def _port(engine: Engine, port: int, ours: Container | None, fixed: Fixed) -> None:
    holder = engine.publishing(port)
    if holder is None:
        if engine.local:
            require_free(port, fixed)
        return
    if ours is not None and holder.id == ours.id:
        return
    cluster = holder.labels.get(_KIND_LABEL)
    of = f" of the Kind cluster {cluster!r}" if cluster else ""
    raise taken(port, f"the container {holder.name}{of} ({holder.image})", "stop it", fixed)


def _gib(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB"
