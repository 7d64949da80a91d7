"""How the registry is configured, whatever it runs in, how it is known, and the evidence that it leaves."""

import yaml

from harness.errors import RegistryUnreachable
from harness.evidence.collect import Collector
from harness.evidence.collectors import EvidenceSite
from harness.installers.authority import authority
from harness.installers.reachable import Served
from harness.processes.ports import REGISTRY
from harness.publishing.oci.address import Access, Address
from harness.publishing.oci.credentials import find
from harness.settings import Settings

NAME = "registry"
HEADER = "X-Kwok-Harness"
LOG_LINES = 200  # of evidence, as documented


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
    return Access(there, find(there.host), authority(settings.registry.ca, "registry.ca"))


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


SERVED = Served(
    REGISTRY, "/v2/", lambda connection: connection.getresponse().getheader(HEADER, "") or "", RegistryUnreachable
)


def collectors(site: EvidenceSite) -> list[Collector]:
    """Who pushed and pulled what, and how it was answered."""
    return [site.log_of(NAME, lines=LOG_LINES)]
