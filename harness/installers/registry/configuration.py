"""How the registry is configured, whatever it runs in, how it is known, and the evidence that it leaves."""

import http.client
import socket
import ssl
from pathlib import Path

import yaml

from harness.deadline import Deadline
from harness.errors import RegistryUnreachable, SettingsError
from harness.evidence.collect import Collector
from harness.evidence.collectors import EvidenceSite
from harness.processes.ports import ANOTHER_PORT
from harness.publishing.oci.address import Access, Address
from harness.publishing.oci.credentials import find
from harness.settings import Settings

NAME = "registry"
HEADER = "X-Kwok-Harness"
LOG_LINES = 200  # of evidence, as documented
_PROBE_SECONDS = 2.0
_LOOK_SECONDS = 0.2


def address(settings: Settings) -> Address:
    """Where programs on this machine push artifacts to, on either runtime: "localhost:5500/aicr"."""
    return elsewhere(settings) or Address(f"localhost:{settings.ports.registry}", NAMESPACE, plain_http=True)


NAMESPACE = "aicr"  # of every recipe's repository in the registry of a run


def elsewhere(settings: Settings) -> Address | None:
    """The registry of the user's own that the settings name; None where it is the run's. Raises SettingsError."""
    text = settings.registry.address
    return Address.parse(text, where="registry.address") if text else None


def access(settings: Settings) -> Access:
    """How programs on this machine get there. Credentials are looked for only where the registry is the user's own.

    Raises SettingsError.
    """
    there = elsewhere(settings)
    if there is None:
        return Access(address(settings))
    return Access(there, find(there.host), _authority(settings.registry.ca))


def _authority(file: str) -> Path | None:
    if not file:
        return None
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:  # ssl.SSLError is one
        what = (
            "no certificate was found in it" if isinstance(error, ssl.SSLError) else f"cannot be read: {error.strerror}"
        )
        raise SettingsError(what, where=f"registry.ca={file}", do="name a file with certificates in PEM") from error
    return Path(file).absolute()


def configuration(listen: str, identity: str) -> str:
    """The registry's configuration file. What is stored lies below its directory, and goes with the cluster."""
    return yaml.safe_dump(
        {
            "version": 0.1,
            "log": {"level": "info", "accesslog": {"disabled": True}},  # a line for each request is enough
            "storage": {
                "filesystem": {"rootdirectory": "data"},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {"addr": listen, "headers": {HEADER: [identity]}, "secret": identity},
        },
        sort_keys=False,
    )


def until_reachable(
    port: int, identity: str, deadline: Deadline, *, do: str = "see what /etc/hosts says of localhost"
) -> None:
    """See that `localhost` leads to this registry, by whichever of its addresses a client may try. `do` is the remedy
    where nobody answers.

    Raises RegistryUnreachable: at once where another registry answers, at the deadline where nobody does.
    """
    where = f"http://localhost:{port}/v2/"
    while True:
        try:
            addresses = {str(found[4][0]) for found in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM)}
        except OSError as error:
            raise RegistryUnreachable(
                f"localhost has no address: {error.strerror}", where=where, do="add `127.0.0.1 localhost` to /etc/hosts"
            ) from error
        answers = {address: answer for address in sorted(addresses) if (answer := _identity(address, port)) is not None}
        for address, answer in answers.items():
            if answer != identity:
                raise RegistryUnreachable(
                    f"localhost leads to {address}, where something else answers than the cluster's registry",
                    where=where,
                    do=f"see who listens there: ss -ltnp; or {ANOTHER_PORT}",
                )
        if answers:
            return
        if deadline.expired:
            raise RegistryUnreachable(
                f"the registry runs, but nobody answers at {', '.join(sorted(addresses))} after {deadline.budget:g} s",
                where=where,
                do=do,
            )
        deadline.clock.sleep(_LOOK_SECONDS)


def _identity(address: str, port: int) -> str | None:
    """What answers there says it is: empty where it does not say; None where nobody answers."""
    connection = http.client.HTTPConnection(address, port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().getheader(HEADER, "")
    except ConnectionError:  # one that hangs up at once is a proxy before a server that is not there yet
        return None
    except http.client.HTTPException:
        return ""
    except OSError:
        return None
    finally:
        connection.close()


def collectors(site: EvidenceSite) -> list[Collector]:
    """Who pushed and pulled what, and how it was answered."""
    return [site.log_of(NAME, lines=LOG_LINES)]
