"""Free ports on loopback for a control plane that is about to start, and who holds the registry's fixed one.

Free ones are below the range from which the system takes ports for outgoing connections, so that none of those gets in
between; at random, so that two harnesses with state directories of their own rarely want the same. Within one state
directory the caller passes what is reserved. What remains of the race shows when a component cannot listen.
"""

import random
import re
import shlex
import socket
from collections.abc import Callable, Collection

import psutil

from harness.errors import ClusterError, RegistryNotReady
from harness.processes import daemons

ANOTHER_PORT = "choose another port: KWOK_REGISTRY_HOST_PORT"
_REGISTRY = re.compile(r"/clusters/([a-z0-9-]+)/services/registry/")
FreePorts = Callable[[int, set[int]], list[int]]  # how many, and which not

LOWEST, HIGHEST = 10_000, 32_767


def free_ports(count: int, reserved: Collection[int]) -> list[int]:
    """`count` different ports that nobody listens on and that are not `reserved`. Raises ClusterError."""
    found: list[int] = []
    for port in random.sample(range(LOWEST, HIGHEST + 1), HIGHEST + 1 - LOWEST):
        if len(found) == count:
            break
        if port not in reserved and is_free(port):
            found.append(port)
    if len(found) < count:
        raise ClusterError(
            f"fewer than {count} free ports between {LOWEST} and {HIGHEST}",
            where="127.0.0.1",
            do="see who holds them: ss -ltnp",
        )
    return found


def is_free(port: int) -> bool:
    """Nobody listens there, on loopback or on all addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def require_free(port: int) -> None:
    """Raise RegistryNotReady, with who it is and what to do, where somebody listens on the registry's port."""
    found = [each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    found = [each for each in found if each.laddr and each.laddr.port == port and each.laddr.ip != "::1"]
    if not found:
        return
    pid = found[0].pid
    words = daemons.command_line(pid) if pid is not None else ()
    cluster = _REGISTRY.search(words[0]) if words else None
    if cluster is not None:
        who, do = f"the registry of the cluster {cluster[1]!r} (process {pid})", f"kwok-harness down {cluster[1]}"
    elif pid is not None:
        who, do = f"process {pid}: {shlex.join(words)[:200]}", "end it"
    else:
        who, do = "a process of another user", "see who it is (as root): ss -ltnp"
    raise taken(port, who, do)


def taken(port: int, who: str, do: str) -> RegistryNotReady:
    """The error of a registry's port that somebody else has."""
    return RegistryNotReady(f"the port is taken by {who}", where=f"127.0.0.1:{port}", do=f"{do}; or {ANOTHER_PORT}")
