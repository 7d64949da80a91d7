"""Free ports on loopback for a control plane that is about to start, and who holds a fixed one.

Free ones are below the range from which the system takes ports for outgoing connections, so that none of those gets in
between; at random, so that two harnesses with state directories of their own rarely want the same. Within one state
directory the caller passes what is reserved. What remains of the race shows when a component cannot listen.
"""

import random
import re
import shlex
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass

import psutil

from harness.errors import ClusterError, GitNotReady, HarnessError, RegistryNotReady
from harness.processes import daemons

_SERVICE = re.compile(r"/clusters/([a-z0-9-]+)/services/(registry|gitea)/")
FreePorts = Callable[[int, set[int]], list[int]]  # how many, and which not

LOWEST, HIGHEST = 10_000, 32_767


@dataclass(frozen=True)
class Fixed:
    """A port that is not chosen here, because the address is part of what is pushed: what serves there, the variable
    that names another one, and the error where somebody else has it.
    """

    what: str
    variable: str
    error: type[HarnessError]

    @property
    def another(self) -> str:
        """The remedy."""
        return f"choose another port: {self.variable}"


REGISTRY = Fixed("registry", "KWOK_REGISTRY_HOST_PORT", RegistryNotReady)
GIT = Fixed("Git server", "KWOK_GITEA_HOST_PORT", GitNotReady)
_SERVES = {"registry": REGISTRY.what, "gitea": GIT.what}


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


def require_free(port: int, fixed: Fixed = REGISTRY, ours: int | None = None) -> None:
    """Raise the error of a fixed port, with who it is and what to do, where another process than `ours` listens."""
    found = [each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    found = [each for each in found if each.laddr and each.laddr.port == port and each.laddr.ip != "::1"]
    found = [each for each in found if ours is None or each.pid != ours]
    if not found:
        return
    pid = found[0].pid
    words = daemons.command_line(pid) if pid is not None else ()
    cluster = _SERVICE.search(words[0]) if words else None
    if cluster is not None:
        what = _SERVES[cluster[2]]
        who, do = f"the {what} of the cluster {cluster[1]!r} (process {pid})", f"kwok-harness down {cluster[1]}"
    elif pid is not None:
        who, do = f"process {pid}: {shlex.join(words)[:200]}", "end it"
    else:
        who, do = "a process of another user", "see who it is (as root): ss -ltnp"
    raise taken(port, who, do, fixed)


def taken(port: int, who: str, do: str, fixed: Fixed = REGISTRY) -> HarnessError:
    """The error of a fixed port that somebody else has."""
    return fixed.error(f"the port is taken by {who}", where=f"127.0.0.1:{port}", do=f"{do}; or {fixed.another}")
