"""Whether `localhost` leads to the very server of a cluster: an open port proves nothing, it may be somebody else's."""

import http.client
import socket
from collections.abc import Callable
from dataclasses import dataclass

from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.processes.ports import Fixed

PROBE_SECONDS = 2.0
_LOOK_SECONDS = 0.2

Identify = Callable[[http.client.HTTPConnection], str]  # what answers says that it is; empty where it does not say


@dataclass(frozen=True)
class Served:
    """A server by the path at which it is asked who it is, and how its answer is read."""

    port: Fixed
    path: str
    identify: Identify
    error: type[HarnessError]


def until_reachable(
    served: Served,
    port: int,
    identity: str,
    deadline: Deadline,
    *,
    do: str = "see what /etc/hosts says of localhost",
) -> None:
    """See that `localhost` leads to this server, by whichever of its addresses a client may try. `do` is the remedy
    where nobody answers.

    Raises the error of `served`: at once where another server answers, at the deadline where nobody does.
    """
    what, where = served.port.what, f"http://localhost:{port}{served.path}"
    while True:
        try:
            addresses = {str(found[4][0]) for found in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM)}
        except OSError as error:
            raise served.error(
                f"localhost has no address: {error.strerror}", where=where, do="add `127.0.0.1 localhost` to /etc/hosts"
            ) from error
        answers = {each: said for each in sorted(addresses) if (said := _identity(served, each, port)) is not None}
        for address, answer in answers.items():
            if answer != identity:
                raise served.error(
                    f"localhost leads to {address}, where something else answers than the cluster's {what}",
                    where=where,
                    do=f"see who listens there: ss -ltnp; or {served.port.another}",
                )
        if answers:
            return
        if deadline.expired:
            raise served.error(
                f"the {what} runs, but nobody answers at {', '.join(sorted(addresses))} after {deadline.budget:g} s",
                where=where,
                do=do,
            )
        deadline.clock.sleep(_LOOK_SECONDS)


def _identity(served: Served, address: str, port: int) -> str | None:
    """What answers there says it is; None where nobody answers."""
    connection = http.client.HTTPConnection(address, port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", served.path)
        return served.identify(connection)
    except ConnectionError:  # one that hangs up at once is a proxy before a server that is not there yet
        return None
    except http.client.HTTPException:
        return ""
    except OSError:
        return None
    finally:
        connection.close()
