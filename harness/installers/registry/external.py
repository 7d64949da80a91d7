"""A registry of the user's own in the place of the run's: nothing is installed, it is asked whether it can be used.

That its controllers reach it too is theirs to say: from this machine only those that run on it can be spoken for.
"""

from harness.errors import RegistryUnreachable
from harness.installers.catalog import REGISTRY
from harness.installers.installer import HostInstallation, Installer, KindInstallation, KindSite, Site, failing_as
from harness.installers.registry.configuration import NAME, access, elsewhere
from harness.progress import task
from harness.publishing.oci.registry import Registry
from harness.settings import Settings


def check(site: Site | KindSite) -> None:
    """See that the registry answers, and takes the credentials. Raises RegistryUnreachable (21)."""
    there = access(site.settings)
    with task(site.progress, NAME, str(there.address)), failing_as(RegistryUnreachable):
        Registry.at(there, retries=site.settings.retries).require()


EXTERNAL_REGISTRY = Installer(
    name=REGISTRY.name,
    host=HostInstallation((), check),
    kind=KindInstallation((), check, ()),
    collectors=lambda _: [],  # its log is not ours
)


def located(installers: tuple[Installer, ...], settings: Settings) -> tuple[Installer, ...]:
    """These installers, with the registry that the settings name in the place of the run's own."""
    if elsewhere(settings) is None:
        return installers
    return tuple(EXTERNAL_REGISTRY if each is REGISTRY else each for each in installers)
