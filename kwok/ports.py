"""Free ports on loopback for a control plane that is about to start.

Below the range from which the system takes ports for outgoing connections, so that none of those gets in between; at
random, so that two harnesses with state directories of their own rarely want the same. Within one state directory
the caller passes what is reserved. What remains of the race shows when a component cannot listen.
"""

import random
import socket
from collections.abc import Collection

from harness.errors import ClusterError

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
            f"there are no {count} free ports between {LOWEST} and {HIGHEST}",
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
